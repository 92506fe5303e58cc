package state

import (
	"fmt"
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// A print stands for what others depend on in a resource: documents in the schema of their
// collection. The proposer checks a document against what it finds, and ships the print of that.
// Two rules make the outcome the same as if the check were done here: a resource is put only if
// what it was checked against is still there, and a print does not change while there is anything
// that was checked against the old one.

// checkPrints holds the two rules for one resource.
func (p *plan) checkPrints(e *effect) error {
	for _, r := range e.checked {
		if r.Print == "" {
			continue
		}
		target, err := p.left(r.Target)
		if err != nil {
			return err
		}
		if target != nil && target.print != r.Print { // one that is absent is a mistake already
			p.mistaken(e.op, e.key, &resource.Error{
				Code: resource.Conflict, Err: ErrOutdated,
				Message: fmt.Sprintf("%s %s has changed since the %s was checked; try again", r.Target.Kind, r.Target.Name, e.key.Kind),
			})
		}
	}
	if e.old == nil || e.old.print == e.new.print {
		return nil
	}
	kinds, err := p.linkedKinds(e, func(other *effect) bool { return !other.checkedAgainst(e) })
	if err == nil && len(kinds) > 0 {
		p.mistaken(e.op, e.key, resource.Errorf(resource.InUse, "%s %s: its %s cannot change while it holds %s", e.key.Kind, e.key.Name, printed(e.key.Kind), plural(firstKind(kinds))))
	}
	return err
}

// left is what the command leaves of a resource; nil if it does not exist.
func (p *plan) left(key resource.Key) (*stored, error) {
	if e, ok := p.touched[key]; ok {
		return e.new, nil
	}
	return getStored(p.tx, key)
}

// checkedAgainst tells whether the command puts the resource as one that fits what it leaves of
// another one.
func (e *effect) checkedAgainst(target *effect) bool {
	return slices.ContainsFunc(e.checked, func(r resource.Reference) bool {
		return r.Target == target.key && r.Print == target.new.print
	})
}

// withoutPrints are references as they are stored: by the rules, their prints are those of the
// targets.
func withoutPrints(refs []resource.Reference) []resource.Reference {
	if !slices.ContainsFunc(refs, func(r resource.Reference) bool { return r.Print != "" }) {
		return refs
	}
	plain := slices.Clone(refs)
	for i := range plain {
		plain[i].Print = ""
	}
	return plain
}

// printed says what the print of a kind is of.
func printed(kind string) string {
	if k, ok := resource.ByName(kind); ok && k.Printed != "" {
		return k.Printed
	}
	return "print"
}
