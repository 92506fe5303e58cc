package raftstorage

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
)

func BenchmarkFirstWrite(b *testing.B) {
	for b.Loop() {
		n := New(Config{Dir: b.TempDir()})
		if err := n.Open(b.Context()); err != nil {
			b.Fatal(err)
		}
		write(b, n, service("s", "http://a"))
		b.StopTimer()
		stop(b, n)
		b.StartTimer()
	}
}

func BenchmarkPropose(b *testing.B) {
	b.Run("1 caller", func(b *testing.B) {
		n := start(b, Config{Dir: b.TempDir()})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			write(b, n, service("s", "http://a"+strconv.Itoa(i)))
		}
	})
	b.Run("128 callers", func(b *testing.B) {
		n := start(b, Config{Dir: b.TempDir()})
		b.ReportAllocs()
		b.SetParallelism(64) // times GOMAXPROCS
		var i atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				k := strconv.FormatInt(i.Add(1), 10)
				if _, err := n.Propose(context.Background(), service("s"+k, "http://a")); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
