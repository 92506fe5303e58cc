package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// script makes random commands over few names, so that they get in each other's way.
type script struct {
	t   *testing.T
	rnd *rand.Rand
	ids uint64
	old []Command
}

func (s *script) name() string { return string(rune('a' + s.rnd.IntN(4))) }

func (s *script) namespace() string {
	return []string{"default", "default", "default", "n1", "n2"}[s.rnd.IntN(5)]
}

func (s *script) condition() Condition {
	switch s.rnd.IntN(8) {
	case 0:
		return Condition{Mode: Absent}
	case 1:
		return Condition{Mode: Present}
	case 2:
		return Condition{Mode: AtVersion, Version: uint64(s.rnd.IntN(50))}
	}
	return Condition{}
}

// internal is an operation on sessions and what they hold.
func (s *script) internal(name string) Op {
	session, lock := resource.Key{Kind: Session, Name: s.name()}, resource.Key{Kind: Lock, Name: name}
	switch s.rnd.IntN(6) {
	case 0:
		return Delete(session, s.condition())
	case 1:
		return Delete(lock, s.condition())
	case 2:
		return Require(lock, s.condition())
	case 3:
		return Op{Key: session, Data: []byte(s.name()), If: s.condition()}
	}
	return Op{Key: lock, Data: []byte(s.name()), If: s.condition(), Needs: []resource.Key{session}}
}

func (s *script) op() Op {
	ns, name := s.namespace(), s.name()
	if s.rnd.IntN(6) == 0 {
		return s.internal(name)
	}
	if s.rnd.IntN(4) == 0 {
		kind := resource.All[s.rnd.IntN(len(resource.All))]
		switch kind.Scope {
		case resource.Global:
			name = ns
		case resource.InCollection:
			return Delete(kind.KeyOf(ns, name, s.name()), s.condition())
		}
		return Delete(kind.Key(ns, name), s.condition())
	}
	var obj resource.Object
	var against map[resource.Key]string
	switch s.rnd.IntN(12) {
	case 0:
		obj = &resource.Namespace{Name: ns, Tags: []string{s.name()}}
	case 1, 2:
		obj = &resource.Service{Name: name, Namespace: ns, URLs: []string{"http://" + s.name()}}
	case 3, 4:
		code := s.name()
		if s.rnd.IntN(10) == 0 {
			code = strings.Repeat(code, 400<<10) // travels in chunks
		}
		obj = &resource.Module{Name: name, Namespace: ns, Payload: []byte(code)}
	case 5, 6:
		obj = s.collection(ns, name)
	case 7, 8:
		c := s.collection(ns, name) // perhaps as it is, perhaps not
		obj = &resource.Document{ID: s.name(), Collection: name, Namespace: ns, Data: []byte(`"` + c.Print() + `"`)}
		against = map[resource.Key]string{c.Key(): c.Print()}
	case 9:
		obj = &resource.Secret{Name: name, Namespace: ns, Data: s.name()}
	default:
		r := &resource.Route{Name: name, Namespace: ns, Methods: []string{"GET"}}
		for range 1 + s.rnd.IntN(3) {
			r.Paths = append(r.Paths, fmt.Sprintf("/%s/{%s}", s.name(), s.name()))
		}
		r.Paths = r.Paths[:1+s.rnd.IntN(len(r.Paths))]
		if s.rnd.IntN(2) == 0 {
			r.Service = s.name()
		}
		if s.rnd.IntN(2) == 0 {
			r.Modules = []string{s.name()}
		}
		_ = r.Validate() // paths that say the same twice are as good as others here
		obj = r
	}
	op, err := Put(obj, s.condition())
	if err != nil {
		s.t.Fatal(err)
	}
	op.Against = against
	return op
}

// collection has one of two schemas. Documents of this script have the print that they were
// checked against as their data.
func (s *script) collection(ns, name string) *resource.Collection {
	schema := []string{`true`, `{"type":"string"}`}[s.rnd.IntN(2)]
	return &resource.Collection{Name: name, Namespace: ns, Schema: []byte(schema), Type: resource.TypeDocument, Tags: []string{s.name()}}
}

