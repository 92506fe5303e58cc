package adminclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestAddress(t *testing.T) {
	tests := map[string]struct{ in, url, socket, err string }{
		"default":             {in: DefaultAddress, url: "http://localhost:2019/dgate/x"},
		"no scheme":           {in: "example.com:2019", url: "http://example.com:2019/dgate/x"},
		"no scheme, a path":   {in: "example.com/api", url: "http://example.com/api/x"},
		"trailing slash":      {in: "http://a/", url: "http://a/dgate/x"},
		"a prefix":            {in: "http://a/p/dgate/", url: "http://a/p/dgate/x"},
		"an encoded prefix":   {in: "http://a/p%20q", url: "http://a/p%20q/x"},
		"a query is kept":     {in: "http://a/p?token=1", url: "http://a/p/x?token=1"},
		"https":               {in: "https://a", url: "https://a/dgate/x"},
		"IPv6":                {in: "[::1]:2019", url: "http://[::1]:2019/dgate/x"},
		"spaces around":       {in: " a ", url: "http://a/dgate/x"},
		"credentials":         {in: "http://u:p@a", url: "http://a/dgate/x"},
		"a socket":            {in: "unix//run/caddy.sock", url: "http://127.0.0.1/dgate/x", socket: "/run/caddy.sock"},
		"a socket with mode":  {in: "unix//run/caddy.sock|0220", url: "http://127.0.0.1/dgate/x", socket: "/run/caddy.sock"},
		"a socket as a URL":   {in: "unix:///run/caddy.sock", url: "http://127.0.0.1/dgate/x", socket: "/run/caddy.sock"},
		"nothing":             {in: "", err: "host is empty"},
		"no host":             {in: "http://", err: "host is empty"},
		"a port alone":        {in: "http://:2019", err: "host is empty"},
		"a scheme alone":      {in: "://", err: "admin address: missing protocol scheme"},
		"another scheme":      {in: "ftp://a", err: `admin address: the scheme must be http or https, not "ftp"`},
		"a fragment":          {in: "http://a#b", err: "admin address: it must not have a fragment"},
		"a socket, no path":   {in: "unix/", err: "unix// must be followed by the path of a socket"},
		"a password is quiet": {in: "http://u:secret@a:b", err: `admin address: invalid port ":b" after host`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseAddress(tt.in, defaultPath)
			if err != nil {
				if err.Error() != tt.err {
					t.Fatalf("error %q, want %q", err, tt.err)
				}
				return
			}
			if u := got.url([]string{"x"}, nil); u != tt.url || got.socket != tt.socket || tt.err != "" {
				t.Errorf("%q, socket %q; want %q, %q, %q", u, got.socket, tt.url, tt.socket, tt.err)
			}
		})
	}
}

func TestSegmentsStaySegments(t *testing.T) {
	addr, err := parseAddress("http://a/dgate", defaultPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b", "..", ".", "%2F", "a?b", "a#b", "é", "a b", "a;b", "//", "\x00"} {
		u, err := url.Parse(addr.url([]string{"x", name, "y"}, nil))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(u.EscapedPath(), "/")
		if len(parts) != 5 {
			t.Errorf("%q makes %d segments: %s", name, len(parts), u.EscapedPath())
			continue
		}
		if got, err := url.PathUnescape(parts[3]); got != name || err != nil {
			t.Errorf("%q arrives as %q", name, got)
		}
	}
}

// request is what a server saw.
type request struct{ Method, Path, Query, Body, Auth, IfMatch, IfNoneMatch string }

