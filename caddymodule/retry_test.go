package caddymodule

import (
	"context"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/manifest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Resource files that the store cannot take yet do not fail the start: they are stored when it can.
func TestResourcesWaitForTheStore(t *testing.T) {
	n := newNode(nodeKey{memory: true})
	t.Cleanup(func() {
		if err := n.Destruct(); err != nil {
			t.Error(err)
		}
	})
	service := &resource.Service{Name: "s", Namespace: "default", URLs: []string{"http://a"}}
	a := &App{
		ctx: caddy.Context{Context: t.Context()}, logger: zap.NewNop(), node: n,
		objects: manifest.Resources{{Object: service, Place: "f.yaml:1"}},
	}
	if err := a.store(t.Context()); err != nil { // the store is not open
		t.Fatalf("the start fails: %v", err)
	}
	if err := n.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	sub := n.store.DB().Subscribe(n.store.DB().Applied())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	changes, _, err := sub.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != 1 || len(changes[0].Keys) != 1 || changes[0].Keys[0] != service.Key() {
		t.Errorf("changes %v, want the service", changes)
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

// One that has not got through when its configuration ends is given up.
func TestResourcesAreGivenUp(t *testing.T) {
	a := &App{
		ctx: caddy.Context{Context: t.Context()}, logger: zap.NewNop(), node: newNode(nodeKey{memory: true}),
		objects: manifest.Resources{{Object: &resource.Namespace{Name: "n"}, Place: "f.yaml:1"}},
	}
	if err := a.store(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil { // waits for the retries to end
		t.Error(err)
	}
}
