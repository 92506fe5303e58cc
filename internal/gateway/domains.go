package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/hosts"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// domain is a stored domain with its patterns parsed.
type domain struct {
	res      *resource.Domain
	patterns []resource.HostPattern
	err      error // why there are none; it was stored by another version of the program then
}

// parseDomain readies a domain for matching.
func parseDomain(res *resource.Domain) *domain {
	d := &domain{res: res, patterns: make([]resource.HostPattern, len(res.Patterns))}
	for i, text := range res.Patterns {
		var err error
		if d.patterns[i], err = resource.ParseHostPattern(text); err != nil {
			return &domain{res: res, err: fmt.Errorf("%s: patterns[%d] %w", res.Key(), i, err)}
		}
	}
	return d
}

// domains finds the domain that has a host. It never changes.
type domains struct {
	ranked []*domain // the best first
	index  *hosts.Index
	owners map[string]bool // the namespaces that have a domain
}

// newDomains ranks domains. The error is about those that have no host because of it.
func newDomains(all map[resource.Key]*domain) (*domains, error) {
	d := &domains{ranked: make([]*domain, 0, len(all)), owners: map[string]bool{}}
	var errs []error
	for _, each := range all {
		d.ranked = append(d.ranked, each)
		d.owners[each.res.Namespace] = true
		errs = append(errs, each.err)
	}
	slices.SortFunc(d.ranked, func(a, b *domain) int { return compareRanks(a.res, b.res) })
	var patterns []hosts.Ranked
	for rank, each := range d.ranked {
		for _, p := range each.patterns {
			patterns = append(patterns, hosts.Ranked{HostPattern: p, Rank: rank})
		}
	}
	d.index = hosts.NewIndex(patterns)
	return d, errors.Join(errs...)
}

// find gives the domain that has a canonical host, or nil.
func (d *domains) find(host string) *domain {
	if rank, ok := d.index.Find(host); ok {
		return d.ranked[rank]
	}
	return nil
}

// stored gives the domains as they are stored.
func (d *domains) stored() iter.Seq[*resource.Domain] {
	return func(yield func(*resource.Domain) bool) {
		for _, each := range d.ranked {
			if !yield(each.res) {
				return
			}
		}
	}
}

// domainWarnings tells what is valid in domains, but probably not meant. Stored has the domains as they
// are before the changes; it may be nil.
func domainWarnings(changes []change.Change, stored *domains) []string {
	var warnings []string
	for _, c := range changes {
		d, ok := c.Object.(*resource.Domain)
		if !ok {
			continue
		}
		warn := func(format string, args ...any) {
			warnings = append(warnings, "domain "+d.Name+": "+fmt.Sprintf(format, args...))
		}
		leaf := d.Leaf()
		for _, text := range d.Patterns {
			p, err := resource.ParseHostPattern(text)
			if err != nil {
				continue
			}
			named := p.Form == resource.HostExact && leaf != nil && leaf.VerifyHostname(p.Text) == nil
			switch {
			case p.HasPort():
				warn("pattern %s matches nothing, because hosts are compared without their port", text)
			case named:
				if by := stored.before(d, p.Text); by != "" {
					warn("its certificate is not served for %s, because requests for it are routed in the namespace %s", text, by)
				}
			case p.Form == resource.HostExact && d.TLS != resource.TLSOff && strings.Contains(p.Text, "_"):
				warn("no certificate is obtained for %s, because of the underscore", text)
			case p.Form == resource.HostSuffix && d.TLS == resource.TLSEach && p.Text[0] != '.':
				warn("no certificates are obtained under %s, which is also for hosts of others; did you mean *.%s?", text, p.Text)
			}
		}
	}
	return warnings
}

// before is the namespace that a host is routed in although a domain of another namespace has it; ""
// if there is none.
func (d *domains) before(res *resource.Domain, host string) string {
	if d == nil {
		return ""
	}
	by := d.find(host)
	if by == nil || by.res.Namespace == res.Namespace || compareRanks(by.res, res) >= 0 {
		return ""
	}
	return by.res.Namespace
}

// compareRanks orders domains as hosts are given to them: the best first.
func compareRanks(a, b *resource.Domain) int {
	return cmp.Or(
		cmp.Compare(b.Priority, a.Priority),
		cmp.Compare(b.Name, a.Name),
		cmp.Compare(b.Namespace, a.Namespace),
	)
}