// recorder is a server that answers with status and body, and remembers what it was asked.
func recorder(t *testing.T, status int, body string) (*httptest.Server, *[]request) {
	t.Helper()
	var seen []request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		seen = append(seen, request{
			r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(data),
			r.Header.Get("Authorization"), r.Header.Get("If-Match"), r.Header.Get("If-None-Match"),
		})
		if want := fmt.Sprintf("DGate CLI 1.2;os=%s;arch=%s", runtime.GOOS, runtime.GOARCH); r.UserAgent() != want {
			t.Errorf("User-Agent = %q, want %q", r.UserAgent(), want)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-DGate-Index", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv, &seen
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	o.Version = "1.2"
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequests(t *testing.T) {
	key := resource.Key{Kind: "service", Namespace: "ns1", Name: "s"}
	tests := map[string]struct {
		call func(context.Context, *Client) error
		want request
	}{
		"put": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Put(ctx, key, []byte(`{"x":1}`), Condition{})
				return err
			}, request{Method: "PUT", Path: "/dgate/api/v1/service/ns1/s", Body: `{"x":1}`},
		},
		"create only": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Put(ctx, key, []byte(`{}`), Condition{Absent: true})
				return err
			}, request{Method: "PUT", Path: "/dgate/api/v1/service/ns1/s", Body: `{}`, IfNoneMatch: "*"},
		},
		"delete at a version": {
			func(ctx context.Context, c *Client) error { return c.Delete(ctx, key, Condition{Version: 7}) },
			request{Method: "DELETE", Path: "/dgate/api/v1/service/ns1/s", IfMatch: `"7"`},
		},
		"get": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Get(ctx, resource.Key{Kind: "namespace", Name: "a/b"})
				return err
			}, request{Method: "GET", Path: "/dgate/api/v1/namespace/a%2Fb"},
		},
		"health": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Health(ctx, key)
				return err
			}, request{Method: "GET", Path: "/dgate/api/v1/service/ns1/s/health"},
		},
		"list": {
			func(ctx context.Context, c *Client) error {
				_, err := c.List(ctx, resource.MustKind("service"), "")
				return err
			}, request{Method: "GET", Path: "/dgate/api/v1/service", Query: "namespace="},
		},
		"put a document": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Put(ctx, resource.MustKind("document").KeyOf("ns1", "c", "a/b"), []byte(`[1]`), Condition{})
				return err
			}, request{Method: "PUT", Path: "/dgate/api/v1/document/ns1/c/a%2Fb", Body: `[1]`},
		},
		"list documents": {
			func(ctx context.Context, c *Client) error {
				_, err := c.Documents(ctx, "ns1", "c", 10, 20)
				return err
			}, request{Method: "GET", Path: "/dgate/api/v1/document/ns1/c", Query: "limit=10&offset=20"},
		},
		"delete documents": {
			func(ctx context.Context, c *Client) error { return c.DeleteDocuments(ctx, "ns1", "c") },
			request{Method: "DELETE", Path: "/dgate/api/v1/document", Query: "collection=c&namespace=ns1"},
		},
		"list all": {
			func(ctx context.Context, c *Client) error {
				_, err := c.List(ctx, resource.MustKind("namespace"), "unused")
				return err
			}, request{Method: "GET", Path: "/dgate/api/v1/namespace"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv, seen := recorder(t, 200, `{"data":{"name":"x"},"status_code":200,"warnings":["w"]}`)
			if err := tt.call(t.Context(), newClient(t, Options{Address: srv.URL})); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]request{tt.want}, *seen); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tests := map[string]struct {
		status            int
		contentType, body string
		want              string
	}{
		"ours":                  {404, "application/json", `{"error":"namespace not found","status":404,"code":"not_found"}`, "404 error from server: namespace not found"},
		"nothing":               {405, "", ``, "405 error from server"},
		"the status as a text":  {401, "text/plain", "Unauthorized\n", "401 error from server"},
		"plain text":            {404, "text/plain; charset=utf-8", "404 page not found\n", "404 error from server: 404 page not found"},
		"several":               {400, "application/json", `{"errors":["a","b"],"status":400}`, "400 error from server: a; b"},
		"a page":                {502, "text/html", "<html>", "502 error from server"},
		"no sequences":          {400, "application/json", `{"error":"\u001b[31mred"}`, "400 error from server: \uFFFD[31mred"},
		"something else's JSON": {500, "application/json", `["x"]`, "500 error from server"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := errorFrom(tt.status, tt.contentType, []byte(tt.body)).Error(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestErrorsAreTyped(t *testing.T) {
	srv, _ := recorder(t, 400, `{"error":"x","status":400,"code":"validation_failed","fields":[{"field":"urls","problem":"are required"}]}`)
	_, err := newClient(t, Options{Address: srv.URL}).Get(t.Context(), resource.Key{Kind: "namespace", Name: "a"})
	var refused *Error
	if !errors.As(err, &refused) || resource.CodeOf(err) != resource.ValidationFailed || refused.Fields[0].Field != "urls" {
		t.Errorf("%#v", err)
	}
	_, err = newClient(t, Options{Address: srv.URL}).Get(t.Context(), resource.Key{Kind: "service", Name: "a"})
	if err == nil || err.Error() != "namespace is required" {
		t.Errorf("without a namespace: %v", err)
	}
}

// TestNotDGate: success is only what DGate says it is.
func TestNotDGate(t *testing.T) {
	const doubt = "the answer of URL/dgate/api/v1/namespace/a is not what DGate sends; is --admin right?"
	tests := map[string]struct {
		status int
		body   string
		want   string
	}{
		"a page":                 {200, `<html>`, doubt},
		"JSON":                   {201, `{"data":{"name":"a"}}`, doubt},
		"no content":             {204, ``, doubt},
		"not found":              {404, `{"error":"no such page"}`, "404 error from server: no such page; " + doubt},
		"no such method":         {405, ``, "405 error from server; " + doubt},
		"a proxy's question":     {401, ``, "401 error from server"},
		"a proxy without server": {502, `<html>`, "502 error from server"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			c := newClient(t, Options{Address: srv.URL + "/dgate?token=secret"})
			key := resource.Key{Kind: "namespace", Name: "a"}
			_, getErr := c.Get(t.Context(), key)
			_, putErr := c.Put(t.Context(), key, []byte(`{}`), Condition{})
			for _, err := range []error{getErr, putErr, c.Delete(t.Context(), key, Condition{})} {
				if err == nil || strings.ReplaceAll(err.Error(), srv.URL, "URL") != tt.want {
					t.Errorf("%v, want %s", err, tt.want)
				}
			}
		})
	}
}

func TestNotJSON(t *testing.T) {
	srv, _ := recorder(t, 200, `<html>`)
	_, err := newClient(t, Options{Address: srv.URL}).Get(t.Context(), resource.Key{Kind: "namespace", Name: "a"})
	if err == nil || err.Error() != "the answer is not what DGate sends (200, application/json); is --admin right?" {
		t.Errorf("%v", err)
	}
}

func TestRedirects(t *testing.T) {
	target, seen := recorder(t, 200, `{"data":{}}`)
	tests := map[string]struct {
		status int
		follow bool
		method string
		want   string
	}{
		"not followed":      {307, false, "PUT", ErrRedirect.Error()},
		"followed":          {307, true, "PUT", ""},
		"followed for good": {308, true, "PUT", ""},
		"a read":            {302, true, "GET", ""},
		"a write as a read": {302, true, "PUT", "302 error from server: a PUT is only redirected by 307 and 308"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			*seen = nil
			from := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user, _, _ := r.BasicAuth(); user != "me" {
					t.Errorf("the configured host got no credentials")
				}
				w.Header().Set("Location", target.URL+r.URL.Path)
				w.WriteHeader(tt.status)
			}))
			defer from.Close()
			var lines int
			c := newClient(t, Options{Address: from.URL, User: "me", Password: "secret", Follow: tt.follow, Trace: func(Exchange) { lines++ }})
			_, err := c.Do(t.Context(), Call{Method: tt.method, Path: []string{"x"}, Body: []byte(`{"a":1}`)})
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []request{{Method: tt.method, Path: "/dgate/x", Body: `{"a":1}`}} // and no credentials
			if diff := cmp.Diff(want, *seen); diff != "" || lines != 2 {
				t.Errorf("%d lines; requests (-want +got):\n%s", lines, diff)
			}
		})
	}
}

