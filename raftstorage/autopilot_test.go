package raftstorage

import (
	"testing"
	"time"
)

func TestDeadServers(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	alive := func(id string) patient { return patient{id: id, voter: true, healthy: true} }
	spare := patient{id: "spare", healthy: true}
	gone := func(after time.Duration) patient { return patient{id: "gone", voter: true, silent: after} }
	tests := map[string]struct {
		servers []patient
		want    string
	}{
		"nobody":                      {servers: []patient{alive("a"), alive("b"), alive("c"), spare}},
		"a voter, and a spare":        {servers: []patient{alive("a"), alive("b"), gone(25 * time.Hour), spare}, want: "gone"},
		"not yet":                     {servers: []patient{alive("a"), alive("b"), gone(23 * time.Hour), spare}},
		"no spare":                    {servers: []patient{alive("a"), alive("b"), gone(25 * time.Hour)}},
		"the spare is an edge":        {servers: []patient{alive("a"), alive("b"), gone(25 * time.Hour), {id: "e", edge: true, healthy: true}}},
		"the spare is gone too":       {servers: []patient{alive("a"), alive("b"), gone(25 * time.Hour), {id: "s", silent: day}}},
		"too few remain":              {servers: []patient{alive("a"), gone(25 * time.Hour), spare}},
		"two of five":                 {servers: []patient{alive("a"), alive("b"), alive("c"), gone(25 * time.Hour), gone(25 * time.Hour), spare}, want: "gone"},
		"half of what remains is bad": {servers: []patient{alive("a"), alive("b"), gone(0), gone(0), gone(25 * time.Hour), spare}},
		"an edge":                     {servers: []patient{alive("a"), {id: "e", edge: true, silent: 73 * time.Hour}}, want: "e"},
		"an edge, not yet":            {servers: []patient{alive("a"), {id: "e", edge: true, silent: 71 * time.Hour}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := dead(tt.servers, day, 3*day); got != tt.want {
				t.Errorf("%q is removed, want %q", got, tt.want)
			}
		})
	}
}
