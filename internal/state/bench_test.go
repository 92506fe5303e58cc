package state

import (
	"strconv"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func BenchmarkApply(b *testing.B) {
	for name, tt := range map[string]struct {
		batch int
		op    func(i int) Op
	}{
		"service, alone":       {1, func(i int) Op { return put(b, service("s"+strconv.Itoa(i%10_000), "http://a"+strconv.Itoa(i))) }},
		"service, batch of 64": {64, func(i int) Op { return put(b, service("s"+strconv.Itoa(i%10_000), "http://a"+strconv.Itoa(i))) }},
		"256 paths, all methods": {1, func(i int) Op {
			paths := make([]string, 256)
			for j := range paths {
				paths[j] = "/" + strconv.Itoa(i%4) + "/" + strconv.Itoa(j) + "/" + strconv.Itoa(i) + "/{id}"
			}
			return put(b, route("r"+strconv.Itoa(i%4), "", nil, []string{"*"}, paths...))
		}},
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			var entries []Entry
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				s.ids++
				cmd := Command{Time: testTime, Ops: []Op{tt.op(i)}}
				cmd.ID[0], cmd.ID[13], cmd.ID[14], cmd.ID[15] = 1, byte(s.ids>>16), byte(s.ids>>8), byte(s.ids)
				data, err := cmd.Encode()
				if err != nil {
					b.Fatal(err)
				}
				for _, part := range Split(data) {
					s.index++
					entries = append(entries, Entry{Index: s.index, Term: 1, Data: part})
				}
				b.StartTimer()
				if len(entries) < tt.batch {
					continue
				}
				for _, o := range s.Apply(entries) {
					if o.Err != nil {
						b.Fatal(o.Err)
					}
				}
				entries = entries[:0]
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b)
	var ops []Op
	for i := range 5000 {
		ops = append(ops, put(b, service("s"+strconv.Itoa(i), "http://a")))
	}
	s.must(ops...)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		err := s.View(func(r *Reader) error {
			_, ok, err := r.Get(resource.Key{Kind: "service", Namespace: "default", Name: "s" + strconv.Itoa(i%5000)})
			if !ok {
				b.Fatal("not there")
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDocuments is what is done with a collection of 10,000 documents.
func BenchmarkDocuments(b *testing.B) {
	const documents = 10_000
	s := open(b)
	s.must(put(b, collection("c", "")))
	for i := 0; i < documents; i += 1000 {
		var ops []Op
		for j := range 1000 {
			ops = append(ops, document(b, "c", strconv.Itoa(i+j), `{"a":[1,2,3],"b":"somebody"}`, nil))
		}
		s.must(ops...)
	}
	prefix := resource.InThatCollection("c")
	page := func(r *Reader, offset int) error {
		n := 0
		for _, err := range r.Page(b.Context(), "document", "default", prefix, offset) {
			if n++; err != nil || n == 100 {
				return err
			}
		}
		return nil
	}
	for _, bb := range []struct {
		name string
		read func(r *Reader) error
	}{
		{"get", func(r *Reader) error {
			_, _, err := r.Get(resource.MustKind("document").KeyOf("default", "c", "5000"))
			return err
		}},
		{"first 100", func(r *Reader) error { return page(r, 0) }},
		{"last 100", func(r *Reader) error { return page(r, documents-100) }},
		{"count", func(r *Reader) error {
			if n := r.Count("document", "default", prefix); n != documents {
				b.Errorf("%d documents", n)
			}
			return nil
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.View(bb.read); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("refuse to delete the collection", func(b *testing.B) {
		b.ReportAllocs()
		ops := []Op{del("collection", "c")}
		for b.Loop() {
			if err := s.Check(ops); resource.CodeOf(err) != resource.InUse {
				b.Fatal(err)
			}
		}
	})
	b.Run("check that all can be deleted", func(b *testing.B) {
		ops := []Op{}
		for i := range documents - 1 {
			ops = append(ops, Delete(resource.MustKind("document").KeyOf("default", "c", strconv.Itoa(i)), Condition{}))
		}
		for b.Loop() {
			if err := s.Check(ops); err != nil {
				b.Fatal(err)
			}
		}
	})
}