func TestRedirectsInACircle(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			t.Error("credentials were lost on the same host")
		}
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	_, err := newClient(t, Options{Address: strings.Replace(srv.URL, "://", "://u:p@", 1), Follow: true}).Get(t.Context(), resource.Key{Kind: "namespace", Name: "a"})
	if err == nil || err.Error() != "stopped after 10 redirects" {
		t.Errorf("%v", err)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Skip("no unix sockets:", err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-DGate-Index", "0")
		_ = json.NewEncoder(w).Encode(map[string]string{"data": r.URL.Path})
	}))
	srv.Listener.Close()
	srv.Listener = listener
	srv.Start()
	defer srv.Close()
	got, err := newClient(t, Options{Address: "unix/" + path}).Get(t.Context(), resource.Key{Kind: "namespace", Name: "a"})
	if err != nil || string(got) != `"/dgate/api/v1/namespace/a"` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestNobodyThere(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	_, err = newClient(t, Options{Address: listener.Addr().String()}).Get(t.Context(), resource.Key{Kind: "namespace", Name: "a"})
	if err == nil || !strings.Contains(err.Error(), "is Caddy running?") {
		t.Errorf("%v", err)
	}
}

// TestToken: a token wins over a password, and neither is shown to another host.
func TestToken(t *testing.T) {
	target, seen := recorder(t, 200, `{"data":{}}`)
	from, first := recorder(t, 200, `{"data":{}}`)
	if _, err := newClient(t, Options{Address: from.URL, User: "me", Password: "pw", Token: "s3same"}).Do(t.Context(), Call{Method: "GET"}); err != nil {
		t.Fatal(err)
	}
	if got := (*first)[0].Auth; got != "Bearer s3same" {
		t.Errorf("Authorization: %q", got)
	}
	away := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer away.Close()
	if _, err := newClient(t, Options{Address: away.URL, Token: "s3same", Follow: true}).Do(t.Context(), Call{Method: "GET"}); err != nil {
		t.Fatal(err)
	}
	if got := (*seen)[0].Auth; got != "" {
		t.Errorf("Authorization at the other host: %q", got)
	}
}
