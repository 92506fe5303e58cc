package state

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// store is a DB with a log of its own: what raft would do, without agreement.
type store struct {
	testing.TB
	*DB
	dir   string
	index uint64
	ids   uint64
	log   []Entry
}

var testTime = time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.UTC)

func open(t testing.TB) *store {
	t.Helper()
	dir := t.TempDir()
	db, err := Open(dir, Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &store{TB: t, DB: db, dir: dir}
	s.must(put(t, namespace("default", "default")))
	return s
}

// reopen closes the DB and opens it again.
func (s *store) reopen() {
	s.Helper()
	if err := s.Close(); err != nil {
		s.Fatal(err)
	}
	db, err := Open(s.dir, Options{BootID: "boot"})
	if err != nil {
		s.Fatal(err)
	}
	s.DB = db
	s.Cleanup(func() {
		if err := db.Close(); err != nil {
			s.Error(err)
		}
	})
}

// apply runs ops as one command.
func (s *store) apply(ops ...Op) Outcome {
	s.Helper()
	s.ids++
	cmd := Command{Time: testTime.Add(time.Duration(s.index) * time.Second), Ops: ops}
	cmd.ID[0], cmd.ID[15], cmd.ID[14] = 1, byte(s.ids), byte(s.ids>>8)
	return s.command(cmd)
}

func (s *store) command(cmd Command) Outcome {
	s.Helper()
	data, err := cmd.Encode()
	if err != nil {
		s.Fatal(err)
	}
	return s.entries(Split(data)...)
}

// entries applies log entries and returns the outcome of the last one.
func (s *store) entries(datas ...[]byte) Outcome {
	var entries []Entry
	for _, data := range datas {
		s.index++
		entries = append(entries, Entry{Index: s.index, Term: 1, Data: data})
	}
	s.log = append(s.log, entries...)
	outcomes := s.Apply(entries)
	return outcomes[len(outcomes)-1]
}

func (s *store) must(ops ...Op) Outcome {
	s.Helper()
	o := s.apply(ops...)
	if o.Err != nil {
		s.Fatalf("apply: %v", o.Err)
	}
	return o
}

func (s *store) get(key resource.Key) (r Record, ok bool) {
	s.Helper()
	err := s.View(func(v *Reader) (err error) {
		r, ok, err = v.Get(key)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return r, ok
}

func put(t testing.TB, obj resource.Object, cond ...Condition) Op {
	t.Helper()
	if err := obj.Validate(); err != nil {
		t.Fatalf("%s: %v", obj.Key(), err)
	}
	op, err := Put(obj, append(cond, Condition{})[0])
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func namespace(name string, tags ...string) resource.Object {
	return &resource.Namespace{Name: name, Tags: tags}
}

func service(name, url string) resource.Object {
	return &resource.Service{Name: name, Namespace: "default", URLs: []string{url}}
}

func module(name, code string) resource.Object {
	return &resource.Module{Name: name, Namespace: "default", Payload: []byte(code)}
}

func route(name, svc string, modules []string, methods []string, paths ...string) resource.Object {
	return &resource.Route{Name: name, Namespace: "default", Service: svc, Modules: modules, Methods: methods, Paths: paths}
}

func collection(name, schema string) *resource.Collection {
	return &resource.Collection{Name: name, Namespace: "default", Schema: []byte(schema)}
}

// document is one that was checked against the collection, if there is one.
func document(t testing.TB, coll, id, data string, against *resource.Collection, cond ...Condition) Op {
	t.Helper()
	op := put(t, &resource.Document{ID: id, Collection: coll, Namespace: "default", Data: []byte(data)}, cond...)
	if against != nil {
		if err := against.Validate(); err != nil {
			t.Fatal(err)
		}
		op.Against = map[resource.Key]string{against.Key(): against.Print()}
	}
	return op
}

var get = []string{"GET"}

func key(kind, name string) resource.Key { return resource.MustKind(kind).Key("default", name) }

func del(kind, name string) Op { return Delete(key(kind, name), Condition{}) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
