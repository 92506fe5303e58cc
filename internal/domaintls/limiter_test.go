package domaintls_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	minute := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Minute) }
	l := domaintls.NewLimiter()
	if l.Limited() {
		t.Error("there are limits")
	}
	l.Configure(domaintls.Limits{PerHour: 3, PerNamespace: 2})
	steps := []struct {
		what, namespace, name string
		minute                int
		refused               string // by which option
		until                 int    // minutes
	}{
		{"the first", "a", "1.com", 0, "", 0},
		{"it again", "a", "1.com", 1, "", 0},
		{"a second", "a", "2.com", 10, "", 0},
		{"one too many for its namespace", "a", "3.com", 11, "per_namespace", 60},
		{"one of another namespace", "b", "4.com", 20, "", 0},
		{"one too many", "c", "5.com", 21, "per_hour", 60},
		{"it, an hour after the first", "c", "5.com", 60, "", 0},
		{"and another", "d", "6.com", 61, "per_hour", 70},
	}
	for _, step := range steps {
		err := l.Take(step.namespace, step.name, minute(step.minute))
		limited, _ := errors.AsType[*domaintls.LimitError](err)
		switch {
		case err == nil && step.refused != "", err != nil && limited == nil:
			t.Errorf("%s: %v", step.what, err)
		case limited != nil && (limited.Limit != step.refused || !limited.Until.Equal(minute(step.until))):
			t.Errorf("%s: %v", step.what, err)
		}
	}
	inHour, refused := l.Counts(minute(62))
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1}, inHour); diff != "" {
		t.Errorf("in this hour (-want +got):\n%s", diff)
	}
	want := map[domaintls.Refusal]uint64{{Namespace: "a", Limit: "per_namespace"}: 1, {Namespace: "c", Limit: "per_hour"}: 1, {Namespace: "d", Limit: "per_hour"}: 1}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	l.Configure(domaintls.Limits{})
	for i := range 100 {
		if err := l.Take("a", fmt.Sprint(i), minute(63)); err != nil {
			t.Fatal(err)
		}
	}
}
