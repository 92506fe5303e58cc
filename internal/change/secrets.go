package change

import (
	"context"
	"errors"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Sealer encrypts the values of secret fields. What it gives is what is stored, sent to other
// nodes, and in backups.
type Sealer interface {
	// Seal encrypts the value of a field of a resource.
	Seal(ctx context.Context, key resource.Key, field, plain string) (sealed string, err error)
	// Open undoes Seal, from what this node has.
	Open(key resource.Key, field, sealed string) (plain string, err error)
}

// sealing gives the text to store for the value of a secret field; old is the text that is there
// before, or "".
type sealing func(key resource.Key, field, old, plain string) (string, error)

// withoutSecrets is a sealing for looking at a change without proposing it.
func withoutSecrets(_ resource.Key, _, _, _ string) (string, error) { return resource.Redacted, nil }

// sealed is the sealing of what is proposed. A value that is stored already keeps its text, so that
// an identical change changes nothing.
func (w *Writer) sealed(ctx context.Context) sealing {
	return func(key resource.Key, field, old, plain string) (string, error) {
		if w.Sealer == nil {
			return "", errors.New("secrets cannot be stored here: there is nothing to encrypt them with")
		}
		if w.sealedAlready(key, field, old, plain) {
			return old, nil
		}
		return w.Sealer.Seal(ctx, key, field, plain)
	}
}

// sealedAlready tells whether a stored text is that of a value.
func (w *Writer) sealedAlready(key resource.Key, field, old, plain string) bool {
	if w.Sealer == nil || old == "" {
		return false
	}
	known, err := w.Sealer.Open(key, field, old)
	return err == nil && known == plain
}

// keeper is a resource whose other fields have to fit a secret field that is kept.
type keeper interface {
	// Keeps says what is wrong with the resource if it keeps the secret field of the one before.
	Keeps(before resource.Object) error
}

// leftBehind is the text of a secret field, "" for none, and the object that it is in.
type leftBehind struct {
	text   string
	object resource.Object
}

// fillSecrets makes the operations of objects with secret fields, in the order of the changes: one
// that keeps a value may mean that of the change before it. The objects stay as they are.
func (a *attempt) fillSecrets(seal sealing) error {
	left := map[place]leftBehind{} // by the changes so far
	for i, c := range a.changes {
		if c.Object == nil {
			for _, f := range resource.MustKind(c.Key.Kind).Fields {
				if f.Secret {
					left[place{c.Key, f.Name}] = leftBehind{}
				}
			}
			continue
		}
		if len(resource.SecretFields(c.Object)) == 0 {
			continue
		}
		obj, cond := resource.Clone(c.Object), c.If
		for _, f := range resource.SecretFields(obj) {
			at := place{obj.Key(), f.Name}
			old, before := left[at]
			var version uint64
			if !before {
				var err error
				if old, version, err = storedSecret(a.db, at); err != nil {
					return err
				}
			}
			switch {
			case *f.Value == "":
			case *f.Value != resource.Redacted:
				text, err := seal(at.key, at.field, old.text, *f.Value)
				if err != nil {
					return err
				}
				*f.Value = text
			case old.text == "":
				a.found.add(at.key, resource.Invalid(at.field, "", "is %s, but there is no stored value to keep", resource.Redacted))
			default:
				*f.Value = old.text
				if k, ok := c.Object.(keeper); ok {
					a.found.add(at.key, k.Keeps(old.object))
				}
				if !before && cond.Mode != state.Absent && cond.Mode != state.AtVersion {
					// What is kept must be what is there when the change is applied.
					cond = state.Condition{Mode: state.AtVersion, Version: version}
					a.kept = true
				}
			}
			left[at] = leftBehind{*f.Value, c.Object}
		}
		op, err := state.Put(obj, cond)
		if err != nil {
			return err
		}
		a.ops[i] = op
	}
	return nil
}

// storedSecret reads a secret field and the version of its resource; nothing if there is none.
func storedSecret(db *state.DB, at place) (left leftBehind, version uint64, err error) {
	rec, obj, err := stored(db, at.key)
	if obj == nil || err != nil {
		return leftBehind{}, 0, err
	}
	for _, f := range resource.SecretFields(obj) {
		if f.Name == at.field {
			left = leftBehind{*f.Value, obj}
		}
	}
	return left, rec.Version, nil
}
