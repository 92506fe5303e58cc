package change

import (
	"bytes"
	"context"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Plan is what [Writer.Apply] would do.
type Plan struct {
	// Index is that of the state which the plan was made on.
	Index uint64
	// Each has what would become of each change, in order.
	Each     []Planned
	Warnings []string
}

// Planned is what one change would do.
type Planned struct {
	// Created and Changed are as in [Result].
	Created, Changed bool
	// Version is that of the resource as it is stored now, 0 if there is none.
	Version uint64
	// Differences are the fields that a resource would get other values of, if it is there already.
	Differences []resource.Difference
}

// Plan says what [Writer.Apply] would do, and changes nothing. It refuses what Apply would refuse,
// for the same reasons. Changes must be about different resources.
func (w *Writer) Plan(ctx context.Context, changes ...Change) (Plan, error) {
	a := w.attempt(changes)
	warnings, err := a.look(ctx)
	if err != nil {
		return Plan{}, err
	}
	if err := a.fillSecrets(w.compared); err != nil {
		return Plan{}, err
	}
	if err := a.found.err(); err != nil {
		return Plan{}, err
	}
	p := Plan{Warnings: warnings, Each: make([]Planned, len(changes))}
	err = a.db.View(func(r *state.Reader) error {
		p.Index = r.Index()
		for i, op := range a.ops {
			if p.Each[i], err = planned(r, op); err != nil {
				return err
			}
		}
		return nil
	})
	return p, err
}

// compared is a sealing that encrypts nothing: a value that is stored already keeps its text, and
// any other has one that nothing is stored as.
func (w *Writer) compared(key resource.Key, field, old, plain string) (string, error) {
	if w.sealedAlready(key, field, old, plain) {
		return old, nil
	}
	return resource.Redacted, nil
}

func planned(r *state.Reader, op state.Op) (Planned, error) {
	before, found, err := r.Get(op.Key)
	switch {
	case err != nil:
		return Planned{}, err
	case !found:
		return Planned{Created: !op.Delete, Changed: !op.Delete}, nil
	case op.Delete:
		return Planned{Changed: true, Version: before.Version}, nil
	case bytes.Equal(before.Data, op.Data):
		return Planned{Version: before.Version}, nil
	}
	p := Planned{Changed: true, Version: before.Version}
	after := before
	after.Data = op.Data
	p.Differences, err = differences(before, after)
	return p, err
}

func differences(before, after state.Record) ([]resource.Difference, error) {
	a, err := before.Object()
	if err != nil {
		return nil, err
	}
	b, err := after.Object()
	if err != nil {
		return nil, err
	}
	return resource.Differences(a, b)
}
