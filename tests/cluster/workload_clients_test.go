package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/anishathalye/porcupine"
)

// session is what a client remembers.
type session struct {
	*workload
	name int
	next int
	seen map[string]version // of registers
}

// version is a value and the entity tag that it had. The zero value is that of no document.
type version struct{ value, tag string }

// client sends one request after the other.
func (w *workload) client(ctx context.Context) {
	s := &session{workload: w, name: w.process(), seen: map[string]version{}}
	<-time.After(rand.N(w.pace)) // not all at once
	tick := time.NewTicker(w.pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		nodes := *w.nodes.Load()
		n, key := nodes[rand.IntN(len(nodes))], hotKeys[rand.IntN(len(hotKeys))]
		switch chance := rand.IntN(100); {
		case chance < w.fresh:
			s.create(n)
		case chance%5 < 2:
			s.read(n, key)
		case chance%5 < 3:
			s.write(n, key)
		default:
			s.swap(n, key)
		}
	}
}

// process is a name for a client. One that does not know what came of its request gets a new one, as
// in a history each does one thing at a time.
func (w *workload) process() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes++
	return w.processes - 1
}

// value is one that no other write has.
func (s *session) value() string {
	s.next++
	return fmt.Sprintf("%d.%d", s.name, s.next)
}

// create writes a document of its own.
func (s *session) create(n *node) {
	value := s.value()
	id := "new-" + value
	out, _ := s.put(n, id, value, "If-None-Match", "*")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch out {
	case done:
		s.documents[id] = value
	case unknown:
		s.uncertain[id] = true
	case refused:
		s.strange = append(s.strange, "the new document "+id+" is there already")
	case never:
	}
}

// write writes a register without a condition.
func (s *session) write(n *node, key string) {
	in := operation{kind: write, key: key, value: s.value()}
	call := time.Since(s.began)
	out, tag := s.put(n, key, in.value)
	s.record(in, call, out, "")
	if out == done {
		s.seen[key] = version{in.value, tag}
	}
}

// swap writes a register if it is as this client has seen it last.
func (s *session) swap(n *node, key string) {
	old := s.seen[key]
	condition := []string{"If-Match", old.tag}
	if old.value == "" {
		condition = []string{"If-None-Match", "*"}
	}
	in := operation{kind: swap, key: key, old: old.value, value: s.value()}
	call := time.Since(s.began)
	out, tag := s.put(n, key, in.value, condition...)
	s.record(in, call, out, "")
	switch out {
	case done:
		s.seen[key] = version{in.value, tag}
	case refused, unknown: // look again before the next time
		s.read(n, key)
	case never:
	}
}

// read reads what a register is now.
func (s *session) read(n *node, key string) {
	in := operation{kind: read, key: key}
	call := time.Since(s.began)
	got, err := s.get(n, key)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unreadable++
		return
	}
	s.record(in, call, done, got.value)
	s.seen[key] = got
}

// record adds an operation to the history.
func (s *session) record(in operation, call time.Duration, out outcome, value string) {
	if out == never {
		return
	}
	op := porcupine.Operation{
		ClientId: s.name, Input: in, Call: int64(call), Output: result{out, value}, Return: int64(time.Since(s.began)),
	}
	if out == unknown {
		op.Return = forever
		s.name = s.process()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = append(s.history, op)
}

// The time that a client waits. A node gives up before.
const patience = 20 * time.Second

// put writes a document and says what is known then.
func (s *session) put(n *node, id, value string, condition ...string) (out outcome, tag string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	call := time.Since(s.began)
	a, err := n.ask(ctx, http.MethodPut, documentPath(id), quote(value), condition...)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && refusedToConnect(err):
		return never, ""
	case err != nil:
		s.ambiguous++
		return unknown, ""
	case a.status/100 == 2:
		s.acks = append(s.acks, span{call, time.Since(s.began)})
		s.acked.Broadcast()
		return done, a.header.Get("ETag")
	case a.status == http.StatusPreconditionFailed:
		return refused, ""
	}
	s.refusals[a.code()]++
	switch a.code() {
	case "no_leader", "overloaded":
		return never, ""
	case "outcome_unknown", "index_timeout":
		s.ambiguous++
		return unknown, ""
	}
	s.strange = append(s.strange, fmt.Sprintf("PUT %s on %s: %s", id, n.name, a))
	s.ambiguous++
	return unknown, ""
}

// errUnanswered is why a read has no value.
var errUnanswered = errors.New("no answer")

// get reads a document, and all that was agreed on before.
func (s *session) get(n *node, id string) (v version, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := n.ask(ctx, http.MethodGet, documentPath(id)+"?consistency=strong", "")
	switch {
	case err != nil:
		return v, err
	case a.status == http.StatusNotFound && a.code() == "not_found":
		return v, nil
	case a.status == http.StatusOK:
		value, err := valueOf(a.body)
		return version{value, a.header.Get("ETag")}, err
	}
	if code := a.code(); code != "no_leader" && code != "overloaded" && code != "index_timeout" && code != "outcome_unknown" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.strange = append(s.strange, fmt.Sprintf("GET %s on %s: %s", id, n.name, a))
	}
	return v, errUnanswered
}

// refusedToConnect tells whether a request cannot have arrived.
func refusedToConnect(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func documentPath(id string) string {
	return "/api/v1/document/default/" + collection + "/" + id
}

func quote(s string) string {
	text, _ := json.Marshal(s) // a string always has a JSON form
	return string(text)
}

// valueOf is the data of a document as the admin API answers it.
func valueOf(body []byte) (value string, err error) {
	var doc struct{ Data struct{ Data string } }
	err = json.Unmarshal(body, &doc)
	return doc.Data.Data, err
}
