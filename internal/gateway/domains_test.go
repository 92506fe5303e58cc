package gateway

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

func testDomain(namespace, name string, priority int, patterns ...string) change.Change {
	return change.Change{Object: &resource.Domain{Name: name, Namespace: namespace, Priority: priority, Patterns: patterns}}
}

// inNamespaces makes namespaces with one route each.
func inNamespaces(names ...string) []change.Change {
	var changes []change.Change
	for _, name := range names {
		changes = append(changes,
			change.Change{Object: &resource.Namespace{Name: name}},
			change.Change{Object: &resource.Route{Name: "r", Namespace: name, Paths: []string{"/"}, Methods: []string{"GET"}}},
		)
	}
	return changes
}

func apply(tb testing.TB, w *change.Writer, changes ...change.Change) uint64 {
	tb.Helper()
	results, err := w.Apply(tb.Context(), changes...)
	if err != nil {
		tb.Fatal(err)
	}
	return results.Index
}

// Which namespace has a host: the rules P-2 to P-6 of the original DGate, and what was mended.
func TestNamespaces(t *testing.T) {
	remove := func(kind, name string) change.Change {
		return change.Change{Key: resource.MustKind(kind).Key(resource.DefaultNamespace, name)}
	}
	allow := func(texts ...string) (patterns []resource.HostPattern) {
		for _, text := range texts {
			p, err := resource.ParseHostPattern(text)
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
		}
		return patterns
	}
	tests := map[string]struct {
		changes []change.Change
		options Options
		host    string
		want    string // namespace, or status
	}{
		"nothing but default":                {host: "a.com", want: "default"},
		"no domains":                         {changes: inNamespaces("n1", "n2"), host: "a.com", want: "default"},
		"no domains, default off":            {changes: inNamespaces("n1"), options: Options{NoDefault: true}, host: "a.com", want: "404"},
		"one namespace, default off":         {options: Options{NoDefault: true}, host: "a.com", want: "default"},
		"one namespace, not default":         {changes: append(inNamespaces("n1"), remove("route", "r"), remove("namespace", "default")), host: "a.com", want: "n1"},
		"one namespace with a domain":        {changes: append(inNamespaces("n1"), testDomain("n1", "d", 0, "a.com"), remove("route", "r"), remove("namespace", "default")), host: "b.com", want: "404"},
		"two namespaces, none default":       {changes: append(inNamespaces("n1", "n2"), remove("route", "r"), remove("namespace", "default")), host: "a.com", want: "404"},
		"a domain":                           {changes: append(inNamespaces("n1"), testDomain("n1", "d", 0, "*.a.com")), host: "X.A.com.:80", want: "n1"},
		"another host":                       {changes: append(inNamespaces("n1"), testDomain("n1", "d", 0, "*.a.com")), host: "a.com", want: "default"},
		"another host, default off":          {changes: append(inNamespaces("n1"), testDomain("n1", "d", 0, "*.a.com")), options: Options{NoDefault: true}, host: "a.com", want: "404"},
		"default has a domain":               {changes: []change.Change{testDomain("default", "d", 0, "a.com")}, host: "b.com", want: "404"},
		"default by its domain, default off": {changes: []change.Change{testDomain("default", "d", 0, "a.com")}, options: Options{NoDefault: true}, host: "a.com", want: "default"},
		"the higher priority":                {changes: append(inNamespaces("n1", "n2"), testDomain("n1", "z", 1, "*"), testDomain("n2", "a", 2, "*.com")), host: "a.com", want: "n2"},
		"the lower one for others":           {changes: append(inNamespaces("n1", "n2"), testDomain("n1", "z", 1, "*"), testDomain("n2", "a", 2, "*.com")), host: "a.org", want: "n1"},
		"below zero":                         {changes: append(inNamespaces("n1", "n2"), testDomain("n1", "z", -1, "a.com"), testDomain("n2", "a", 0, "*")), host: "a.com", want: "n2"},
		"exact is not better":                {changes: append(inNamespaces("n1", "n2"), testDomain("n1", "a", 0, "a.com"), testDomain("n2", "b", 0, "*")), host: "a.com", want: "n2"},
		"a tie by name":                      {changes: append(inNamespaces("n1", "n2"), testDomain("n1", "zzz", 5, "a.com"), testDomain("n2", "aaa", 5, "a.com")), host: "a.com", want: "n1"},
		"a tie of names":                     {changes: append(inNamespaces("n1", "n2"), testDomain("n1", "d", 5, "a.com"), testDomain("n2", "d", 5, "a.com")), host: "a.com", want: "n2"},
		"a namespace without routes":         {changes: []change.Change{{Object: &resource.Namespace{Name: "n1"}}, testDomain("n1", "d", 0, "*")}, host: "a.com", want: "404"},
		"allowed":                            {options: Options{AllowedDomains: allow("*.a.com", "b.com")}, host: "x.a.com", want: "default"},
		"allowed in upper case":              {options: Options{AllowedDomains: allow("*.a.com", "B.com")}, host: "b.COM:80", want: "default"},
		"not allowed":                        {options: Options{AllowedDomains: allow("*.a.com")}, host: "a.com", want: "403"},
		"not allowed to a domain":            {changes: append(inNamespaces("n1"), testDomain("n1", "d", 0, "b.com")), options: Options{AllowedDomains: allow("*.a.com")}, host: "b.com", want: "403"},
		"neither allowed nor there":          {changes: append(inNamespaces("n1"), testDomain("n1", "d", 0, "b.com")), options: Options{AllowedDomains: allow("b.com"), NoDefault: true}, host: "a.com", want: "404"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g, w := following(t, 0)
			apply(t, w, inNamespaces("default")...)
			apply(t, w, change.Change{Key: resource.MustKind("collection").Key("default", "c")}, remove("service", "s"))
			if tt.changes != nil {
				apply(t, w, tt.changes...)
			}
			g.Configure(tt.options)
			r := testRequest(t, "GET", "/")
			r.Host = tt.host
			if got := outcome(g.Match("", r)); got != tt.want {
				t.Errorf("%s goes to %s, want %s", tt.host, got, tt.want)
			}
		})
	}
}

