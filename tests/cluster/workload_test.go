package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// collection is where the workload writes its documents.
const collection = "faults"

// outcome is what a client knows about what it asked for.
type outcome int

const (
	done    outcome = iota // it was done, as answered
	refused                // its condition did not hold
	never                  // it was not done, and will not be
	unknown                // it may have been done, or still be done at any time
)

// workload is clients that write and read documents through the admin API of any node: some
// documents again and again, as registers with compare and swap, and a new one each time otherwise.
type workload struct {
	t       testing.TB
	nodes   atomic.Pointer[[]*node] // whom the clients ask
	pace    time.Duration           // between two requests of a client
	fresh   int                     // how many of a hundred requests are new documents
	began   time.Time
	cancel  context.CancelFunc
	clients sync.WaitGroup

	mu         sync.Mutex
	acked      sync.Cond
	history    []porcupine.Operation
	documents  map[string]string // acknowledged new documents: id → value
	uncertain  map[string]bool   // new documents that may be there
	acks       []span            // of all writes that were acknowledged
	processes  int
	strange    []string // answers that nobody should get
	ambiguous  int
	refusals   map[string]int // of each code
	unreadable int            // reads without an answer
}

// span is from a request to its answer, since the workload began.
type span struct{ call, ack time.Duration }

// hotKeys are the registers.
var hotKeys = []string{"hot-0", "hot-1", "hot-2", "hot-3"}

// startWorkload starts clients, about 200 requests a second together.
func startWorkload(t testing.TB, nodes []*node, clients int) *workload {
	t.Helper()
	w := &workload{
		t: t, pace: time.Duration(clients) * 5 * time.Millisecond, fresh: 40, began: time.Now(),
		documents: map[string]string{}, uncertain: map[string]bool{}, refusals: map[string]int{},
	}
	if clients > 10 { // so many at once on the registers are too hard to check
		w.fresh = 95
	}
	w.acked.L = &w.mu
	w.use(nodes)
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	for range clients {
		w.clients.Go(func() { w.client(ctx) })
	}
	t.Cleanup(w.stop)
	return w
}

// use says whom the clients ask from now on.
func (w *workload) use(nodes []*node) {
	nodes = slices.Clone(nodes)
	w.nodes.Store(&nodes)
}

// stop ends the clients when each has its answer.
func (w *workload) stop() {
	w.cancel()
	w.clients.Wait()
}

// now is the time of the workload.
func (w *workload) now() time.Duration { return time.Since(w.began) }

// resumed waits for an answer to a write that was sent after a time, and returns the longest time
// without any answer to a write between then and now.
func (w *workload) resumed(since time.Duration) time.Duration {
	w.t.Helper()
	timeout := time.AfterFunc(patience*3, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.acked.Broadcast()
	})
	defer timeout.Stop()
	late := w.now() + patience*3
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if slices.ContainsFunc(w.acks, func(a span) bool { return a.call >= since }) {
			return longestPause(w.acks, since, w.now())
		}
		if w.now() >= late {
			w.t.Fatalf("no write was answered for %v", patience*3)
		}
		w.acked.Wait()
	}
}

// more waits until so many more writes have been answered.
func (w *workload) more(count int) {
	w.t.Helper()
	w.mu.Lock()
	have := len(w.acks)
	w.mu.Unlock()
	if err := await(patience*3, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if got := len(w.acks) - have; got < count {
			return fmt.Errorf("%d writes were answered, want %d", got, count)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// pause returns the longest time without any answer to a write between two times.
func (w *workload) pause(from, to time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return longestPause(w.acks, from, to)
}

// longestPause is the longest time in an interval that has no end of a span.
func longestPause(acks []span, from, to time.Duration) time.Duration {
	var times []time.Duration
	for _, a := range acks {
		if a.ack > from && a.ack < to {
			times = append(times, a.ack)
		}
	}
	slices.Sort(times)
	longest := time.Duration(0)
	last := from
	for _, t := range append(times, to) {
		longest, last = max(longest, t-last), t
	}
	return longest
}

// latencies are how long the answered writes between two times took, shortest first.
func (w *workload) latencies(from, to time.Duration) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []time.Duration
	for _, a := range w.acks {
		if a.call >= from && a.ack < to {
			all = append(all, a.ack-a.call)
		}
	}
	slices.Sort(all)
	return all
}

// check ends the workload, and fails the test if an acknowledged document is not on every node as it
// was written, if what the clients saw cannot have happened in one order, or if a node gave an answer
// that it never should.
func (w *workload) check(nodes []*node) {
	w.t.Helper()
	w.stop()
	s := &session{workload: w, name: w.process(), seen: map[string]version{}}
	for _, n := range nodes { // the last words about the registers
		for _, key := range hotKeys {
			s.read(n, key)
		}
	}
	lost := 0
	for _, n := range nodes {
		lost += w.lost(n)
	}
	operations := len(w.history)
	verdict := w.linearizable()
	w.t.Logf("%d new documents acknowledged, %d lost; %d operations on registers, %s; %d without a known outcome, answers: %v",
		len(w.documents), lost, operations, verdict, w.ambiguous, w.refusals)
	slices.Sort(w.strange)
	for i, answer := range slices.Compact(w.strange) {
		if i == 10 {
			w.t.Errorf("and %d more", len(w.strange)-i)
			break
		}
		w.t.Error(answer)
	}
	if len(w.documents) == 0 {
		w.t.Error("no document was written at all")
	}
}

// lost is how many documents are not on a node as they should be.
func (w *workload) lost(n *node) int {
	w.t.Helper()
	have, err := n.documents(collection)
	if err != nil {
		w.t.Errorf("read documents back: %v", err)
		return len(w.documents)
	}
	lost := 0
	for _, id := range slices.Sorted(maps.Keys(w.documents)) {
		if got, want := have[id], w.documents[id]; got != want {
			if lost++; lost <= 5 {
				w.t.Errorf("%s has %q as document %s, which was answered as written with %q", n.name, got, id, want)
			}
		}
	}
	for id := range have {
		if _, acked := w.documents[id]; strings.HasPrefix(id, "new-") && !acked && !w.uncertain[id] {
			w.t.Errorf("%s has document %s, which was answered as not written", n.name, id)
		}
	}
	return lost
}

// documents reads all documents of a collection of strings.
func (n *node) documents(collection string) (map[string]string, error) {
	const page = 1000
	all := map[string]string{}
	for offset := 0; ; offset += page {
		a, err := n.want(http.MethodGet, fmt.Sprintf("/api/v1/document/default/%s?limit=%d&offset=%d", collection, page, offset), "")
		if err != nil {
			return nil, err
		}
		var got struct {
			Data []struct {
				ID   string
				Data json.RawMessage
			}
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			return nil, fmt.Errorf("documents of %s: %w in %s", n.name, err, a)
		}
		for _, doc := range got.Data {
			var value string
			if json.Unmarshal(doc.Data, &value) == nil {
				all[doc.ID] = value
			}
		}
		if len(got.Data) < page {
			return all, nil
		}
	}
}
