package state

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// script makes random commands over few names, so that they get in each other's way.
type script struct {
	t   *testing.T
	rnd *rand.Rand
	ids uint64
	now uint64 // how long the log is
	old []Command
}

// since is what the proposer of a command had applied: most of the log.
func (s *script) since() uint64 { return s.now - min(s.now, uint64(s.rnd.IntN(8))) }

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
	cmd := Command{Time: testTime.Add(1), Proposer: "p", Since: s.since()}
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
		s.now = e.Index
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
	last := Command{ID: [16]byte{7: byte(s.ids), 8: byte(s.ids >> 8)}, Time: testTime, Since: s.since(), Restore: r}
	for _, cmd := range []Command{cmd, last, last} {
		data, err := cmd.Encode()
		if err != nil {
			s.t.Fatal(err)
		}
		entries = append(entries, Split(data)...)
	}
	return entries
}