// outcome is the namespace of a match, or the status of the error.
func outcome(m Match, err error) string {
	if se, ok := errors.AsType[*StatusError](err); ok {
		return fmt.Sprint(se.Status)
	}
	return m.Plan.namespace.Name
}

// A fixed namespace asks neither for domains nor whether the host is allowed.
func TestFixedNamespace(t *testing.T) {
	g, w := following(t, 0)
	apply(t, w, inNamespaces("default", "n1")...)
	apply(t, w, testDomain("n1", "d", 0, "*"))
	g.Configure(Options{NoDefault: true, AllowedDomains: []resource.HostPattern{{Form: resource.HostExact, Text: "a.com"}}})
	r := testRequest(t, "GET", "/")
	for namespace, want := range map[string]string{"default": "default", "n1": "n1", "n2": "404"} {
		if got := outcome(g.Match(namespace, r)); got != want {
			t.Errorf("namespace %s: %s, want %s", namespace, got, want)
		}
	}
}

// A domain moves hosts and compiles nothing.
func TestDomainsDoNotCompile(t *testing.T) {
	g, w := following(t, 1)
	before := g.Table().namespaces["default"]
	apply(t, w, inNamespaces("n1")...)
	apply(t, w, testDomain("n1", "d", 0, "a.com"))
	r := testRequest(t, "GET", "/")
	r.Host = "a.com"
	if got := outcome(g.Match("", r)); got != "n1" {
		t.Errorf("a new domain leads to %s", got)
	}
	apply(t, w, testDomain("n1", "d", 0, "b.com"))
	if got := outcome(g.Match("", r)); got != "404" {
		t.Errorf("a domain that has lost its host leads to %s", got)
	}
	if _, err := w.Delete(t.Context(), resource.MustKind("domain").Key("n1", "d"), state.Condition{}); err != nil {
		t.Fatal(err)
	}
	if len(g.Table().domains.ranked) != 0 {
		t.Error("the domain is still there")
	}
	if g.Table().namespaces["default"] != before {
		t.Error("the namespace default was compiled again")
	}
}

