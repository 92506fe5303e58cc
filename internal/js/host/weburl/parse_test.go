package weburl_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

// TestParsing goes through what the URL standard says of parsing, line by line: an
// input, its base, and the href that it must come to, or none.
func TestParsing(t *testing.T) {
	const bad = ""
	rows := [][3]string{
		// Schemes and slashes.
		{"http://example.com", "", "http://example.com/"},
		{"HTTP:example.com", "", "http://example.com/"},
		{"http:/example.com/a", "", "http://example.com/a"},
		{"http:////example.com", "", "http://example.com/"},
		{`http:\\example.com\a\b`, "", "http://example.com/a/b"},
		{"https:a", "https://h/x/y", "https://h/x/a"},
		{"http:a", "https://h/x/y", "http://a/"},
		{"  http://h/ \n", "", "http://h/"},
		{"ht\ntp://h/a\tb", "", "http://h/ab"},
		{"1http://h", "", bad},
		{"://h", "", bad},
		{"", "", bad},
		{"", "http://h/a?b#c", "http://h/a?b"},
		{"foo://h/a/../b", "", "foo://h/b"},
		{"foo:a/../b", "", "foo:a/../b"},
		{"foo:/a/../b", "", "foo:/b"},
		{"foo://", "", "foo://"},
		{"foo:///p", "", "foo:///p"},
		{"x", "data:y", bad},
		{"#f", "data:y", "data:y#f"},
		{"javascript:alert(1)", "", "javascript:alert(1)"},
		{"mailto:a b@c?d e#f g", "", "mailto:a b@c?d%20e#f%20g"},
		// Credentials.
		{"http://u:p@h/", "", "http://u:p@h/"},
		{"http://u@h/", "", "http://u@h/"},
		{"http://:p@h/", "", "http://:p@h/"},
		{"http://@h/", "", "http://h/"},
		{"http://a@b@h/", "", "http://a%40b@h/"},
		{"http://u:p:q@h/", "", "http://u:p%3Aq@h/"},
		{"http://ü/@h", "", "http://xn--tda/@h"},
		{"http://u|<>:[]@h/", "", "http://u%7C%3C%3E:%5B%5D@h/"},
		{"http://u@/x", "", bad},
		// Hosts.
		{"http://EXAMPLE.com./", "", "http://example.com./"},
		{"http://ex%61mple.com", "", "http://example.com/"},
		{"http://faß.de", "", "http://xn--fa-hia.de/"},
		{"http://日本語。jp", "", "http://xn--wgv71a119e.jp/"},
		{"http://ex ample.com", "", bad},
		{"http://ex%20ample.com", "", bad},
		{"http://a<b", "", bad},
		{"http://a^b", "", bad},
		{"http://a%00b", "", bad},
		{"http://a_b-c/", "", "http://a_b-c/"},
		{"http://", "", bad},
		{"http:///", "", bad},
		{"foo://A%20B/", "", "foo://A%20B/"},
		{"foo://a b/", "", bad},
		// IPv4.
		{"http://127.0.0.1", "", "http://127.0.0.1/"},
		{"http://127.1", "", "http://127.0.0.1/"},
		{"http://0x7f.1", "", "http://127.0.0.1/"},
		{"http://0177.0.0.01", "", "http://127.0.0.1/"},
		{"http://2130706433", "", "http://127.0.0.1/"},
		{"http://1.2.3.4.", "", "http://1.2.3.4/"},
		{"http://256.1.1.1", "", bad},
		{"http://1.2.3.4.5", "", bad},
		{"http://4294967296", "", bad},
		{"http://0x.1", "", "http://0.0.0.1/"},
		{"http://1.2.3.08", "", bad},
		{"http://foo.0x4", "", bad},
		{"http://１２７.0.0.1", "", "http://127.0.0.1/"},
		// IPv6.
		{"http://[::1]:8080", "", "http://[::1]:8080/"},
		{"http://[2001:DB8:0:0:1:0:0:1]", "", "http://[2001:db8::1:0:0:1]/"},
		{"http://[::ffff:1.2.3.4]", "", "http://[::ffff:102:304]/"},
		{"http://[1:2:3:4:5:6:7:8]", "", "http://[1:2:3:4:5:6:7:8]/"},
		{"http://[::1", "", bad},
		{"http://[::1%25eth0]", "", bad},
		{"http://[1:2]", "", bad},
		{"http://[::g]", "", bad},
		// Ports.
		{"http://h:80/", "", "http://h/"},
		{"https://h:443/", "", "https://h/"},
		{"https://h:80/", "", "https://h:80/"},
		{"ws://h:80", "", "ws://h/"},
		{"http://h:00081", "", "http://h:81/"},
		{"http://h:", "", "http://h/"},
		{"http://h:65535", "", "http://h:65535/"},
		{"http://h:65536", "", bad},
		{"http://h:8a", "", bad},
		{"http://h:-1", "", bad},
		// Paths.
		{"http://h/a/./b/../c", "", "http://h/a/c"},
		{"http://h/a/%2e/b/%2E%2e/c", "", "http://h/a/c"},
		{"http://h/../../a", "", "http://h/a"},
		{"http://h/a/..", "", "http://h/"},
		{"http://h/a/.", "", "http://h/a/"},
		{"http://h/a//b", "", "http://h/a//b"},
		{`http://h/a\b`, "", "http://h/a/b"},
		{`foo://h/a\b`, "", `foo://h/a\b`},
		{"http://h/a b\"<>`{}|^", "", "http://h/a%20b%22%3C%3E%60%7B%7D|%5E"},
		{"http://h/%zz%4", "", "http://h/%zz%4"},
		{"http://h/ü€𝄞", "", "http://h/%C3%BC%E2%82%AC%F0%9D%84%9E"},
		{"http://h/a;b=c,d@e:f", "", "http://h/a;b=c,d@e:f"},
		// Queries and fragments.
		{"http://h?a", "", "http://h/?a"},
		{"http://h/?a?b#c#d", "", "http://h/?a?b#c#d"},
		{"http://h/?", "", "http://h/?"},
		{"http://h/#", "", "http://h/#"},
		{"http://h/?a b'\"<>#c d\"<>`", "", "http://h/?a%20b%27%22%3C%3E#c%20d%22%3C%3E%60"},
		{"foo://h/?'", "", "foo://h/?'"},
		{"http://h/?ü#ü", "", "http://h/?%C3%BC#%C3%BC"},
		{"http://h/?{}|^`\\", "", "http://h/?{}|^`\\"},
		// Relative to a base.
		{"b", "http://h/a/c?q#f", "http://h/a/b"},
		{"./b", "http://h/a/c", "http://h/a/b"},
		{"../b", "http://h/a/c/d", "http://h/a/b"},
		{"../../../b", "http://h/a/c", "http://h/b"},
		{"/b", "http://h:1/a", "http://h:1/b"},
		{"//o/b", "https://h/a", "https://o/b"},
		{`\\o\b`, "https://h/a", "https://o/b"},
		{"?q", "http://h/a?b#c", "http://h/a?q"},
		{"#f", "http://h/a?b#c", "http://h/a?b#f"},
		{"b:c", "http://h/a", "b:c"},
		{"http://o", "http://h/a", "http://o/"},
		{"..", "foo://h/a/b", "foo://h/"},
		{"b", "nonsense", bad},
		{"http://h/", "nonsense", bad},
		// Files.
		{"file:///etc/passwd", "", "file:///etc/passwd"},
		{"file:c:\\x", "", "file:///c:/x"},
		{"file://localhost/x", "", "file:///x"},
		{"file:///C|/a/../..", "", "file:///C:/"},
		{"/x", "file:///C:/a", "file:///C:/x"},
	}
	data, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	got, err := host.Eval(t, `return `+string(data)+`.map(([url, base]) => URL.parse(url, base || undefined)?.href ?? "")`)
	if err != nil {
		t.Fatal(err)
	}
	var hrefs []string
	if err := json.Unmarshal([]byte(got), &hrefs); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if hrefs[i] != row[2] {
			t.Errorf("%q against %q: got %q, want %q", row[0], row[1], hrefs[i], row[2])
		}
	}
}

