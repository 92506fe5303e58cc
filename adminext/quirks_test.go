package adminext

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestDeleteByPath lends the quirk to services. It is not parallel for that.
func TestDeleteByPath(t *testing.T) {
	before := quirks["service"]
	t.Cleanup(func() { quirks["service"] = before })
	quirks["service"] = quirk{byPath: true}

	store := changetest.New(t)
	writer := &change.Writer{Store: store}
	svc := &resource.Service{Name: "s", Namespace: "default", URLs: []string{"http://a"}}
	if _, err := writer.Put(t.Context(), svc, state.Condition{}); err != nil {
		t.Fatal(err)
	}
	h := New(func() (App, error) { return &writing{store: store, writer: writer}, nil }, zap.NewNop())
	for _, want := range []int{202, 400} { // there, and then not any more
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/dgate/api/v1/service/s?namespace=", nil))
		if w.Code != want {
			t.Errorf("%d %s, want %d", w.Code, w.Body, want)
		}
	}
}

// writing is an App as far as a write needs it; what else it is asked panics.
type writing struct {
	App
	store  *changetest.Store
	writer *change.Writer
}

func (a *writing) State(context.Context) (*state.DB, error) { return a.store.DB(), nil }
func (a *writing) Index() uint64                            { return a.store.DB().Applied() }
func (a *writing) Writer() *change.Writer                   { return a.writer }
func (a *writing) Metrics() prometheus.Gatherer             { return prometheus.NewRegistry() }
func (a *writing) DefaultNamespace() string                 { return resource.DefaultNamespace }
func (a *writing) Logger() *zap.Logger                      { return zap.NewNop() }
