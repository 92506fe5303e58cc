package peer

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// BenchmarkHandshake is a new connection: TCP, both certificates, and the welcome.
func BenchmarkHandshake(b *testing.B) {
	secret := secretOf(b, "a")
	to := listen(b, credentials(b, "b", secret), Options{})
	from := listen(b, credentials(b, "a", secret), Options{})
	layer := to.Raft()
	go func() {
		for {
			c, err := layer.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	dial := from.Raft()
	address := raft.ServerAddress(to.Addr().String())
	b.ReportAllocs()
	for b.Loop() {
		c, err := dial.Dial(address, 5*time.Second)
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// BenchmarkStrangersHandshake is what somebody with another secret costs.
func BenchmarkStrangersHandshake(b *testing.B) {
	to := listen(b, credentials(b, "b", secretOf(b, "a")), Options{})
	address := to.Addr().String()
	foreign, err := newAuthority(secretOf(b, "b"), "prod", memberLabel)
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := foreign.leaf(memberNode, "prod", "evil", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := dialTLS(b.Context(), address, RaftProtocol, leaf)
		if err == nil {
			io.Copy(io.Discard, c)
			c.Close()
		}
	}
}

// BenchmarkRPC is a request and its answer, on a connection that exists.
func BenchmarkRPC(b *testing.B) {
	secret := secretOf(b, "a")
	to := listen(b, credentials(b, "b", secret), Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"index":12345}`)
	})})
	address := to.Addr().String()
	from := listen(b, credentials(b, "a", secret), Options{})
	body := strings.Repeat("x", 512)
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := post(b.Context(), from.Client(), address, body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("128 callers", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := post(context.Background(), from.Client(), address, body); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("16 MiB", func(b *testing.B) {
		big := bytes.Repeat([]byte("x"), 16<<20)
		b.SetBytes(int64(len(big)))
		for b.Loop() {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://"+address+"/v1/test", bytes.NewReader(big))
			if err != nil {
				b.Fatal(err)
			}
			answer, err := from.Client().Do(r)
			if err != nil {
				b.Fatal(err)
			}
			answer.Body.Close()
		}
	})
}
