package adminext_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/adminext/admintest"
)

// server is the admin API of an app behind a real HTTP server.
type server struct {
	*admintest.App
	url       string
	transport http.RoundTripper
}

func newServer(t *testing.T, change ...func(*admintest.App)) *server {
	t.Helper()
	app := admintest.NewNode(t)
	for _, c := range change {
		c(app)
	}
	srv := httptest.NewServer(app.Handler())
	t.Cleanup(srv.Close)
	return &server{app, srv.URL, srv.Client().Transport}
}

// answer is a response whose body has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request; headers are pairs of name and value.
func (s *server) send(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

// setUp sends requests that must succeed, each "METHOD path body".
func (s *server) setUp(t *testing.T, requests ...string) {
	t.Helper()
	for _, r := range requests {
		method, rest, _ := strings.Cut(r, " ")
		path, body, _ := strings.Cut(rest, " ")
		if got := s.send(t, method, path, body); got.status >= 300 {
			t.Fatalf("%s: %d %s", r, got.status, got.body)
		}
	}
}

var metadata = regexp.MustCompile(`,"createdAt":"\d{4}-[^"]+Z","updatedAt":"\d{4}-[^"]+Z","version":\d+`)

// bare is a body without what the original DGate did not have.
func bare(body string) string { return metadata.ReplaceAllString(body, "") }

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// refusal is the body of an error.
type refusal struct {
	Error  string
	Status int
	Code   string
	Fields []struct{ Field, Problem, Value string }
}

func readError(t *testing.T, got answer) (r refusal) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(got.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		t.Fatalf("%d: the body is no error: %v\n%s", got.status, err, got.body)
	}
	return r
}

func newRequest(t *testing.T, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
