package js

import (
	"strings"
	"testing"
)

func TestShiftColumns(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"nothing":                 {"", ""},
		"one":                     {"AAAA", "CAAC"},
		"two on a line":           {"AAAA,EAAE", "CAAC,EAAE"},
		"lines":                   {"AAAA;EAAE;;IAAI", "CAAC;GAAE;;KAAI"},
		"original comes later":    {"A,EAAA;EAAE", "C,EAAC;GAAE"},
		"negative and large ones": {"gBAgBD,DAAD", "iBAgBA,DAAD"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := shiftColumns(tt.in); err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	for _, bad := range []string{"!", "g", "gggggggggA"} {
		if _, err := shiftColumns(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestVLQ(t *testing.T) {
	for _, n := range []int{0, 1, -1, 15, 16, -16, 1000, -100000, 1 << 24} {
		var b strings.Builder
		encodeVLQ(&b, n)
		if got, err := decodeVLQ(b.String()); err != nil || len(got) != 1 || got[0] != n {
			t.Errorf("%d became %v, %v", n, got, err)
		}
	}
}

// TestColumns throws in every column of a line, and looks whether the error says so.
func TestColumns(t *testing.T) {
	for _, indent := range []string{"", "  ", "\t", "let a = 1; ", "/* é */ "} {
		code := "export function requestHandler() {\n" + indent + "throw new Error('x') }"
		res := call(t, newTestEngine(), unhurried, ts(code))
		if want := len([]rune(indent)) + len("throw ") + 1; res.err == nil || res.err.Line != 2 || res.err.Column != want {
			t.Errorf("after %q: %v, want column %d", indent, res.err, want)
		}
	}
}
