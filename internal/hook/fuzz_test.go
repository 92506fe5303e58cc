package hook_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/hook"
)

// FuzzQuery sets a parameter of any query: it has that value alone, and all others what they had.
func FuzzQuery(f *testing.F) {
	f.Add("q=1&q=2&bad=%zz&&z=+x", "q", "ä&=")
	f.Add("a;b=1", "a;b", "")
	f.Fuzz(func(t *testing.T, raw, name, value string) {
		before, _ := url.ParseQuery(raw) // of bad queries, the good part
		query := hook.SetQuery(raw, name, value)
		after, _ := url.ParseQuery(query)
		if got := after[name]; !slices.Equal(got, []string{value}) {
			t.Errorf("%q: %q is %q, want %q alone", query, name, got, value)
		}
		for other, want := range before {
			if got := after[other]; other != name && !slices.Equal(got, want) {
				t.Errorf("%q: %q is %q, want %q", query, other, got, want)
			}
		}
		if strings.ContainsAny(query, "\r\n #") && !strings.ContainsAny(raw, "\r\n #") {
			t.Errorf("%q would end on the wire", query)
		}
	})
}
