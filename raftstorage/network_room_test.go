package raftstorage

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/raft"
)

func TestShorten(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sizes []int
		want  int
	}{
		"nothing":           {nil, 0},
		"small ones":        {[]int{1, 2, 3}, 3},
		"one is too large":  {[]int{101}, 1},
		"a large one first": {[]int{101, 1}, 1},
		"too many":          {[]int{50, 50, 1}, 2},
	} {
		args, size := &raft.AppendEntriesRequest{}, 0
		for i, n := range tt.sizes {
			args.Entries = append(args.Entries, &raft.Log{Data: make([]byte, n)})
			if i < tt.want {
				size += n
			}
		}
		if got := shorten(args, 100); len(args.Entries) != tt.want || got != size {
			t.Errorf("%s: %d entries of %d bytes, want %d of %d", name, len(args.Entries), got, tt.want, size)
		}
	}
}

// TestRoom sends over a link that becomes slow, and quick again.
func TestRoom(t *testing.T) {
	t.Parallel()
	var r rooms
	slow := fmt.Errorf("write: %w", os.ErrDeadlineExceeded)
	r.learn("a", 0, slow) // a heartbeat
	r.learn("a", maxAppendBytes, errors.New("connection refused"))
	if got := r.of("a"); got != maxAppendBytes {
		t.Errorf("%d bytes, though no request was too large", got)
	}
	for want := maxAppendBytes / 2; want >= minAppendBytes; want /= 2 {
		r.learn("a", r.of("a"), slow)
		if got := r.of("a"); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
	r.learn("a", minAppendBytes, errors.New("msgpack encode error: write tcp: i/o timeout"))
	if got := r.of("a"); got != minAppendBytes || r.of("b") != maxAppendBytes {
		t.Errorf("%d bytes, and %d for another", got, r.of("b"))
	}
	r.learn("a", 10, nil) // says nothing about large ones
	for want := 2 * minAppendBytes; want <= maxAppendBytes; want *= 2 {
		r.learn("a", r.of("a"), nil)
		if got := r.of("a"); got != want {
			t.Errorf("%d bytes, want %d again", got, want)
		}
	}
}