// TestSetters has a URL, a member, what it is set to, and the href that follows.
func TestSetters(t *testing.T) {
	rows := [][4]string{
		{"http://h/", "protocol", "https", "https://h/"},
		{"http://h:443/", "protocol", "https:ignored", "https://h/"},
		{"http://h/", "protocol", "foo", "http://h/"},
		{"http://h/", "protocol", "1x", "http://h/"},
		{"foo://h/", "protocol", "bar", "bar://h/"},
		{"http://h/", "username", "ü:@", "http://%C3%BC%3A%40@h/"},
		{"http://u:p@h/", "username", "", "http://:p@h/"},
		{"http://u@h/", "password", "p/q", "http://u:p%2Fq@h/"},
		{"file:///x", "username", "u", "file:///x"},
		{"http://h/", "host", "o:81", "http://o:81/"},
		{"http://h:1/", "host", "o", "http://o:1/"},
		{"http://h/", "host", "o/p?q", "http://o/"},
		{"http://h/", "host", "", "http://h/"},
		{"http://h/", "host", "a b", "http://h/"},
		{"data:x", "host", "o", "data:x"},
		{"http://h:1/", "hostname", "o.org", "http://o.org:1/"},
		{"http://h:1/", "hostname", "127.1", "http://127.0.0.1:1/"},
		{"http://h/", "port", "81", "http://h:81/"},
		{"http://h/", "port", "81x", "http://h:81/"},
		{"http://h:81/", "port", "80", "http://h/"},
		{"http://h:81/", "port", "", "http://h/"},
		{"http://h:81/", "port", "x", "http://h:81/"},
		{"http://h:81/", "port", "99999", "http://h:81/"},
		{"http://h/a", "pathname", "b/../c d", "http://h/c%20d"},
		{"http://h/a", "pathname", "?#", "http://h/%3F%23"},
		{"data:x", "pathname", "y", "data:x"},
		{"http://h/?a#f", "search", "?b", "http://h/?b#f"},
		{"http://h/?a", "search", "b #", "http://h/?b%20%23"},
		{"http://h/?a#f", "search", "", "http://h/#f"},
		{"http://h/", "hash", "#f g", "http://h/#f%20g"},
		{"http://h/#a", "hash", "", "http://h/"},
		{"http://h/a", "href", "https://o/b", "https://o/b"},
	}
	data, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	got, err := host.Eval(t, `return `+string(data)+`.map(([url, name, value]) => { const u = new URL(url); u[name] = value; return u.href })`)
	if err != nil {
		t.Fatal(err)
	}
	var hrefs []string
	if err := json.Unmarshal([]byte(got), &hrefs); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if hrefs[i] != row[3] {
			t.Errorf("%q, %s = %q: got %q, want %q", row[0], row[1], row[2], hrefs[i], row[3])
		}
	}
}

