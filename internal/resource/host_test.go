package resource

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Which hosts patterns match, in the rules of the original DGate (its P-1 to P-5), and what was mended.
func TestHostPatterns(t *testing.T) {
	tests := map[string]struct {
		pattern  string
		yes, not []string
	}{
		"a name":                        {"a.com", []string{"a.com", "A.Com", "a.com.", "a.com:8080", "a.com:"}, []string{"b.a.com", "a.com.b", "a.co", ""}},
		"a name in upper case":          {"A.COM.", []string{"a.com", "A.com"}, []string{"a.comx"}},
		"all":                           {"*", []string{"a", "", "::1"}, nil},
		"all, emphatically":             {"***", []string{"a", ""}, nil},
		"a suffix":                      {"*.n1.org", []string{"x.n1.org", "a.b.N1.org", ".n1.org", "x.n1.org.:80"}, []string{"n1.org", "xn1.org"}},
		"a suffix without a dot":        {"**n1.org.", []string{"n1.org", "xn1.org", "x.n1.org."}, []string{"n1.orgx"}},
		"a prefix":                      {"API.*", []string{"api.foo", "Api.x:1"}, []string{"api", "api.", "xapi.foo"}},
		"a part":                        {"**mid**", []string{"amidb", "mid", "MID.com"}, []string{"mi.d"}},
		"a star in the middle":          {"a*b", []string{"a*b"}, []string{"axb", "ab"}},
		"a regular expression":          {"/^api[0-9]+\\.A\\.com$/", []string{"api1.a.com", "API22.a.com:80"}, []string{"api.a.com", "xapi1.a.com"}},
		"one without anchors":           {"/a|b/", []string{"xax", "B"}, []string{"x"}},
		"one for hosts that can be":     {"/x/", []string{strings.Repeat("x", MaxHost)}, []string{strings.Repeat("x", MaxHost+1)}},
		"a name with a port":            {"a.com:8080", nil, []string{"a.com:8080", "a.com"}},
		"Unicode":                       {"Bücher.example", []string{"xn--bcher-kva.example", "XN--bcher-kva.Example"}, []string{"bucher.example"}},
		"Unicode after a suffix's dot":  {"*.bücher.example", []string{"www.xn--bcher-kva.example"}, []string{"xn--bcher-kva.example"}},
		"Unicode before a prefix's dot": {"bücher.*", []string{"xn--bcher-kva.de"}, []string{"xn--bcher-kvax.de"}},
		"Unicode with an underscore":    {"_a.bücher", []string{"_a.xn--bcher-kva"}, nil},
		"an IPv6 address":               {"0:0::1", []string{"[::1]:80", "[::1]", "::1", "[0:0:0:0:0:0:0:1]:8080"}, []string{"::2", "[::1"}},
		"one in brackets":               {"[2001:DB8::1]", []string{"[2001:db8:0::1]:443"}, []string{"2001:db8::2"}},
		"an IPv4 address":               {"127.0.0.1", []string{"127.0.0.1:80"}, []string{"127.0.0.11"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := ParseHostPattern(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range tt.yes {
				if !p.Match(CanonicalHost(host)) {
					t.Errorf("%s does not match %s", tt.pattern, host)
				}
			}
			for _, host := range tt.not {
				if p.Match(CanonicalHost(host)) {
					t.Errorf("%s matches %s", tt.pattern, host)
				}
			}
		})
	}
}

func TestHostPatternMistakes(t *testing.T) {
	const no = "must be a host name such as example.com, *.example.com, api.* or *shop*, or a regular expression between slashes"
	tests := map[string]struct{ pattern, want string }{
		"nothing":                    {"", "must not be empty"},
		"a dot":                      {".", "must be more than a dot"},
		"brackets":                   {"[a]", "may have brackets only around an IPv6 address, with nothing behind them"},
		"brackets with a port":       {"[::1]:80", "may have brackets only around an IPv6 address, with nothing behind them"},
		"a URL":                      {"https://a.com", no},
		"a path":                     {"a.com/x", no},
		"a space":                    {"a .com", no},
		"a line feed":                {"a.com\n", no},
		"half a regular expression":  {"/a", no},
		"a slash":                    {"/", no},
		"an empty expression":        {"//", "must have a regular expression between the slashes"},
		"a broken expression":        {"/(/", "must be a regular expression between slashes: missing closing )"},
		"one that escapes its group": {"/a)|(b/", "must be a regular expression between slashes: unexpected )"},
		"one that is too long":       {"/" + strings.Repeat("a", maxRegexp+1) + "/", "must be a regular expression between slashes, but it is longer than 1024 bytes"},
		"one that repeats too much":  {"/((a{100}){10}){100}/", "must be a regular expression between slashes: invalid repeat count"},
		"one in Unicode":             {"/ü/", "must have its regular expression in ASCII, since hosts are sent in punycode"},
		"a part of a label":          {"*ücher.de", "must have a dot or ASCII next to the *, since hosts are sent in punycode"},
		"a part of another":          {"de.büch*", "must have a dot or ASCII next to the *, since hosts are sent in punycode"},
		"no UTF-8":                   {"\xff.de", "must be a host name that can be written in punycode"},
		"too long in Unicode":        {strings.Repeat("ü", 4*MaxHost), "must not be longer than 255 bytes"},
		"too long":                   {strings.Repeat("a", MaxHost+1), "must not be longer than 255 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseHostPattern(tt.pattern)
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("mistake (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever is accepted as a pattern can be asked about any host, and a name matches itself.
func FuzzHostPattern(f *testing.F) {
	for _, pattern := range []string{"a.com", "*.A.com", "api.*", "*mid*", "*", "/^a+$/", "/(/", "//", "bücher.*", "[::1]", "a:80", "a*b", "[]]", "api..", "b::1%A", "\xff", "xn--a", "ⓐ.com", "0:0::1%eth0"} {
		f.Add(pattern, "a.com:80")
		f.Add(pattern, "[::1]:80")
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		canonical := CanonicalHost(host)
		p, err := ParseHostPattern(pattern)
		if err != nil {
			t.Skip()
		}
		p.Match(canonical)
		if p.Form == HostRegexp || p.HasPort() {
			return
		}
		if !ascii(p.Text) || strings.ToLower(p.Text) != p.Text {
			t.Errorf("%q is compared as %q", pattern, p.Text)
		}
		if p.Form == HostExact && !p.Match(CanonicalHost(p.Text)) {
			t.Errorf("%q, compared as %q, does not match itself", pattern, p.Text)
		}
	})
}
