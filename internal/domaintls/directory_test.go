package domaintls_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
)

// keys open everything, or nothing.
type keys struct{ locked error }

func (k *keys) Open(_ resource.Key, _, sealed string) (string, error) { return sealed, k.locked }

// stored is a domain as the store has it.
func stored(name, tls string, priority int, patterns ...string) *resource.Domain {
	return &resource.Domain{Name: name, Namespace: "n-" + name, TLS: tls, Priority: priority, Patterns: patterns}
}

func with(d *resource.Domain, cert, key string) *resource.Domain {
	d.Cert, d.PrivateKey = cert, key
	return d
}

func directory(tb testing.TB, domains ...*resource.Domain) *domaintls.Directory {
	tb.Helper()
	d := domaintls.New(&keys{})
	d.Update(slices.Values(domains))
	return d
}

func TestAllow(t *testing.T) {
	t.Parallel()
	cert, key := resourcetest.Certificate(t, "own.com", "*.wild.com")
	d := directory(t,
		stored("auto", "auto", 0, "Auto.com", "*.auto.com", "api.*", "*mid*", "/^re[0-9]\\.com$/", "192.0.2.1", "[2001:DB8::1]"),
		stored("each", "each", 0, "*.each.com", "*tail.com", "pre.*", "*inner*", "/^rx[0-9]\\.com$/"),
		stored("all", "each", 0, "*"),
		stored("off", "off", 9, "off.com", "*.off.com", "no.each.com", "both.com", "*.sub.each.com"),
		stored("both", "auto", 0, "both.com", "deep.auto.each.com"),
		stored("under", "auto", 0, "*.auto.each.com"),
		with(stored("own", "each", 0, "own.com", "*.wild.com"), cert, key),
	)
	tests := map[string]struct {
		names []string
		by    string // the domain
		err   error
	}{
		"exact names":                           {[]string{"auto.com", "AUTO.com", "auto.com."}, "auto", nil},
		"addresses":                             {[]string{"192.0.2.1", "2001:db8::1", "2001:DB8:0::1"}, "auto", nil},
		"a wildcard of tls auto":                {[]string{"x.auto.com"}, "", domaintls.ErrNotEach},
		"a wildcard of tls each":                {[]string{"x.each.com", "x.y.each.com"}, "each", nil},
		"a wildcard without a dot":              {[]string{"curtail.com"}, "", domaintls.ErrNotEach},
		"an underscore":                         {[]string{"_x.each.com"}, "", domaintls.ErrUnderscore},
		"the parent of a wildcard":              {[]string{"each.com", ".each.com"}, "", domaintls.ErrNoDomain},
		"beginnings, middles, expressions, all": {[]string{"api.x", "a.mid.b", "re1.com", "pre.x", "inner", "rx1.com", "other.com", ""}, "", domaintls.ErrNoDomain},
		"tls off":                               {[]string{"off.com", "x.off.com"}, "", domaintls.ErrOff},
		"off for a name under a wildcard":       {[]string{"no.each.com"}, "", domaintls.ErrOff},
		"off for a part of a wildcard":          {[]string{"x.sub.each.com"}, "", domaintls.ErrOff},
		"off in one domain, auto in another":    {[]string{"both.com"}, "both", nil},
		"auto for a part of a wildcard":         {[]string{"x.auto.each.com"}, "", domaintls.ErrNotEach},
		"a name in there":                       {[]string{"deep.auto.each.com"}, "both", nil},
		"a certificate of its own":              {[]string{"own.com", "x.wild.com"}, "", domaintls.ErrOwn},
		"what its wildcard is not for":          {[]string{"x.y.wild.com"}, "own", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, host := range tt.names {
				by, err := d.Allow(host)
				if by.Name != tt.by || !errors.Is(err, tt.err) {
					t.Errorf("%q is allowed by %q: %v, want %q: %v", host, by.Name, err, tt.by, tt.err)
				}
			}
		})
	}
}