func (s *script) command() Command {
	if len(s.old) > 0 && s.rnd.IntN(12) == 0 {
		return s.old[s.rnd.IntN(len(s.old))] // a retry
	}
	s.ids++
	cmd := Command{Time: testTime.Add(1), Proposer: "p"}
	cmd.ID[7], cmd.ID[8] = byte(s.ids), byte(s.ids>>8)
	for range 1 + s.rnd.IntN(4) {
		cmd.Ops = append(cmd.Ops, s.op())
	}
	if s.rnd.IntN(20) == 0 {
		cmd.ClusterID, cmd.ReplaceID = "c"+s.name(), true
	}
	s.old = append(s.old, cmd)
	return cmd
}

// log makes a log of so many commands, with chunks and no-ops between them.
func (s *script) log(commands int) (entries []Entry, last map[uint64][]Op) {
	last = map[uint64][]Op{} // index of the last entry of a command -> its operations
	add := func(e Entry) {
		e.Index, e.Term = uint64(len(entries)+1), 1
		entries = append(entries, e)
	}
	first := Command{ClusterID: "c", Ops: []Op{put(s.t, namespace("default"))}, Time: testTime}
	data, err := first.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	add(Entry{Data: data})
	var backup []byte
	for i := range commands {
		if len(backup) > 0 && s.rnd.IntN(20) == 0 {
			for _, data := range s.restore(backup) {
				add(Entry{Data: data})
			}
		}
		if i > commands/4 && s.rnd.IntN(20) == 0 {
			backup = backupOf(s.t, entries)
		}
		cmd := s.command()
		data, err := cmd.Encode()
		if err != nil {
			s.t.Fatal(err)
		}
		parts := Split(data)
		if s.rnd.IntN(10) == 0 {
			parts = append(parts, parts[0]) // something is sent twice, or out of order
		}
		for i, part := range parts {
			add(Entry{Data: part})
			if i == len(parts)-1 && len(parts) == 1 {
				last[uint64(len(entries))] = cmd.Ops
			}
		}
		if s.rnd.IntN(10) == 0 {
			add(Entry{NoOp: true, Data: []byte("configuration")})
		}
	}
	return entries, last
}

// restore makes the entries that restore a backup, sometimes too few of them.
func (s *script) restore(backup []byte) (entries [][]byte) {
	r := &Restore{ID: s.name(), Sum: sha256.Sum256(backup)}
	cmd := Command{Time: testTime, Ops: []Op{r.PutPart(0, backup[:len(backup)/2]), r.PutPart(1, backup[len(backup)/2:])}}
	if s.rnd.IntN(8) == 0 {
		cmd.Ops = cmd.Ops[:1]
	}
	s.ids++
	last := Command{ID: [16]byte{7: byte(s.ids), 8: byte(s.ids >> 8)}, Time: testTime, Restore: r}
	for _, cmd := range []Command{cmd, last, last} {
		data, err := cmd.Encode()
		if err != nil {
			s.t.Fatal(err)
		}
		entries = append(entries, Split(data)...)
	}
	return entries
}

// backupOf is a backup of the state that a log makes.
func backupOf(t *testing.T, entries []Entry) []byte {
	db, err := Open(t.TempDir(), Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	db.Apply(entries)
	var buf bytes.Buffer
	if _, err := db.Backup(&buf, testTime); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestDeterminism: however a log is cut into batches, and wherever a node is restarted or
// restored from a snapshot, it ends with the same bytes. On the way, Check agrees with Apply, and
// all documents are such that were checked against their collection as it is.
func TestDeterminism(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			s := &script{t: t, rnd: rand.New(rand.NewPCG(uint64(round), 7))}
			log, commands := s.log(150)
			one := run(t, log, func(db *DB, rest []Entry) (int, *DB) {
				ops, ok := commands[rest[0].Index]
				if !ok {
					return 1, db
				}
				// A retry that was applied before is answered from memory, not judged again.
				if db.remembers(t, rest[0].Data) {
					return 1, db
				}
				checked := db.Check(ops)
				outcome := db.Apply(rest[:1])[0]
				if diff := cmp.Diff(describe(checked), describe(outcome.Err)); diff != "" {
					t.Errorf("entry %d: Apply and Check disagree (-check +apply):\n%s", rest[0].Index, diff)
				}
				checkDocuments(t, db)
				return 1, db
			})
			for name, step := range map[string]func(*DB, []Entry) (int, *DB){
				"batches": func(db *DB, rest []Entry) (int, *DB) { return 1 + rand.IntN(20), db },
				"restarts": func(db *DB, rest []Entry) (int, *DB) {
					if rand.IntN(8) > 0 {
						return 1 + rand.IntN(20), db
					}
					return 1 + rand.IntN(20), reopened(t, db)
				},
				"snapshots": func(db *DB, rest []Entry) (int, *DB) {
					if rand.IntN(8) > 0 {
						return 1 + rand.IntN(20), db
					}
					return 1 + rand.IntN(20), copied(t, db)
				},
			} {
				if diff := cmp.Diff(one, run(t, log, step)); diff != "" {
					t.Errorf("%s (-one by one +%s):\n%s", name, name, diff)
				}
			}
		})
	}
}

