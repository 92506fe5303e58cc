// Package hosts finds the best of many patterns that match a host.
package hosts

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Index finds, among many patterns, the best one that matches a host. It never changes.
//
// Names, suffixes and prefixes are found without looking at the others, however many there are.
// Parts of names and regular expressions are tried one after the other, down from the best, until
// no better one is left.
type Index struct {
	exact    map[string]int
	prefixes affixes
	suffixes affixes // written backwards
	tried    []Ranked
	all      int // the best "*"
}

// Ranked is a pattern with its rank: the lower one is the better.
type Ranked struct {
	resource.HostPattern
	// Rank is its rank, 0 or more.
	Rank int
}

// unranked is the rank of nothing.
const unranked = int(^uint(0) >> 1)

// NewIndex makes an index of patterns.
func NewIndex(patterns []Ranked) *Index {
	x := &Index{exact: map[string]int{}, all: unranked}
	prefixes, suffixes := map[string]int{}, map[string]int{}
	for _, p := range patterns {
		switch p.Form {
		case resource.HostExact:
			enter(x.exact, p.Text, p.Rank)
		case resource.HostPrefix:
			enter(prefixes, p.Text, p.Rank)
		case resource.HostSuffix:
			enter(suffixes, backwards(p.Text), p.Rank)
		case resource.HostAny:
			x.all = min(x.all, p.Rank)
		default:
			x.tried = append(x.tried, p)
		}
	}
	x.prefixes, x.suffixes = newAffixes(prefixes), newAffixes(suffixes)
	slices.SortStableFunc(x.tried, func(a, b Ranked) int { return cmp.Compare(a.Rank, b.Rank) })
	return x
}

// enter notes the best rank of a text.
func enter(ranks map[string]int, text string, rank int) {
	if known, ok := ranks[text]; !ok || rank < known {
		ranks[text] = rank
	}
}

// Find gives the best rank of the patterns that match a host, as [resource.CanonicalHost] gives it.
func (x *Index) Find(host string) (rank int, ok bool) {
	best := x.all
	if rank, ok := x.exact[host]; ok {
		best = min(best, rank)
	}
	best = min(best, x.prefixes.find(host))
	if len(x.suffixes) > 0 {
		best = min(best, x.suffixes.find(backwards(host)))
	}
	for _, p := range x.tried {
		if p.Rank >= best {
			break
		}
		if p.Match(host) {
			best = p.Rank
		}
	}
	return best, best != unranked
}

// backwards writes the bytes of a text from its end.
func backwards(s string) string {
	if len(s) > resource.MaxHost {
		s = s[len(s)-resource.MaxHost-1:] // no pattern is as long
	}
	var buf [resource.MaxHost + 1]byte
	b := append(buf[:0], s...)
	slices.Reverse(b)
	return string(b)
}

// affixes are beginnings of texts, in the order of the alphabet.
type affixes []affix

type affix struct {
	text string
	rank int // the best of this one and those that it begins with
	// parent is the longest of the others that this one begins with, or -1.
	parent int
}

func newAffixes(ranks map[string]int) affixes {
	all := make(affixes, 0, len(ranks))
	for _, text := range slices.Sorted(maps.Keys(ranks)) {
		parent := len(all) - 1 // the one before, or one of its ancestors
		for parent >= 0 && !strings.HasPrefix(text, all[parent].text) {
			parent = all[parent].parent
		}
		rank := ranks[text]
		if parent >= 0 {
			rank = min(rank, all[parent].rank)
		}
		all = append(all, affix{text, rank, parent})
	}
	return all
}

// find gives the best rank of those that a text begins with. They all are among the one that the
// text would be sorted behind and its ancestors: what lies between an affix and a text that begins
// with it begins with it too.
func (a affixes) find(text string) int {
	i, found := slices.BinarySearchFunc(a, text, func(e affix, text string) int { return strings.Compare(e.text, text) })
	if !found {
		i--
	}
	if i < 0 {
		return unranked
	}
	common := commonPrefix(a[i].text, text)
	for i >= 0 && len(a[i].text) > common {
		i = a[i].parent
	}
	if i < 0 {
		return unranked
	}
	return a[i].rank
}

// commonPrefix is how many bytes two texts begin with in common.
func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