func TestOwnCertificates(t *testing.T) {
	t.Parallel()
	exact, exactKey := resourcetest.Certificate(t, "a.com", "x.b.com", "other.com")
	wild, wildKey := resourcetest.Certificate(t, "*.b.com", "127.0.0.1")
	_, oldKey := resourcetest.Certificate(t)
	old := resourcetest.Expired(t, oldKey, "a.com")
	broad, broadKey := resourcetest.Certificate(t, "*.b.com")
	older := resourcetest.Expired(t, oldKey, "w.b.com")
	foreign, foreignKey := resourcetest.Certificate(t, "a.com", "z.b.com", "taken.com")
	domains := []*resource.Domain{
		with(stored("exact", "auto", 0, "a.com", "x.b.com"), exact, exactKey),
		with(stored("wild", "auto", 0, "*.b.com", "127.0.0.1"), wild, wildKey),
		with(stored("old", "auto", 9, "a.com"), old, oldKey),
		with(stored("older", "auto", 9, "w.b.com"), older, oldKey),
		with(stored("broad", "auto", 9, "y.b.com"), broad, broadKey),
	}
	for _, domain := range domains {
		domain.Namespace = "n"
	}
	d := directory(t, append(domains,
		with(stored("foreign", "auto", -1, "a.com", "z.b.com", "taken.com"), foreign, foreignKey),
		stored("taker", "auto", 0, "/^taken/"),
	)...)
	tests := map[string]string{
		"a.com":     exact, // not the one that has expired
		"A.com":     exact,
		"x.b.com":   exact, // the name before the wildcard
		"y.b.com":   broad, // the priority
		"z.b.com":   wild,  // the name, but of another namespace
		"taken.com": "",    // likewise
		"w.b.com":   wild,  // that of the name has expired
		"q.z.b.com": "",
		"b.com":     "",
		"other.com": "", // no pattern has it
		"127.0.0.1": wild,
	}
	for name, want := range tests {
		got := d.Certificate(name)
		switch {
		case got == nil && want != "":
			t.Errorf("%s has no certificate", name)
		case got != nil && want == "":
			t.Errorf("%s has a certificate, for %v", name, got.Leaf.DNSNames)
		case got != nil && !got.Leaf.Equal((&resource.Domain{Cert: want}).Leaf()):
			t.Errorf("%s has a certificate for %v", name, got.Leaf.DNSNames)
		}
	}
}

// A key that cannot be decrypted leaves the other names alone, and its own without anything else.
func TestLockedKeys(t *testing.T) {
	t.Parallel()
	cert, key := resourcetest.Certificate(t, "a.com")
	k := &keys{locked: errors.New("locked")}
	d := domaintls.New(k)
	d.Update(slices.Values([]*resource.Domain{with(stored("a", "auto", 0, "a.com"), cert, key), stored("b", "auto", 0, "b.com")}))
	if d.Certificate("a.com") != nil {
		t.Error("there is a certificate")
	}
	if _, err := d.Allow("a.com"); !errors.Is(err, domaintls.ErrOwn) || !strings.Contains(err.Error(), "locked") {
		t.Error(err)
	}
	if _, err := d.Allow("b.com"); err != nil {
		t.Error(err)
	}
	domain, _ := d.Domain(resource.Key{Kind: "domain", Namespace: "n-a", Name: "a"})
	if domain.Err == nil || domain.Own == nil || !domain.HasOwn {
		t.Errorf("the domain is %+v", domain)
	}
	k.locked = nil
	d.Retry()
	if d.Certificate("a.com") == nil {
		t.Error("there is still no certificate")
	}
}

