package adminext_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/dgate-io/caddy-dgate/adminext/admintest"
)

// TestOneWriterWins: of many who write what they read at the same version, or create the same
// resource, exactly one does.
func TestOneWriterWins(t *testing.T) {
	s := newServer(t)
	s.setUp(t, `PUT /dgate/api/v1/namespace {"name":"a"}`)
	tag := s.send(t, "GET", "/dgate/api/v1/namespace/a", "").header.Get("ETag")
	for name, tt := range map[string]struct {
		path, header, value string
		won                 int
	}{
		"replace": {"/dgate/api/v1/namespace/a", "If-Match", tag, http.StatusOK},
		"create":  {"/dgate/api/v1/namespace/new", "If-None-Match", "*", http.StatusCreated},
	} {
		t.Run(name, func(t *testing.T) {
			const writers = 16
			statuses := make([]int, writers)
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() {
					body := `{"tags":["w` + strings.Repeat("x", i) + `"]}`
					statuses[i] = s.send(t, "PUT", tt.path, body, tt.header, tt.value).status
				})
			}
			all.Wait()
			won, lost := 0, 0
			for _, status := range statuses {
				switch status {
				case tt.won:
					won++
				case http.StatusPreconditionFailed:
					lost++
				}
			}
			if won != 1 || lost != writers-1 {
				t.Errorf("statuses %v: want one %d, the others 412", statuses, tt.won)
			}
		})
	}
}

// TestIndexTimeout waits for what does not come, in fake time.
func TestIndexTimeout(t *testing.T) {
	handler := admintest.New(t).Handler()
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/dgate/api/v1/namespace?index=18446744073709551615", nil)
		handler.ServeHTTP(w, r)
		got := readError(t, answer{status: w.Code, body: w.Body.String()})
		if w.Code != http.StatusGatewayTimeout || got.Code != "index_timeout" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
