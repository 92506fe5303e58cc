package change

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Store is the part of the replicated store that a change needs.
type Store interface {
	// Propose has ops agreed on and applied on this node, all or none of them.
	Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error)
	// DB is what this node has applied.
	DB() *state.DB
}

// follower is what a store is whose node can be behind what was agreed on.
type follower interface {
	// Leads tells whether this node decides what is agreed on.
	Leads() bool
	// Barrier returns when this node has what was agreed on before.
	Barrier(ctx context.Context) error
}

// Code is the part of the script engine and the routing table that a change needs.
type Code interface {
	// Check compiles what changes would alter on top of what db has. Mistakes are for the writer
	// of the change; warnings are things to look at in a change that is accepted.
	Check(ctx context.Context, db *state.DB, changes []Change) (warnings []string, err error)
	// Live blocks until requests to this node are served from a table that has everything up
	// to index.
	Live(ctx context.Context, index uint64) error
}

// Change is one resource to store, or one to remove.
type Change struct {
	// Object is what to store; nil removes Key.
	Object resource.Object
	// Key is what to remove; unused if there is an Object.
	Key resource.Key
	// If must hold when the change is applied.
	If state.Condition
}

// Target is the resource that the change is about.
func (c Change) Target() resource.Key {
	if c.Object != nil {
		return c.Object.Key()
	}
	return c.Key
}

// Writer makes changes.
type Writer struct {
	Store Store
	// Code may be nil: then nothing is compiled.
	Code Code
	// Sealer may be nil: then no secret can be stored.
	Sealer Sealer
}

// Result is what became of one change.
type Result struct {
	// Index is that of the log entry with the change.
	Index uint64
	// Created tells a new resource from one that was replaced.
	Created bool
	// Changed is false if the resource was stored like this already.
	Changed bool
	// Object is the resource as it is stored now; nil after a removal.
	Object resource.Object
	// Warnings are things to look at.
	Warnings []string
}

// Results is what became of several changes.
type Results struct {
	Index uint64
	// Each has a result for each change, in order; the warnings are not repeated there.
	Each     []Result
	Warnings []string
}

// Put stores a resource.
func (w *Writer) Put(ctx context.Context, obj resource.Object, cond state.Condition) (Result, error) {
	return w.one(ctx, Change{Object: obj, If: cond})
}

// Delete removes a resource.
func (w *Writer) Delete(ctx context.Context, key resource.Key, cond state.Condition) (Result, error) {
	return w.one(ctx, Change{Key: key, If: cond})
}

func (w *Writer) one(ctx context.Context, c Change) (Result, error) {
	all, err := w.Apply(ctx, c)
	if err != nil {
		return Result{Index: all.Index}, err
	}
	r := all.Each[0]
	r.Warnings = all.Warnings
	return r, nil
}

// maxAttempts is how often a change is tried whose ground changes while it is made: a document that
// was checked with a schema that is replaced, or a secret that is kept while it is replaced.
const maxAttempts = 3

// Apply makes several changes, all or none. Mistakes are reported all at once, as one
// *resource.Error. When it returns without error the changes are in use on this node.
func (w *Writer) Apply(ctx context.Context, changes ...Change) (Results, error) {
	for n := 1; ; n++ {
		a := w.attempt(changes)
		results, err := a.run(ctx)
		again := a.outdated(err)
		if !again && n == 1 {
			again, err = a.behind(ctx, err)
		}
		if n == maxAttempts || !again {
			return results, err
		}
	}
}

// attempt is one try of some changes.
type attempt struct {
	writer  *Writer
	db      *state.DB
	changes []Change
	ops     []state.Op // of the changes, in their order
	found   *mistakes
	kept    bool // whether an operation has a condition that the caller did not ask for
	flawed  bool // whether something is wrong whatever is stored
	agreed  bool // whether the leader was asked
}

func (w *Writer) attempt(changes []Change) *attempt {
	return &attempt{writer: w, changes: changes, found: &mistakes{several: len(changes) > 1}}
}

// outdated tells that the attempt failed because something changed since it looked.
func (a *attempt) outdated(err error) bool {
	return errors.Is(err, state.ErrOutdated) || a.kept && err != nil && resource.CodeOf(err) == resource.PreconditionFailed
}

// catchUpTime is how long a change that is refused waits for what others may have agreed on.
const catchUpTime = 2 * time.Second