// TestBounds has URLs that would keep the parser busy for seconds.
func TestBounds(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"credentials":   {Code: `return ["http://", "http:", "http:/", "\t\nht\ntp://", "//", "foo://", "\\\\"].map(s => URL.canParse(s + "@".repeat(1e5) + "h/", "http://b/"))`, Want: `[false,false,false,false,false,false,false]`},
		"a base":        {Code: `return URL.canParse("x", "http://" + ":".repeat(1e5) + "@h/")`, Want: `false`},
		"segments":      {Code: `return [URL.canParse("http://h/" + "a/".repeat(1e5)), URL.canParse("http://h/" + "a\\".repeat(1e5)), URL.canParse("/a".repeat(1e5), "http://h")]`, Want: `[false,false,false]`},
		"length":        {Code: `return [URL.canParse("data:" + "x".repeat(2e6)), URL.canParse("data:,a/" + "x/".repeat(1e5))]`, Want: `[false,true]`},
		"what it says":  {Code: `new URL("http://" + "@".repeat(1e5))`, Err: "TypeError: Invalid URL: http://" + strings.Repeat("@", 193) + "…: its authority is longer than 2048 bytes"},
		"members":       {Code: `const u = new URL("http://h/a"), long = "x/".repeat(1e5); for (const k of ["username", "password", "host", "hostname", "port", "pathname", "protocol"]) u[k] = long; return u.href`, Want: `"http://h/a"`},
		"a long member": {Code: `const u = new URL("http://h/a"); u.hash = "x".repeat(2e6); u.search = "x".repeat(1e5); return [u.hash.length, u.search.length]`, Want: `[0,100001]`},
		"a long path":   {Code: `return new URL("http://h/" + "x".repeat(1e5)).pathname.length`, Want: `100001`},
	})
}

// FuzzURL parses, and parses what came out of that: the href must not change.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{"http://u:p@h:81/a/../b?c=d#e", "//h", "data:x y#z", "http://[::1]/%zz", `\\h\p`, "file:c|/.."} {
		f.Add(seed, "http://b/c")
	}
	f.Fuzz(func(t *testing.T, text, base string) {
		args, err := json.Marshal([]string{text, base})
		if err != nil {
			t.Skip()
		}
		got, err := host.Eval(t, `const u = URL.parse(...`+string(args)+`); if (!u) return "";
			u.searchParams.append("k", "v"); u.searchParams.delete("k"); u.hash = "x";
			if (new URL(u.href).href !== u.href) throw new Error(u.href + " becomes " + new URL(u.href).href); return "";`)
		if err != nil || got != `""` {
			t.Errorf("%q, %q: %s %v", text, base, got, err)
		}
	})
}
