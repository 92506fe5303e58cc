package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// eventRecorder is a handler of events, as users have them, that sends them to a test.
type eventRecorder struct {
	Name string `json:"name"`
}

// recorded are the events, each with the name of the handler.
var recorded = make(chan string, 100)

func init() { caddy.RegisterModule(eventRecorder{}) }

func (eventRecorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.dgate_test", New: func() caddy.Module { return new(eventRecorder) }}
}

func (e eventRecorder) Handle(_ context.Context, event caddy.Event) error {
	data, err := json.Marshal(event.Data)
	recorded <- fmt.Sprintf("%s: %s %s %s", e.Name, event.Name(), event.Origin().CaddyModule().ID, data)
	return err
}

// TestEvents: each change is announced once, to the configuration that runs, without its values.
func TestEvents(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	load := func(name string) *App {
		config := `{"admin": {"disabled": true}, "apps": {
			"dgate": {"storage": "memory"},
			"events": {"subscriptions": [{"events": ["dgate.change_applied"], "handlers": [{"handler": "dgate_test", "name": "` + name + `"}]}]}
		}}`
		if err := caddy.Load([]byte(config), true); err != nil {
			t.Fatal(err)
		}
		app, err := caddy.ActiveContext().App("dgate")
		if err != nil {
			t.Fatal(err)
		}
		return app.(*App)
	}
	apply := func(a *App, changes ...change.Change) uint64 {
		results, err := a.Writer().Apply(t.Context(), changes...)
		if err != nil {
			t.Fatal(err)
		}
		return results.Index
	}
	expect := func(want ...string) {
		t.Helper()
		for _, want := range want {
			if diff := cmp.Diff(want, <-recorded); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		}
	}
	service := &resource.Service{Name: "planted", Namespace: "default", URLs: []string{"http://values.are.not.told"}}
	const format = `%s: dgate.change_applied dgate {"action":"%s","kind":"%s","name":"%s","namespace":"%s","version":%d}`

	a := load("first")
	index := apply(a, change.Change{Object: &resource.Namespace{Name: "shop"}}, change.Change{Object: service})
	expect(
		fmt.Sprintf(format, "first", "put", "namespace", "shop", "", index),
		fmt.Sprintf(format, "first", "put", "service", "planted", "default", index),
	)
	a = load("second")
	index = apply(a, change.Change{Key: service.Key()})
	expect(fmt.Sprintf(format, "second", "delete", "service", "planted", "default", index))
	if n := len(recorded); n > 0 {
		t.Errorf("%d more events, one is %s", n, <-recorded)
	}
}
