package state

import (
	"errors"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"
)

// TestNotUnderstood: what a newer version wrote is not guessed, not skipped, and no panic.
func TestNotUnderstood(t *testing.T) {
	valid := func(t *testing.T, change func(*Command)) []byte {
		cmd := Command{ID: [16]byte{9}, Time: testTime, Ops: []Op{put(t, service("a", "http://a"))}}
		if change != nil {
			change(&cmd)
		}
		data, err := cmd.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	// edit puts a field into the envelope and a right checksum at its end.
	edit := func(t *testing.T, add func([]byte) []byte) []byte {
		data := valid(t, nil)
		return appendChecksum(add(data[:len(data)-checksumSize]))
	}
	tests := map[string]struct {
		entry func(t *testing.T) []byte
		want  string // "" means it is applied
	}{
		"format": {func(t *testing.T) []byte { return append([]byte{2}, valid(t, nil)[1:]...) }, "unknown format 2"},
		"empty":  {func(t *testing.T) []byte { return nil }, "empty"},
		"level": {func(t *testing.T) []byte {
			return edit(t, func(b []byte) []byte { return appendVarint(b, envMinVersion, FeatureLevel+1) })
		}, "needs feature level 2"},
		"operation": {func(t *testing.T) []byte {
			return edit(t, func(b []byte) []byte { return appendString(b, envChange, change{typ: 77}.encode()) })
		}, "unknown operation 77"},
		"condition": {func(t *testing.T) []byte {
			return edit(t, func(b []byte) []byte {
				return appendString(b, envChange, change{typ: putResource, cond: Condition{Mode: 9}}.encode())
			})
		}, "unknown condition 9"},
		"field": {func(t *testing.T) []byte {
			return edit(t, func(b []byte) []byte { return appendVarint(b, 20, 1) })
		}, "unknown field 20"},
		"field that may be ignored": {func(t *testing.T) []byte {
			return edit(t, func(b []byte) []byte { return appendVarint(b, ignorable, 1) })
		}, ""},
		"damaged": {func(t *testing.T) []byte {
			data := valid(t, nil)
			data[20] ^= 1
			return data
		}, "damaged"},
		"wrong type of a field": {func(t *testing.T) []byte {
			return edit(t, func(b []byte) []byte { return appendString(b, envTime, "now") })
		}, "malformed"},
		"group": {func(t *testing.T) []byte {
			return edit(t, func(b []byte) []byte { return protowire.AppendTag(b, 3, protowire.StartGroupType) })
		}, "malformed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			entries := []Entry{
				{Index: 2, Term: 1, Data: valid(t, func(c *Command) { c.ID[0] = 1 })},
				{Index: 3, Term: 1, Data: tt.entry(t)},
				{Index: 4, Term: 1, Data: valid(t, func(c *Command) { c.ID[0], c.Ops[0].Data = 2, put(t, service("a", "http://b")).Data })},
			}
			outcomes := s.Apply(entries)
			if outcomes[0].Err != nil {
				t.Errorf("the entry before: %v", outcomes[0].Err)
			}
			if tt.want == "" {
				if outcomes[1].Err != nil || outcomes[2].Err != nil || s.Halted() != nil {
					t.Errorf("outcomes %v, halted %v", outcomes, s.Halted())
				}
				return
			}
			var halt *HaltError
			for _, o := range append(outcomes[1:], s.Apply(entries[2:])...) {
				if !errors.As(o.Err, &halt) || halt.Index != 3 || !strings.Contains(halt.Reason, tt.want) {
					t.Errorf("entry %d: %v", o.Index, o.Err)
				}
			}
			if s.Halted() == nil || s.Applied() != 2 {
				t.Errorf("halted %v, applied %d", s.Halted(), s.Applied())
			}
			if _, ok := s.get(key("service", "a")); !ok {
				t.Error("what was applied cannot be read any more")
			}
			if _, err := s.BeginSnapshot(); !errors.As(err, &halt) {
				t.Errorf("snapshot: %v", err)
			}
		})
	}
}

// TestPanic: a bug that panics stops this node right before the entry, not the process.
func TestPanic(t *testing.T) {
	s := open(t)
	s.must(put(t, service("a", "http://a")))
	err := s.handle.bolt.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketClaims) })
	if err != nil {
		t.Fatal(err)
	}
	var entries []Entry
	for i, op := range []Op{put(t, service("b", "http://b")), put(t, route("r", "", nil, get, "/r")), put(t, service("c", "http://c"))} {
		cmd := Command{ID: [16]byte{8, byte(i)}, Time: testTime, Ops: []Op{op}}
		data, err := cmd.Encode()
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, Entry{Index: s.index + uint64(i) + 1, Term: 1, Data: data})
	}
	outcomes := s.Apply(entries)
	if outcomes[0].Err != nil || outcomes[0].Results == nil {
		t.Errorf("before: %+v", outcomes[0])
	}
	for _, o := range outcomes[1:] {
		var halt *HaltError
		if !errors.As(o.Err, &halt) || halt.Index != s.index+2 || !strings.Contains(halt.Reason, "panicked") {
			t.Errorf("entry %d: %v", o.Index, o.Err)
		}
	}
	if s.Applied() != s.index+1 {
		t.Errorf("applied %d", s.Applied())
	}
}
