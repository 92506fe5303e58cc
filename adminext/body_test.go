package adminext_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestBodySizes(t *testing.T) {
	s := newServer(t)
	padding := func(n int64) string { return strings.Repeat(" ", int(n)) }
	for _, kind := range resource.All {
		for name, tt := range map[string]struct {
			body string
			code string
		}{
			"at the limit":   {padding(kind.MaxBody-2) + "{}", "validation_failed"},
			"over the limit": {padding(kind.MaxBody-1) + "{}", "too_large"},
		} {
			got := s.send(t, "PUT", "/dgate/api/v1/"+kind.Name, tt.body)
			if refused := readError(t, got); refused.Code != tt.code {
				t.Errorf("%s, %s: %d %s", kind.Name, name, got.status, got.body)
			}
		}
	}
}

// TestLargeModule: 4 MiB of source fit into the body of a module.
func TestLargeModule(t *testing.T) {
	s := newServer(t)
	source := base64Of(strings.Repeat("/", resource.MaxModuleSize))
	if got := s.send(t, "PUT", "/dgate/api/v1/module/default/m", `{"payload":"`+source+`"}`); got.status != 201 {
		t.Errorf("the largest module: %d %.200s", got.status, got.body)
	}
	source = base64Of(strings.Repeat("/", resource.MaxModuleSize+1))
	got := s.send(t, "PUT", "/dgate/api/v1/module/default/n", `{"payload":"`+source+`"}`)
	if refused := readError(t, got); refused.Code != "validation_failed" || strings.Contains(got.body, "Ly8v") {
		t.Errorf("a larger module: %d %.200s", got.status, got.body)
	}
	source = base64Of(strings.Repeat("/", 5<<20))
	got = s.send(t, "PUT", "/dgate/api/v1/module/default/o", `{"payload":"`+source+`"}`)
	want := "the body is larger than 6291456 bytes; the source of a module may have at most 4 MiB"
	if refused := readError(t, got); refused.Error != want {
		t.Errorf("more than a body may have: %d %.200s", got.status, got.body)
	}
}

// TestBodyWithoutLength is refused as soon as it is too large, not when it ends.
func TestBodyWithoutLength(t *testing.T) {
	s := newServer(t)
	endless, stop := io.Pipe()
	go func() {
		for _, err := stop.Write(make([]byte, 64<<10)); err == nil; {
			_, err = stop.Write(make([]byte, 64<<10))
		}
	}()
	defer endless.Close()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", s.url+"/dgate/api/v1/service", struct{ io.Reader }{endless})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		t.Skip("the connection was closed before the answer could be read:", err) // allowed by HTTP
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("status = %d", resp.StatusCode)
	}
}

// TestSlowUpload has a body arrive over a minute, on a server that allows ten seconds. All times
// are those of a bubble.
func TestSlowUpload(t *testing.T) {
	tests := map[string]struct {
		pieces, size int
		pause        time.Duration
		status       int
	}{
		"steady":              {pieces: 12, size: 6 << 10, pause: 5 * time.Second, status: 201},
		"stuck":               {pieces: 2, size: 6 << 10, pause: 11 * time.Second, status: 408},
		"a byte now and then": {pieces: 100, size: 1, pause: 9 * time.Second, status: 408},
	}
	app := admintest.New(t) // outside of the bubble: its file is real
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			handler := app.Handler()
			synctest.Test(t, func(t *testing.T) {
				status := upload(t, handler, tt.pieces, tt.size, tt.pause)
				if status != tt.status {
					t.Errorf("status = %d, want %d", status, tt.status)
				}
			})
		})
	}
}

// upload sends a body in pieces over a pipe to a server with the read limit of Caddy's.
func upload(t *testing.T, handler *adminext.Handler, pieces, size int, pause time.Duration) int {
	listener := newPipeListener()
	srv := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }()
	defer srv.Close()
	conn := listener.dial()
	defer conn.Close()
	head, tail, piece := `{"name":"slow"`, `}`, strings.Repeat(" ", size)
	length := len(head) + pieces*len(piece) + len(tail)
	go func() {
		fmt.Fprintf(conn, "PUT /dgate/api/v1/namespace HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", length, head)
		for range pieces {
			time.Sleep(pause) // the bubble's time
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
		}
		_, _ = io.WriteString(conn, tail)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// pipeListener accepts the other ends of pipes: connections whose time is that of the bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{make(chan net.Conn), make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// FuzzBodies: whatever the body, the answer is JSON and the server is there afterwards. What is
// accepted can be read.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{}`, ``, `[`, `{"name":"a"}`, `{"name":"a","urls":["http://a"]}`, `{"name":"a","payload":"ZQ=="}`,
		`{"name":"a","paths":["/{id}"],"methods":["*"]}`, `{"name":"\u0000"}`, "\xff", `{"name":"a","name":"b"}`,
		`{"a":{"a":{"a":[[[[]]]]}}}`, `{"name":"a","tags":null,"retryTimeout":"1h"}`, `{"retry_timeout_ms":1e400}`,
	} {
		for i := range resource.All {
			f.Add(i, seed)
		}
	}
	app := admintest.New(f)
	handler := app.Handler()
	f.Fuzz(func(t *testing.T, kind int, body string) {
		name := resource.All[uint(kind)%uint(len(resource.All))].Name
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("PUT", "/dgate/api/v1/"+name, strings.NewReader(body)))
		if w.Code != 201 && w.Code != 400 && w.Code != 413 {
			t.Fatalf("status = %d for %q: %s", w.Code, body, w.Body)
		}
		if w.Code != 201 {
			readError(t, answer{status: w.Code, body: w.Body.String()})
			return
		}
		list := httptest.NewRecorder()
		handler.ServeHTTP(list, httptest.NewRequest("GET", "/dgate/api/v1/"+name+"?namespace=*", nil))
		if list.Code != 200 {
			t.Fatalf("accepted %q, but the list is %d", body, list.Code)
		}
	})
}
