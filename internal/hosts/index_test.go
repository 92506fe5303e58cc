package hosts

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// naive finds the best rank by asking every pattern.
func naive(patterns []Ranked, host string) (best int, ok bool) {
	best = unranked
	for _, p := range patterns {
		if p.Rank < best && p.Match(host) {
			best = p.Rank
		}
	}
	return best, best != unranked
}

func parsePatterns(tb testing.TB, texts ...string) []Ranked {
	tb.Helper()
	var patterns []Ranked
	for rank, text := range texts {
		p, err := resource.ParseHostPattern(text)
		if err != nil {
			tb.Fatalf("%q: %v", text, err)
		}
		patterns = append(patterns, Ranked{p, rank})
	}
	return patterns
}

// The index finds what asking every pattern finds: random patterns of few letters, so that many
// match and contain each other.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, random.IntN(6)+1)
		for i := range b {
			b[i] = "ab.c"[random.IntN(4)]
		}
		return "a" + string(b) + "b"
	}
	forms := []string{"%s", "*%s", "%s*", "*%s*", "/%s/", "/^%s/"}
	for range 500 {
		var texts []string
		for range random.IntN(60) {
			texts = append(texts, fmt.Sprintf(forms[random.IntN(len(forms))], text()))
		}
		if random.IntN(4) == 0 {
			texts = append(texts, "*")
		}
		random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		patterns := parsePatterns(t, texts...)
		x := NewIndex(patterns)
		for range 50 {
			host := text()
			for random.IntN(2) == 0 {
				host += text()
			}
			want, found := naive(patterns, host)
			if got, ok := x.Find(host); got != want || ok != found {
				t.Fatalf("%s: rank %d, want %d of %v", host, got, want, texts)
			}
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add("a.com *.a.com api.* *mid* * /^a+$/", "x.a.com")
	f.Add("*a *aa *aaa aaa* aa* a*", "aaab")
	f.Add("*.a.com *a.com", strings.Repeat("x", 300)+".a.com")
	f.Fuzz(func(t *testing.T, texts, host string) {
		var patterns []Ranked
		for rank, text := range strings.Fields(texts) {
			if p, err := resource.ParseHostPattern(text); err == nil {
				patterns = append(patterns, Ranked{p, rank})
			}
		}
		host = resource.CanonicalHost(host)
		want, found := naive(patterns, host)
		if got, ok := NewIndex(patterns).Find(host); got != want || ok != found {
			t.Errorf("%q among %q: rank %d, want %d", host, texts, got, want)
		}
	})
}

// BenchmarkHosts finds hosts among many patterns, and among one. Patterns that begin with each
// other as deeply as they can are the worst that there is for suffixes.
func BenchmarkHosts(b *testing.B) {
	each := func(n int, format ...string) []string {
		texts := make([]string, n)
		for i := range texts {
			texts[i] = fmt.Sprintf(format[i%len(format)], i)
		}
		return texts
	}
	nested := make([]string, resource.MaxHost)
	for i := range nested {
		nested[i] = "*" + strings.Repeat("a", i+1)
	}
	mixed := []string{"shop%d.example.com", "*.tenant%d.example.com", "api%d.*"}
	for _, bb := range []struct {
		name  string
		texts []string
		host  string
	}{
		{"exact/1", each(1, "shop%d.example.com"), "shop0.example.com:8080"},
		{"exact/10000", each(10_000, mixed...), "shop9000.example.com:8080"},
		{"suffix/1", each(1, "*.tenant%d.example.com"), "www.tenant0.example.com"},
		{"suffix/10000", each(10_000, mixed...), "www.tenant9001.example.com"},
		{"upper case/10000", each(10_000, mixed...), "WWW.Tenant9001.example.com."},
		{"prefix/1", each(1, "api%d.*"), "api0.example.org"},
		{"prefix/10000", each(10_000, mixed...), "api9002.example.org"},
		{"nothing/1", each(1, "shop%d.example.com"), "www.example.net"},
		{"nothing/10000", each(10_000, mixed...), "www.example.net"},
		{"nested/255", nested, strings.Repeat("b", 100) + strings.Repeat("a", 100)},
		{"nested, long host/255", nested, strings.Repeat("b", 1<<20)},
		{"parts/100", each(100, "*part%d*"), "www.example.net"},
		{"regular expressions/100", each(100, `/^r%d\.example\.(com|org)$/`), "www.example.net"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			x := NewIndex(parsePatterns(b, bb.texts...))
			b.ReportAllocs()
			for b.Loop() {
				x.Find(resource.CanonicalHost(bb.host))
			}
		})
	}
}
