package change_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// code is a [change.Code] of functions; a nil one does nothing.
type code struct {
	check func([]change.Change) ([]string, error)
	live  func(context.Context, uint64) error
}

func (c code) Check(_ context.Context, _ *state.DB, changes []change.Change) ([]string, error) {
	if c.check == nil {
		return nil, nil
	}
	return c.check(changes)
}

func (c code) Live(ctx context.Context, index uint64) error {
	if c.live == nil {
		return nil
	}
	return c.live(ctx, index)
}

func service(name string, urls ...string) *resource.Service {
	s := resource.MustKind("service").New().(*resource.Service)
	s.Name, s.Namespace, s.URLs = name, "default", urls
	return s
}

func TestPut(t *testing.T) {
	store := changetest.New(t)
	var waited []uint64
	w := change.Writer{Store: store, Code: code{live: func(_ context.Context, index uint64) error {
		waited = append(waited, index)
		return nil
	}}}
	first, err := w.Put(t.Context(), service("a", "http://a"), state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	if !first.Created || !first.Changed || first.Object.Metadata().Version != first.Index {
		t.Errorf("first put: %+v", first)
	}
	again, err := w.Put(t.Context(), service("a", "http://a"), state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Created || again.Changed || again.Object.Metadata().Version != first.Index {
		t.Errorf("identical put: %+v", again)
	}
	if diff := cmp.Diff([]uint64{first.Index, first.Index}, waited); diff != "" {
		t.Errorf("indexes waited for (-want +got):\n%s", diff)
	}
	gone, err := w.Delete(t.Context(), first.Object.Key(), state.Condition{Mode: state.AtVersion, Version: first.Index})
	if err != nil || gone.Object != nil || !gone.Changed {
		t.Errorf("delete: %+v, %v", gone, err)
	}
}

func TestRefusals(t *testing.T) {
	bad := service("bad name", "ftp://x")
	bad.Namespace = "nowhere"
	orphan := service("b", "http://b", "x")
	orphan.Namespace = "nowhere"
	var typedNil resource.Object
	tests := map[string]struct {
		changes  []change.Change
		code     code
		wantCode resource.Code
		want     string
		fields   []string
	}{
		"validation and references together": {
			changes:  []change.Change{{Object: orphan}},
			wantCode: resource.ValidationFailed,
			want:     "urls[1] must begin with a scheme: http, https, h2c, ws or wss; namespace not found: nowhere",
			fields:   []string{"urls[1]", "namespace"},
		},
		"a name that is none is not looked up": {
			changes:  []change.Change{{Object: bad}},
			wantCode: resource.ValidationFailed,
			want:     "name may only have ASCII letters, digits, '.', '_' and '-'; urls[0] must have the scheme http, https, h2c, ws or wss",
			fields:   []string{"name", "urls[0]"},
		},
		"several changes say whose mistake it is": {
			changes:  []change.Change{{Object: service("a")}, {Object: orphan}},
			wantCode: resource.ValidationFailed,
			want: "service default/a: urls are required; " +
				"service nowhere/b: urls[1] must begin with a scheme: http, https, h2c, ws or wss; service nowhere/b: namespace not found: nowhere",
			fields: []string{"urls", "urls[1]", "namespace"},
		},
		"absent": {
			changes:  []change.Change{{Key: resource.Key{Kind: "service", Namespace: "default", Name: "zz"}}},
			wantCode: resource.NotFound, want: "service not found: zz",
		},
		"a condition": {
			changes:  []change.Change{{Object: service("a", "http://a"), If: state.Condition{Mode: state.Present}}},
			wantCode: resource.PreconditionFailed, want: "service does not exist: a",
		},
		"an impossible key": {
			changes:  []change.Change{{Key: resource.Key{Kind: "service", Namespace: "default", Name: "a/b"}}},
			wantCode: resource.ValidationFailed, want: "name may only have ASCII letters, digits, '.', '_' and '-'", fields: []string{"name"},
		},
		"no such kind": {
			changes:  []change.Change{{Object: typedNil, Key: resource.Key{Kind: "unicorn", Name: "a"}}},
			wantCode: resource.BadRequest, want: "no such kind: unicorn",
		},
		"the code refuses": {
			changes: []change.Change{{Object: service("a", "http://a")}},
			code: code{check: func([]change.Change) ([]string, error) {
				return nil, errors.Join(resource.Invalid("payload", "", "m.ts:1:6: expected ;"), resource.Invalid("payload", "", "m.ts:2:1: no such import"))
			}},
			wantCode: resource.ValidationFailed,
			want:     "payload m.ts:1:6: expected ;; payload m.ts:2:1: no such import",
			fields:   []string{"payload", "payload"},
		},
		"the code fails": {
			changes:  []change.Change{{Object: service("a", "http://a")}},
			code:     code{check: func([]change.Change) ([]string, error) { return nil, errors.New("disk on fire") }},
			wantCode: resource.Internal, want: "disk on fire",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			store := changetest.New(t)
			before := store.DB().Applied()
			w := change.Writer{Store: store, Code: tt.code}
			_, err := w.Apply(t.Context(), tt.changes...)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got := resource.CodeOf(err); got != tt.wantCode {
				t.Errorf("code = %s, want %s", got, tt.wantCode)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			var fields []string
			for _, f := range resource.FieldErrors(err) {
				fields = append(fields, f.Field)
			}
			if diff := cmp.Diff(tt.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if after := store.DB().Applied(); after != before {
				t.Errorf("a refused change reached the log: %d entries", after-before)
			}
		})
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	store := changetest.New(t)
	var seen []string
	w := change.Writer{Store: store, Code: code{check: func(changes []change.Change) ([]string, error) {
		for _, c := range changes {
			seen = append(seen, c.Target().String())
		}
		return []string{"look at this"}, nil
	}}}
	ns := &resource.Namespace{Name: "ns1"}
	inside := service("s", "http://s")
	inside.Namespace = "ns1"
	results, err := w.Apply(t.Context(), change.Change{Object: inside}, change.Change{Object: ns})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"service ns1/s", "namespace ns1"}, seen); diff != "" {
		t.Errorf("changes the code saw (-want +got):\n%s", diff)
	}
	if len(results.Each) != 2 || !results.Each[1].Created || results.Warnings[0] != "look at this" {
		t.Errorf("results: %+v", results)
	}
	_, err = w.Apply(t.Context(), change.Change{Object: service("t", "http://t")}, change.Change{Key: ns.Key()})
	if resource.CodeOf(err) != resource.InUse {
		t.Errorf("deleting a namespace in use: %v", err)
	}
	_, found := get(t, store, service("t").Key())
	if found {
		t.Error("half of a refused command was applied")
	}
}

func get(t *testing.T, store *changetest.Store, key resource.Key) (record state.Record, found bool) {
	t.Helper()
	err := store.DB().View(func(r *state.Reader) (err error) {
		record, found, err = r.Get(key)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return record, found
}

func TestStoredButNotLive(t *testing.T) {
	store := changetest.New(t)
	w := change.Writer{Store: store, Code: code{live: func(ctx context.Context, _ uint64) error { return context.DeadlineExceeded }}}
	result, err := w.Put(t.Context(), service("a", "http://a"), state.Condition{})
	if resource.CodeOf(err) != resource.IndexTimeout || !strings.Contains(err.Error(), "is stored, at index") {
		t.Errorf("error: %v", err)
	}
	if result.Index == 0 {
		t.Error("the index is lost")
	}
	record, found := get(t, store, service("a").Key())
	var stored struct{ Retries int }
	if !found || json.Unmarshal(record.Data, &stored) != nil || stored.Retries != 3 {
		t.Errorf("stored: %s", record.Data)
	}
}

// behind is a store of a node that has not applied everything yet.
type behind struct {
	change.Store
	leads    bool
	pending  []state.Op // what Barrier applies
	barriers int
	err      error
}

func (b *behind) Leads() bool { return b.leads }

func (b *behind) Barrier(ctx context.Context) error {
	b.barriers++
	if b.err != nil {
		return b.err
	}
	_, err := b.Propose(ctx, b.pending...)
	return err
}

func TestBehind(t *testing.T) {
	route := func(paths ...string) *resource.Route {
		r := resource.MustKind("route").New().(*resource.Route)
		r.Name, r.Namespace, r.Paths, r.Methods, r.Service = "r", "default", paths, []string{"GET"}, "s"
		return r
	}
	op, err := state.Put(service("s", "http://a"), state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	always, exists := state.Condition{}, state.Condition{Mode: state.Present}
	tests := map[string]struct {
		obj      resource.Object
		cond     state.Condition
		leads    bool
		err      error
		barriers int
		want     resource.Code // "" for none
	}{
		"a follower looks again":             {route("/"), always, false, nil, 1, ""},
		"a leader knows":                     {route("/"), always, true, nil, 0, resource.ValidationFailed},
		"nobody can tell":                    {route("/"), always, false, errors.New("no leader"), 1, resource.ValidationFailed},
		"wrong whatever there may be":        {route(), always, false, nil, 0, resource.ValidationFailed},
		"a condition holds":                  {service("s", "http://b"), exists, false, nil, 1, ""},
		"a condition does not hold":          {service("t", "http://b"), exists, false, nil, 1, resource.PreconditionFailed},
		"a leader asks whether it leads":     {service("t", "http://b"), exists, true, nil, 1, resource.PreconditionFailed},
		"nobody can tell about a condition":  {service("t", "http://b"), exists, false, errors.New("cut off"), 1, resource.NoLeader},
		"nor a leader that is none any more": {service("t", "http://b"), exists, true, errors.New("cut off"), 1, resource.NoLeader},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := &behind{Store: changetest.New(t), leads: tt.leads, pending: []state.Op{op}, err: tt.err}
			w := change.Writer{Store: b}
			_, err := w.Put(t.Context(), tt.obj, tt.cond)
			if (err == nil) != (tt.want == "") || err != nil && resource.CodeOf(err) != tt.want {
				t.Errorf("got %v", err)
			}
			if b.barriers != tt.barriers {
				t.Errorf("%d barriers", b.barriers)
			}
		})
	}
}
