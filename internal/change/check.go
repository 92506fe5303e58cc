package change

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// check validates every object and asks the state about all of them. Mistakes of both kinds are
// found; an error is something else. The operations have no secret in them yet.
func (a *attempt) check() error {
	known := true // whether all keys are such that the state can be asked about them
	for _, c := range a.changes {
		kind, ok := resource.ByName(c.Target().Kind)
		if !ok {
			return resource.Errorf(resource.BadRequest, "no such kind: %s", c.Target().Kind)
		}
		wrong := kind.CheckKey(c.Target())
		known = known && wrong == nil
		if c.Object != nil {
			wrong = c.Object.Validate()
			if wrong != nil && len(resource.FieldErrors(wrong)) == 0 {
				return fmt.Errorf("validate %s: %w", c.Target(), wrong)
			}
		}
		a.found.add(c.Target(), wrong)
	}
	a.flawed = !a.found.none()
	if err := a.operations(); err != nil { // after Validate, which brings objects into canonical form
		if !a.found.none() {
			return nil // because of mistakes that were found
		}
		return err
	}
	if err := a.checkDocuments(); err != nil {
		return err
	}
	if !known {
		return nil
	}
	if err := a.fillSecrets(withoutSecrets); err != nil {
		return err
	}
	return a.found.state(a.db.Check(a.ops))
}

// operations makes what is proposed, but for secrets.
func (a *attempt) operations() error {
	a.ops = make([]state.Op, len(a.changes))
	for i, c := range a.changes {
		if c.Object == nil {
			a.ops[i] = state.Delete(c.Key, c.If)
			continue
		}
		op, err := state.Put(c.Object, c.If)
		if err != nil {
			return err
		}
		a.ops[i] = op
	}
	return nil
}

// mistakes collects what is wrong with changes, each mistake once.
type mistakes struct {
	several bool // whether a text must say which change it is about
	fields  []*resource.FieldError
	texts   []string
	seen    map[place]bool
	refused error // what the state answered
}

// place is a field of one of the changes.
type place struct {
	key   resource.Key
	field string
}

// add takes over the field errors in err. A field that is wrong in itself is not reported a
// second time because it refers to nothing.
func (m *mistakes) add(key resource.Key, err error) {
	for _, f := range resource.FieldErrors(err) {
		at := place{key, f.Field}
		if m.seen[at] {
			continue
		}
		if m.seen == nil {
			m.seen = map[place]bool{}
		}
		m.seen[at] = true
		if m.several {
			f = f.In(key)
		}
		m.fields = append(m.fields, f)
		m.text(key, f.Error())
	}
}

// field takes over a mistake in code, which says itself where it is.
func (m *mistakes) field(f *resource.FieldError) {
	m.fields = append(m.fields, f)
	m.texts = append(m.texts, f.Error())
}

func (m *mistakes) text(key resource.Key, text string) {
	if m.several {
		text = key.String() + ": " + text
	}
	m.texts = append(m.texts, text)
}

// state takes over what the state answered. What is not about the changes is returned.
func (m *mistakes) state(err error) error {
	var refused *resource.Error
	if err == nil || !errors.As(err, &refused) {
		return err
	}
	m.refused = err
	if len(m.fields) == 0 { // nothing else is wrong: its own words are the best
		m.fields = append(m.fields, resource.FieldErrors(err)...)
		m.texts = append(m.texts, err.Error())
		return nil
	}
	for _, op := range opErrors(err) {
		if len(resource.FieldErrors(op.Err)) > 0 {
			m.add(op.Key, op.Err)
		} else {
			m.text(op.Key, op.Error())
		}
	}
	return nil
}

// none tells whether nothing is wrong so far.
func (m *mistakes) none() bool { return len(m.texts) == 0 }

// err makes one error of what was collected.
func (m *mistakes) err() error {
	switch {
	case m.none():
		return nil
	case len(m.texts) == 1 && m.refused != nil:
		return m.refused
	}
	code := resource.ValidationFailed
	if len(m.fields) == 0 && m.refused != nil {
		code = resource.CodeOf(m.refused)
	}
	return &resource.Error{Code: code, Message: strings.Join(m.texts, "; "), Fields: m.fields, Err: m.refused}
}

// opErrors lists the mistakes of single operations inside what the state answered.
func opErrors(err error) []*state.OpError {
	switch e := err.(type) { //nolint:errorlint // this walks the tree by hand, to find all and not the first
	case nil:
		return nil
	case *state.OpError:
		return []*state.OpError{e}
	case interface{ Unwrap() []error }:
		var all []*state.OpError
		for _, sub := range e.Unwrap() {
			all = append(all, opErrors(sub)...)
		}
		return all
	}
	return opErrors(errors.Unwrap(err))
}
