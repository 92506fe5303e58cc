package caddymodule

import (
	"context"
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// changeEvent is what each applied change of a resource is announced as, to the handlers that the
// configuration has for it.
const changeEvent = "dgate.change_applied"

// announcer announces changes to the handlers of one configuration.
type announcer struct {
	node   *node
	ctx    caddy.Context
	events *caddyevents.App
}

// newAnnouncer makes the announcer of the configuration of ctx. Changes are announced there from
// when all its apps have started: before, the handlers are not known. Close must be called.
func newAnnouncer(ctx caddy.Context, n *node) (*announcer, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, err
	}
	a := &announcer{node: n, ctx: ctx, events: app.(*caddyevents.App)}
	return a, a.events.On("started", a)
}

// Handle implements [caddyevents.Handler], for the event that the configuration has started.
func (a *announcer) Handle(context.Context, caddy.Event) error {
	a.node.announcer.Store(a)
	return nil
}

// close ends the announcements, if no other configuration has taken them over.
func (a *announcer) close() { a.node.announcer.CompareAndSwap(a, nil) }

// announce runs the handlers for a change, one after the other. Values of resources are not part
// of it: an event goes to logs and commands.
func (a *announcer) announce(db *state.DB, change state.Change) error {
	if !a.events.ShouldEmit(changeEvent) {
		return nil
	}
	for _, key := range change.Keys {
		if state.Internal(key.Kind) {
			continue
		}
		var there bool
		err := db.View(func(r *state.Reader) (err error) {
			_, there, err = r.Get(key)
			return err
		})
		if err != nil {
			return err
		}
		a.events.Emit(a.ctx, changeEvent, eventData(key, change.Index, there))
	}
	return nil
}

func eventData(key resource.Key, index uint64, there bool) map[string]any {
	action := "put"
	if !there {
		action = "delete"
	}
	return map[string]any{
		"kind": key.Kind, "namespace": key.Namespace, "name": key.Name,
		"action": action, "version": index,
	}
}

// announceAll announces what is applied after sub was made, until the node is closed. It reads the
// feed of changes at the pace of the handlers and holds up nobody else; handlers that fall behind by
// more than what the feed keeps miss events.
func (n *node) announceAll(ctx context.Context, sub *state.Subscription) {
	defer close(n.announced)
	db := n.store.DB()
	for {
		changes, missed, err := sub.Next(ctx)
		if missed {
			n.settings.Load().logger.Warn("handlers of the event " + changeEvent + " have missed changes: there were more than they could take")
		}
		for _, change := range changes {
			if a := n.announcer.Load(); a != nil && err == nil {
				err = a.announce(db, change)
			}
		}
		switch {
		case ctx.Err() != nil, errors.Is(err, state.ErrClosed):
			return
		case err != nil:
			n.settings.Load().logger.Error("changes are not announced any more: the store cannot be read", zap.Error(err))
			return
		}
	}
}

var _ caddyevents.Handler = (*announcer)(nil)
