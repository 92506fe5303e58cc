package state

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestEncode(t *testing.T) {
	cmd := Command{ID: [16]byte{1, 2, 3}, Time: testTime, Proposer: "server", ClusterID: "cluster", Ops: []Op{
		put(t, route("r", "s", []string{"m"}, get, "/r/{id}"), Condition{Mode: AtVersion, Version: 1 << 40}),
		Delete(key("module", "m"), Condition{Mode: Present}),
	}}
	data, err := cmd.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	got.changes = nil
	if diff := cmp.Diff(&cmd, got, cmp.AllowUnexported(Command{}), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".changes" }, cmp.Ignore())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	big := &resource.Module{Name: "m", Namespace: "default", Payload: bytes.Repeat([]byte("x"), 4<<20)}
	var ops []Op
	for range 6 {
		ops = append(ops, put(t, big))
	}
	tests := map[string]struct {
		ops  []Op
		code resource.Code
	}{
		"too large":          {ops, resource.TooLarge},
		"too many":           {make([]Op, MaxOps+1), resource.TooLarge},
		"no such kind":       {[]Op{{Key: resource.Key{Kind: "thing", Name: "x"}}}, resource.BadRequest},
		"data of another":    {[]Op{{Key: key("service", "x"), Data: put(t, service("y", "http://a")).Data}}, resource.BadRequest},
		"data is not JSON":   {[]Op{{Key: key("service", "x"), Data: []byte("{")}}, resource.BadRequest},
		"alias for the kind": {[]Op{{Key: resource.Key{Kind: "svc", Namespace: "default", Name: "x"}}}, resource.BadRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := Command{Time: testTime, Ops: tt.ops}
			if _, err := cmd.Encode(); resource.CodeOf(err) != tt.code {
				t.Errorf("got %v", err)
			}
		})
	}
}

func largeModule(name string, fill byte) *resource.Module {
	return &resource.Module{Name: name, Namespace: "default", Payload: bytes.Repeat([]byte{fill, 'a', 'b'}, 300<<10)}
}

func TestLargeCommand(t *testing.T) {
	s := open(t)
	cmd := Command{ID: [16]byte{5}, Time: testTime, Ops: []Op{put(t, largeModule("m", 'x'))}}
	data, err := cmd.Encode()
	if err != nil {
		t.Fatal(err)
	}
	parts := Split(data)
	if len(parts) < 4 {
		t.Fatalf("%d bytes in %d parts", len(data), len(parts))
	}
	for i, p := range parts {
		if len(p) > MaxEntry {
			t.Errorf("part %d has %d bytes", i, len(p))
		}
	}
	chunks, end := parts[:len(parts)-1], parts[len(parts)-1]
	t.Run("without its parts", func(t *testing.T) {
		if o := s.entries(end); !errors.Is(o.Err, ErrChunksMissing) || resource.CodeOf(o.Err) != resource.Overloaded {
			t.Errorf("got %v", o.Err)
		}
	})
	t.Run("two proposers send the same parts", func(t *testing.T) {
		s.entries(append(chunks, chunks...)...)
		if o := s.entries(end); o.Err != nil || !o.Results[0].Created {
			t.Fatalf("first: %+v", o.Err)
		}
		if r, ok := s.get(key("module", "m")); !ok || len(r.Data) < 900<<10 {
			t.Errorf("stored %d bytes", len(r.Data))
		}
		if o := s.entries(end); o.Err != nil || !o.Results[0].Created {
			t.Fatalf("second, with the same id: %+v", o)
		}
		if s.current().chunkBytes != 0 {
			t.Errorf("%d bytes of parts are left", s.current().chunkBytes)
		}
	})
	t.Run("parts that nobody wants are dropped by age", func(t *testing.T) {
		s.entries(chunks...)
		if s.current().chunkBytes == 0 {
			t.Fatal("nothing was kept")
		}
		s.index += chunkAge
		s.must(put(t, service("later", "http://a")))
		if s.current().chunkBytes != 0 {
			t.Errorf("%d bytes of parts are left", s.current().chunkBytes)
		}
	})
	t.Run("and by size", func(t *testing.T) {
		s.entries(chunks...)
		for i := range chunkBudget / chunkSize {
			part := Split(bytes.Repeat([]byte{byte(i), byte(i >> 8), 1}, 200<<10))[0]
			s.entries(part)
		}
		if got := s.current().chunkBytes; got > chunkBudget {
			t.Errorf("%d bytes are kept", got)
		}
		if o := s.entries(end); o.Err != nil && !errors.Is(o.Err, ErrChunksMissing) {
			t.Errorf("got %v", o.Err)
		}
	})
}

func TestRetry(t *testing.T) {
	s := open(t)
	cmd := Command{ID: [16]byte{5}, Time: testTime, Ops: []Op{put(t, service("a", "http://a"), Condition{Mode: Absent})}}
	first := s.command(cmd)
	hash := s.Hash()
	cmd.Time = cmd.Time.Add(time.Hour)
	again := s.command(cmd)
	if diff := cmp.Diff(first, again); diff != "" || again.Err != nil {
		t.Errorf("(-first +again):\n%s", diff)
	}
	if s.Hash() != hash {
		t.Error("a retry changed the state")
	}
	cmd.Ops = append(cmd.Ops, put(t, service("b", "http://a")))
	if o := s.command(cmd); resource.CodeOf(o.Err) != resource.Conflict {
		t.Errorf("another command with the same id: %v", o.Err)
	}
	refused := Command{ID: [16]byte{6}, Time: testTime, Ops: []Op{del("service", "x")}}
	if o := s.command(refused); o.Err == nil {
		t.Fatal("accepted")
	}
	s.must(put(t, service("x", "http://a")))
	if o := s.command(refused); o.Err != nil {
		t.Errorf("a command that was refused once, tried again: %v", o.Err)
	}
}

func TestMistakesAreBounded(t *testing.T) {
	s := open(t)
	var ops []Op
	for i := range 1000 {
		ops = append(ops, del("service", strings.Repeat("x", 1+i%100)+string(rune('a'+i/100))))
	}
	err := s.apply(ops...).Err
	if err == nil || len(err.Error()) > 64<<10 || !strings.HasSuffix(err.Error(), "and 900 more") {
		t.Errorf("%d bytes", len(err.Error()))
	}
	var first *OpError
	if !errors.As(err, &first) || first.Op != 0 {
		t.Errorf("first: %+v", first)
	}
}
