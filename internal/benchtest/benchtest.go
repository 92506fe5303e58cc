// Package benchtest compares benchmarks with what they are measured against, in
// one run: figures of different runs say little on a machine that others use, too.
package benchtest

import (
	"testing"
	"time"
)

// batch is how many calls are timed together.
const batch = 20

// Compare runs ours and reference by turns. It reports what each takes per call,
// in nanoseconds of real time, how many times as long ours takes, and by how many
// nanoseconds it takes longer.
func Compare(b *testing.B, ours, reference func()) {
	b.Helper()
	var us, them time.Duration
	n := 0
	for b.Loop() {
		us += timed(ours)
		them += timed(reference)
		n += batch
	}
	b.ReportMetric(0, "ns/op") // of both together
	b.ReportMetric(float64(us)/float64(n), "ns/ours")
	b.ReportMetric(float64(them)/float64(n), "ns/reference")
	b.ReportMetric(float64(us)/float64(them), "times")
	b.ReportMetric(float64(us-them)/float64(n), "ns/more")
}

func timed(f func()) time.Duration {
	start := time.Now()
	for range batch {
		f()
	}
	return time.Since(start)
}