// behind tells that the attempt failed because of what this node has or has not, and that it has
// everything now: somebody who created a service on one node creates its route on another. Otherwise
// it gives the error to answer. If nobody can tell what was agreed on, mistakes are answered as this
// node sees them, but not that a condition does not hold: who asks for that relies on the answer.
func (a *attempt) behind(ctx context.Context, err error) (again bool, answer error) {
	f, ok := a.writer.Store.(follower)
	if !ok || err == nil || a.flawed || a.agreed || !slices.Contains(ofState, resource.CodeOf(err)) {
		return false, err
	}
	condition := resource.CodeOf(err) == resource.PreconditionFailed
	if !condition && f.Leads() { // one that leads no more and does not know it yet may say so, too
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, catchUpTime)
	defer cancel()
	switch barrier := f.Barrier(ctx); {
	case barrier == nil:
		return true, nil
	case condition:
		return false, &resource.Error{Code: resource.NoLeader, Message: "nothing was changed: there is no leader that could tell whether the condition holds", Err: barrier}
	}
	return false, err
}

// ofState are the codes of refusals that depend on what is stored.
var ofState = []resource.Code{
	resource.ValidationFailed, resource.NotFound, resource.Conflict, resource.InUse, resource.PreconditionFailed,
}

// look finds what is wrong with the changes, but for what only shows when they are applied.
func (a *attempt) look(ctx context.Context) (warnings []string, err error) {
	a.db = a.writer.Store.DB()
	if a.db == nil {
		return nil, resource.Errorf(resource.NoLeader, "the store is not open yet")
	}
	if f, ok := a.writer.Store.(follower); ok && a.db.Applied() == 0 && !f.Leads() {
		return nil, resource.Errorf(resource.NoLeader, "this node is not part of a cluster yet, and has nothing that a change could be checked against")
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a.compile(ctx)
}

func (a *attempt) run(ctx context.Context) (Results, error) {
	warnings, err := a.look(ctx)
	if err != nil {
		return Results{}, err
	}
	// Last of all, so that nothing is encrypted for a change that is refused.
	if err := a.fillSecrets(a.writer.sealed(ctx)); err != nil {
		return Results{}, err
	}
	if err := a.found.err(); err != nil {
		return Results{}, err
	}
	a.agreed = true
	outcome, err := a.writer.Store.Propose(ctx, a.ops...)
	if err == nil {
		err = outcome.Err
	}
	if err != nil {
		return Results{Index: outcome.Index}, err
	}
	results := Results{Index: outcome.Index, Warnings: warnings}
	if err := a.live(ctx, outcome); err != nil {
		return results, err
	}
	for i, r := range outcome.Results {
		one := Result{Index: outcome.Index, Created: r.Created, Changed: r.Changed}
		if !a.ops[i].Delete {
			if one.Object, err = r.Record.Object(); err != nil {
				return results, err
			}
		}
		results.Each = append(results.Each, one)
	}
	if len(results.Each) != len(a.changes) {
		return results, fmt.Errorf("%d changes have %d results", len(a.changes), len(results.Each))
	}
	return results, nil
}

// code is what must compile the changes and put them in use: nobody for what requests are not
// routed by.
func (a *attempt) code() Code {
	for _, c := range a.changes {
		if kind, ok := resource.ByName(c.Target().Kind); ok && kind.Routed {
			return a.writer.Code
		}
	}
	return nil
}

// compile asks the code whether it could run what the changes leave. Its mistakes are reported
// together with those that were found before.
func (a *attempt) compile(ctx context.Context) (warnings []string, err error) {
	code := a.code()
	if code == nil {
		return nil, a.found.err()
	}
	warnings, err = code.Check(ctx, a.db, a.changes)
	if err != nil && len(resource.FieldErrors(err)) == 0 && a.found.none() {
		return nil, err
	}
	for _, f := range resource.FieldErrors(err) {
		a.found.field(f)
	}
	return warnings, a.found.err()
}

// live waits until the change is in use. It is stored by then, and the error must say so. What
// was stored like this already is waited for as well: whoever stored it may have given up waiting.
func (a *attempt) live(ctx context.Context, outcome state.Outcome) error {
	code := a.code()
	if code == nil {
		return nil // it is read from the state, which has it
	}
	var index uint64
	for _, r := range outcome.Results {
		index = max(index, r.Version)
	}
	err := code.Live(ctx, index)
	if err != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return &resource.Error{
			Code: resource.IndexTimeout, Err: err,
			Message: fmt.Sprintf("the change is stored, at index %d, but not in use on this node yet", index),
		}
	}
	if err != nil {
		return fmt.Errorf("stored at index %d, but not in use: %w", index, err)
	}
	return nil
}