// checkDocuments holds that every document fits its collection.
func checkDocuments(t *testing.T, db *DB) {
	t.Helper()
	err := db.View(func(r *Reader) error {
		for rec, err := range r.List("document", "") {
			if err != nil {
				return err
			}
			obj, err := rec.Object()
			if err != nil {
				return err
			}
			doc := obj.(*resource.Document)
			coll, _, err := r.Get(doc.References()[0].Target)
			if err != nil {
				return err
			}
			if string(doc.Data) != `"`+coll.Print+`"` {
				t.Errorf("%s was checked against %s, its collection is %s", rec.Key, doc.Data, coll.Print)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// remembers tells whether the command in data was applied before.
func (db *DB) remembers(t *testing.T, data []byte) bool {
	cmd, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	var known bool
	err = db.View(func(r *Reader) error {
		known = r.tx.Bucket(bucketIDs).Get(cmd.ID[:]) != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// run applies a log; step may replace the DB and says how many entries come next. It also brings
// entries again that were applied, as raft does after a restart.
func run(t *testing.T, log []Entry, step func(*DB, []Entry) (int, *DB)) map[string]string {
	db, err := Open(t.TempDir(), Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	for done := 0; done < len(log); {
		var n int
		n, db = step(db, log[done:])
		n = min(n, len(log)-done)
		again := max(0, done-3)
		for _, o := range db.Apply(log[again : done+n]) {
			if resource.CodeOf(o.Err) == resource.Internal && o.Err != nil {
				t.Fatalf("entry %d: %v", o.Index, o.Err)
			}
		}
		done += n
	}
	if err := db.Halted(); err != nil {
		t.Fatal(err)
	}
	all := dump(t, db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	return all
}

func reopened(t *testing.T, db *DB) *DB {
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(db.dir, Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	if db.Rebuilt() != "" {
		t.Fatalf("rebuilt: %s", db.Rebuilt())
	}
	return db
}

// copied is another DB, made from a snapshot; the old one is closed.
func copied(t *testing.T, db *DB) *DB {
	var buf bytes.Buffer
	if _, err := db.Snapshot(&buf); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.TempDir(), Options{BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Restore(&buf); err != nil {
		t.Fatal(err)
	}
	return db
}

// dump is everything in the database, derived indexes included.
func dump(t *testing.T, db *DB) map[string]string {
	all := map[string]string{}
	show := func(b []byte) string {
		if len(b) > 100 {
			return fmt.Sprintf("%d bytes, checksum %x", len(b), checksum(b))
		}
		return hex.EncodeToString(b)
	}
	var walk func(path string, b *bolt.Bucket)
	walk = func(path string, b *bolt.Bucket) {
		err := b.ForEach(func(k, v []byte) error {
			if v == nil && b.Bucket(k) != nil {
				walk(path+"/"+string(k), b.Bucket(k))
				return nil
			}
			all[path+"/"+strings.ReplaceAll(string(k), "\x00", "|")] = show(v)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := db.View(func(r *Reader) error {
		return r.tx.ForEach(func(name []byte, b *bolt.Bucket) error { walk(string(name), b); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