// What is valid in a domain, but probably not meant, is warned of.
func TestDomainWarnings(t *testing.T) {
	_, key := resourcetest.Certificate(t)
	end := time.Now().Add(60 * 24 * time.Hour).UTC()
	valid := resourcetest.Until(t, key, end, "a.com")
	soon := resourcetest.Until(t, key, end.Add(-55*24*time.Hour), "a.com")
	tests := map[string]struct {
		in   resource.Domain
		want []string
	}{
		"ends soon":   {resource.Domain{Patterns: []string{"a.com"}, Cert: soon}, []string{"domain d: its certificate ends in 4 days, at " + end.Add(-55*24*time.Hour).Format(time.RFC3339)}},
		"underscores": {resource.Domain{Patterns: []string{"_a.com", "*._b.com"}, TLS: "each"}, []string{"domain d: no certificate is obtained for _a.com, because of the underscore"}},
		"no dot":      {resource.Domain{Patterns: []string{"*a.com"}, TLS: "each"}, []string{"domain d: no certificates are obtained under *a.com, which is also for hosts of others; did you mean *.a.com?"}},
		"taken":       {resource.Domain{Patterns: []string{"a.com"}, Cert: valid, Priority: -1}, []string{"domain d: its certificate is not served for a.com, because requests for it are routed in the namespace n1"}},
		"nothing odd": {resource.Domain{Patterns: []string{"a.com", "[::1]"}, Cert: valid}, nil},
		"a port":      {resource.Domain{Patterns: []string{"a.com", "a.com:8080"}}, []string{"domain d: pattern a.com:8080 matches nothing, because hosts are compared without their port"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g, w := following(t, 0)
			if name == "taken" {
				apply(t, w, append(inNamespaces("n1"), testDomain("n1", "other", 0, "a.com"))...)
			}
			tt.in.Name, tt.in.Namespace = "d", "default"
			if tt.in.Cert != "" {
				tt.in.PrivateKey = key
			}
			got, err := g.Check(t.Context(), w.Store.DB(), []change.Change{{Object: &tt.in}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// A certificate that has expired is refused, unless it is stored already: resource files are put again
// at each start. One that is not valid yet is warned of.
func TestDatesOfCertificates(t *testing.T) {
	t.Parallel()
	_, key := resourcetest.Certificate(t)
	cert := resourcetest.Until(t, key, time.Now().Add(90*24*time.Hour), "a.com")
	leaf := (&resource.Domain{Cert: cert}).Leaf()
	d := &resource.Domain{Name: "d", Namespace: "default", Patterns: []string{"a.com"}, Cert: cert, PrivateKey: key}
	_, w := following(t, 0)
	later := leaf.NotAfter.Add(time.Minute)
	expired := "has expired at " + leaf.NotAfter.Format(time.RFC3339)
	check := func(when string, now time.Time, warning, problem string) {
		t.Helper()
		warnings, err := checkDates(w.Store.DB(), []change.Change{{Object: d}}, now)
		if text := strings.Join(warnings, "\n"); text != warning {
			t.Errorf("%s: warnings %q, want %q", when, text, warning)
		}
		if err == nil && problem != "" || err != nil && err.Error() != problem {
			t.Errorf("%s: %v, want %q", when, err, problem)
		}
	}
	check("a valid one", time.Now(), "", "")
	check("one of the future", leaf.NotBefore.Add(-time.Minute), "domain d: its certificate is not valid before "+leaf.NotBefore.Format(time.RFC3339), "")
	check("an expired one", later, "", "cert "+expired)
	op, err := state.Put(d, state.Condition{}) // the key as it is: nothing reads it here
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store.Propose(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	check("one that is stored", later, "domain d: its certificate "+expired, "")
	chained := resource.Clone(d).(*resource.Domain)
	chained.Cert = resourcetest.Renew(t, key, "a.com") + resourcetest.Expired(t, key)
	_, err = checkDates(w.Store.DB(), []change.Change{{Object: chained}}, time.Now())
	if err == nil || !strings.Contains(err.Error(), "cert certificate 2 of the chain, of test, has expired at ") {
		t.Errorf("an expired chain: %v", err)
	}
}

// BenchmarkMatch is the whole match of a request, host and route, among many domains and few.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("%d domains", n), func(b *testing.B) {
			g, w := following(b, 1)
			apply(b, w, manyDomains(n)...)
			r := testRequest(b, "GET", "/r0")
			r.Host = fmt.Sprintf("www.tenant%d.example.com:8080", n-1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Match("", r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPutDomain changes one domain of many, and of few, until it is live.
func BenchmarkPutDomain(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("%d domains", n), func(b *testing.B) {
			_, w := following(b, 1)
			apply(b, w, manyDomains(n)...)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				apply(b, w, testDomain("default", "d0", i, "tenant0.example.com"))
			}
		})
	}
}

func manyDomains(n int) []change.Change {
	changes := make([]change.Change, n)
	for i := range changes {
		changes[i] = testDomain("default", fmt.Sprintf("d%d", i), i%10, fmt.Sprintf("tenant%d.example.com", i), fmt.Sprintf("*.tenant%d.example.com", i))
	}
	return changes
}
