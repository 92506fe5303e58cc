package handlers

import (
	"context"
	"strings"
	"testing"
)

// What requests use is stopped when none of them can be tried again, and closed when the last has
// ended, but never before it is dropped.
func TestUses(t *testing.T) {
	tests := map[string]struct {
		early  bool
		events string // of requests 1 and 2: + begins, ! has an answer, - ends; drop
		want   string // what has happened after each event: nothing, stop, or stop and close
	}{
		"dropped unused":                 {false, "drop", "close"},
		"not dropped":                    {false, "+1 !1 -1", "-/-/-"},
		"dropped after the end":          {false, "+1 -1 drop", "-/-/close"},
		"dropped before the answer":      {false, "+1 drop !1 -1", "-/-/stop/close"},
		"dropped between answer and end": {false, "+1 !1 drop -1", "-/-/stop/close"},
		"it ends without an answer":      {false, "+1 drop -1", "-/-/close"},
		"the last one counts":            {false, "+1 +2 !1 drop -1 !2 -2", "-/-/-/-/-/stop/close"},
		"one begins afterwards":          {false, "drop +1 !1 -1", "close/close/close/close"},
		"closed early":                   {true, "+1 !1 drop -1", "-/-/close/close"},
		"early is not before the answer": {true, "+1 drop !1 -1", "-/-/close/close"},
		"an answer counts once":          {false, "+1 +2 drop !1 !1 -1 !2", "-/-/-/-/-/-/stop"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			state := "-"
			u := &uses{
				early: tt.early,
				stop:  func() { state = "stop" },
				close: func() { state = "close" },
			}
			requests := map[string]*use{}
			var got []string
			for event := range strings.FieldsSeq(tt.events) {
				switch id := event[1:]; event[0] {
				case '+':
					requests[id] = u.enter()
				case '!':
					answered(context.WithValue(t.Context(), useKey{}, requests[id]))
				case '-':
					requests[id].leave()
				default:
					u.drop()
				}
				got = append(got, state)
			}
			if got := strings.Join(got, "/"); got != tt.want {
				t.Errorf("%s leads to %s, want %s", tt.events, got, tt.want)
			}
		})
	}
}
