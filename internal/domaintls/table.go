package domaintls

import (
	"cmp"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/hosts"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// entry is a stored domain, ready to be asked.
type entry struct {
	res      *resource.Domain
	patterns []resource.HostPattern
	own      *tls.Certificate // with Leaf; nil: it has none, or none that can be read
	err      error            // why own has no private key
}

// matches tells whether one of the patterns has a name.
func (e *entry) matches(name string) bool {
	return slices.ContainsFunc(e.patterns, func(p resource.HostPattern) bool { return p.Match(name) })
}

// names tells whether one of the patterns is the name itself.
func (e *entry) names(name string) bool {
	return slices.ContainsFunc(e.patterns, func(p resource.HostPattern) bool {
		return p.Form == resource.HostExact && p.Text == name
	})
}

// table is what handshakes look names up in. It never changes.
type table struct {
	ranked []*entry            // as requests rank domains, the best first
	hosts  func() *hosts.Index // of their patterns; made when it is first needed

	exact    map[string]ruling // by name
	suffixes map[string]ruling // by what follows the star
	lengths  []int             // of those suffixes, the longest first

	named map[string][]*entry // by a name in their own certificates, the best domain first
	wild  map[string][]*entry // by what follows the star in their own certificates, likewise
}

// newTable ranks and indexes domains.
func newTable(entries map[resource.Key]*entry) *table {
	t := &table{
		ranked: make([]*entry, 0, len(entries)),
		exact:  make(map[string]ruling, len(entries)), suffixes: map[string]ruling{},
		named: map[string][]*entry{}, wild: map[string][]*entry{},
	}
	for _, e := range entries {
		t.ranked = append(t.ranked, e)
	}
	slices.SortFunc(t.ranked, func(a, b *entry) int {
		return cmp.Or(
			cmp.Compare(b.res.Priority, a.res.Priority),
			cmp.Compare(b.res.Name, a.res.Name),
			cmp.Compare(b.res.Namespace, a.res.Namespace),
		)
	})
	for _, e := range t.ranked {
		for _, p := range e.patterns {
			switch {
			case p.Form == resource.HostExact && !p.HasPort():
				decide(t.exact, p.Text, e, e.res.TLS != resource.TLSOff)
			case p.Form == resource.HostSuffix: // without a dot it is for strangers too: *shop.com for evilshop.com
				decide(t.suffixes, p.Text, e, e.res.TLS == resource.TLSEach && p.Text[0] == '.')
			}
		}
		t.enterOwn(e)
	}
	t.hosts = sync.OnceValue(t.index)
	for suffix := range t.suffixes {
		if !slices.Contains(t.lengths, len(suffix)) {
			t.lengths = append(t.lengths, len(suffix))
		}
	}
	slices.SortFunc(t.lengths, func(a, b int) int { return cmp.Compare(b, a) })
	return t
}

// index has all patterns, with the ranks of their domains.
func (t *table) index() *hosts.Index {
	var patterns []hosts.Ranked
	for rank, e := range t.ranked {
		for _, p := range e.patterns {
			patterns = append(patterns, hosts.Ranked{HostPattern: p, Rank: rank})
		}
	}
	return hosts.NewIndex(patterns)
}

// owner is the domain that has a host, or nil.
func (t *table) owner(host string) *resource.Domain {
	if rank, ok := t.hosts().Find(host); ok {
		return t.ranked[rank].res
	}
	return nil
}

// ruling is what a domain says about certificates for a text of its patterns.
type ruling struct {
	*entry
	allows bool
}

// decide enters a ruling. The first that allows certificates stands, or else the first.
func decide(rulings map[string]ruling, text string, e *entry, allows bool) {
	if before, ok := rulings[text]; !ok || allows && !before.allows {
		rulings[text] = ruling{e, allows}
	}
}

// enterOwn indexes the certificate of a domain by the names in it.
func (t *table) enterOwn(e *entry) {
	if e.own == nil {
		return
	}
	for _, name := range namesOf(e.own) {
		if rest, ok := strings.CutPrefix(name, "*"); ok {
			t.wild[rest] = append(t.wild[rest], e)
		} else if e.matches(name) {
			t.named[name] = append(t.named[name], e)
		}
	}
}

// namesOf are the names and addresses that a certificate is for, as hosts are compared.
func namesOf(cert *tls.Certificate) []string {
	var names []string
	for _, name := range cert.Leaf.DNSNames {
		names = append(names, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
	for _, ip := range cert.Leaf.IPAddresses {
		names = append(names, canonicalIP(ip))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func canonicalIP(ip net.IP) string { return resource.CanonicalHost(ip.String()) }

// ruling is what is said about certificates for a name: of the domains whose patterns match it as a
// name or by its end, that with the most specific pattern says it. ok is false if there is none.
func (t *table) ruling(name string) (r ruling, ok bool) {
	if r, ok := t.exact[name]; ok {
		return r, true
	}
	for _, n := range t.lengths {
		if n < len(name) {
			if r, ok := t.suffixes[name[len(name)-n:]]; ok {
				return r, true
			}
		}
	}
	return ruling{}, false
}

// pattern is what a name is served with a certificate for: the name, or what follows the star of the
// wildcard that it is under. ok is false if no domain has it.
func (t *table) pattern(name string, now time.Time) (pattern string, ok bool) {
	r, ok := t.ruling(name)
	if e := t.own(name, now); e != nil {
		r, ok = ruling{entry: e}, true
	}
	if !ok || r.names(name) {
		return name, ok
	}
	for _, p := range r.patterns {
		if p.Form == resource.HostSuffix && p.Text[0] == '.' && p.Match(name) {
			return p.Text, true
		}
	}
	if dot := strings.IndexByte(name, '.'); r.own != nil && dot > 0 { // that is how far its certificate goes
		return name[dot:], true
	}
	return name, true
}

// own is the domain whose own certificate a name is served with, or nil: one of the namespace that
// requests for the name are routed in. What can be used and is valid now comes before what is not,
// and a certificate for the name before one for all names of its parent.
func (t *table) own(name string, now time.Time) *entry {
	exact, valid := t.pick(t.named[name], name, now)
	if valid {
		return exact
	}
	var wild *entry
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		wild, valid = t.pick(t.wild[name[dot:]], name, now)
	}
	if exact == nil || valid {
		return wild
	}
	return exact
}

// pick chooses one of some domains with a certificate for a name, or none, and tells whether it can be
// used now.
func (t *table) pick(candidates []*entry, name string, now time.Time) (first *entry, valid bool) {
	for _, e := range candidates {
		if !e.matches(name) || !t.routes(e, name) {
			continue
		}
		if leaf := e.own.Leaf; e.err == nil && !now.Before(leaf.NotBefore) && !now.After(leaf.NotAfter) {
			return e, true
		}
		if first == nil || first.err != nil && e.err == nil {
			first = e
		}
	}
	return first, false
}

// routes tells whether requests for a name are routed in the namespace of a domain.
func (t *table) routes(e *entry, name string) bool {
	owner := t.owner(name)
	return owner != nil && owner.Namespace == e.res.Namespace
}
