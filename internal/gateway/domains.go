package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"

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
	slices.SortFunc(d.ranked, func(a, b *domain) int {
		return cmp.Or(
			cmp.Compare(b.res.Priority, a.res.Priority),
			cmp.Compare(b.res.Name, a.res.Name),
			cmp.Compare(b.res.Namespace, a.res.Namespace),
		)
	})
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

// domainWarnings tells what is valid in domains, but probably not meant.
func domainWarnings(changes []change.Change) []string {
	var warnings []string
	for _, c := range changes {
		d, ok := c.Object.(*resource.Domain)
		if !ok {
			continue
		}
		for _, text := range d.Patterns {
			if p, err := resource.ParseHostPattern(text); err == nil && p.HasPort() {
				warnings = append(warnings, fmt.Sprintf("domain %s: pattern %s matches nothing, because hosts are compared without their port", d.Name, text))
			}
		}
	}
	return warnings
}