// Hosts are misdirected from when no domain wants them any more until one does again.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	cert, key := resourcetest.Certificate(t, "own.com")
	all := []*resource.Domain{stored("a", "auto", 0, "a.com"), with(stored("own", "off", 0, "own.com"), cert, key)}
	d := directory(t, all...)
	check := func(when string, host string, want bool) {
		t.Helper()
		if got := d.Misdirected(host); got != want {
			t.Errorf("%s: misdirected(%s) is %v", when, host, got)
		}
	}
	check("before", "a.com", false)
	d.Granted("a.com")
	d.Granted("own.com")
	check("while there is a domain", "a.com", false)
	check("while there is a certificate", "own.com", false)
	d.Update(slices.Values(all[:0]))
	check("without a domain", "a.com", true)
	check("without a certificate", "own.com", true)
	check("a name that was never granted", "b.com", false)
	d.Update(slices.Values(all))
	check("when it is back", "a.com", false)
}

// What was served under a wildcard is remembered by the wildcard: strangers can think of any number of
// names, and a connection for one of them may be used for another.
func TestMisdirectedWildcards(t *testing.T) {
	t.Parallel()
	cert, key := resourcetest.Certificate(t, "*.own.com", "*.one.com")
	all := []*resource.Domain{
		with(stored("own", "off", 0, "*.own.com", "x.one.com", "*.two.com"), cert, key),
		stored("each", "each", 0, "*.each.com", "a.each.org"), stored("kept", "auto", 0, "kept.each.com"),
	}
	d := directory(t, all...)
	for i := range 200_000 {
		d.Granted(fmt.Sprintf("n%d.own.com", i))
	}
	for _, name := range []string{"x.one.com", "a.each.com", "kept.each.com", "a.each.org", "stranger.com"} {
		d.Granted(name)
	}
	d.Update(slices.Values(all[2:]))
	for host, want := range map[string]bool{
		"n0.own.com": true, "n199999.own.com": true, "never.own.com": true, "own.com": false,
		"x.one.com": true, "y.one.com": false, "x.two.com": false,
		"a.each.com": true, "b.each.com": true, "kept.each.com": false, "a.each.org": true, "b.each.org": false,
		"stranger.com": false, "com": false, "": false,
	} {
		if got := d.Misdirected(host); got != want {
			t.Errorf("misdirected(%s) is %v", host, got)
		}
	}
}

func many(tb testing.TB, n int) []*resource.Domain {
	tb.Helper()
	domains := make([]*resource.Domain, n)
	for i := range domains {
		domains[i] = stored(fmt.Sprintf("d%d", i), "each", 0, fmt.Sprintf("www%d.example.com", i), fmt.Sprintf("*.tenant%d.example.com", i))
	}
	return domains
}

func BenchmarkAllow(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		d := directory(b, many(b, n)...)
		for what, name := range map[string]string{"exact": "www7.example.com", "wildcard": "shop.tenant7.example.com", "stranger": strings.Repeat("a.", 120) + "com"} {
			b.Run(fmt.Sprintf("%d domains/%s", n, what), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					d.Allow(name) //nolint:errcheck // a stranger is refused
				}
			})
		}
	}
}

// owned are domains with a certificate each, all of one key: making keys is slow.
func owned(tb testing.TB, n int) []*resource.Domain {
	tb.Helper()
	domains := many(tb, n)
	_, key := resourcetest.Certificate(tb)
	for _, d := range domains {
		with(d, resourcetest.Renew(tb, key, d.Patterns...), key)
	}
	return domains
}

func BenchmarkCertificate(b *testing.B) {
	for _, n := range []int{10, 1000} {
		domains := owned(b, n)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d := directory(b, domains...)
		runtime.GC()
		runtime.ReadMemStats(&after)
		for what, name := range map[string]string{"exact": "www7.example.com", "wildcard": "shop.tenant7.example.com"} {
			b.Run(fmt.Sprintf("%d domains/%s", n, what), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if d.Certificate(name) == nil {
						b.Fatal("no certificate")
					}
				}
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/domain")
			})
		}
	}
}

// One domain more is known at once, without the others being parsed again.
func BenchmarkUpdate(b *testing.B) {
	domains := owned(b, 1000)
	d := directory(b, domains...)
	b.ReportAllocs()
	for b.Loop() {
		d.Update(slices.Values(domains))
	}
}
