package tests

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// leave sends a request and goes away once the condition holds.
func leave(t *testing.T, url string, until func() bool) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = harness.Await(func() error {
			if !until() {
				return context.DeadlineExceeded
			}
			return nil
		})
		cancel()
	}()
	_, err := harness.Do(ctx, harness.Request{URL: url})
	return err
}

// What upstreams get to see of a request: section 2.4 of the reference of the original DGate,
// with what was mended. An empty wanted value means that the field is absent.
func TestRequestHeaders(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	host := strings.TrimPrefix(up.URL, "http://")
	g := startGateway(t, strings.Replace(caddyfile, "storage memory", "storage memory\n\t\ttags edge tokyo1", 1))
	g.service("up", nil, up.URL)
	g.service("hidden", fields{"hideDGateHeaders": true}, up.URL)
	g.route("plain", "up", "", nil)
	g.route("preserve", "up", "", fields{"preserveHost": true})
	g.route("hidden", "hidden", "", nil)
	g.route("host", "up", `export const requestModifier = (ctx) => { ctx.request().host = "scripted.example" }`, nil)
	g.route("query", "up", `export const requestModifier = (ctx) => { ctx.request().query = "?x=1 HTTP/1.0 #y&é=%41" }`, nil)
	if e := g.echo(harness.Request{URL: "/query?a=b"}); e.Query != "x=1%20HTTP/1.0%20%23y&%C3%A9=%41" {
		t.Errorf("a query that a script wrote arrives as %q", e.Query)
	}
	g.route("marks", "up", `export const responseModifier = (ctx, up) => { up.headers.set("x-a", "b") }`, nil)
	g.route("rewrites", "up", `export const responseModifier = async (ctx, up) => { up.writeBody(await up.readBody()) }`, nil)
	site := strings.TrimPrefix(g.Site, "http://")

	tests := map[string]struct {
		route string
		send  http.Header
		want  map[string]string
	}{
		"forwarded headers are set": {
			route: "plain", send: http.Header{"Host": {"api.example.com"}},
			want: map[string]string{
				"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "api.example.com", "X-Forwarded-Proto": "http", "Host": host,
			},
		},
		"a part may be asked for where scripts do not touch bodies": {
			route: "marks", send: http.Header{"Range": {"bytes=2-4"}, "If-Range": {`"x"`}}, want: map[string]string{"Range": "bytes=2-4", "If-Range": `"x"`},
		},
		"no part is asked for where scripts do": {
			route: "rewrites", send: http.Header{"Range": {"bytes=2-4"}, "If-Range": {`"x"`}}, want: map[string]string{"Range": "", "If-Range": ""},
		},
		"those of a stranger are replaced": {
			route: "plain", send: http.Header{"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"https"}},
			want: map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": site},
		},
		"the client's host is preserved": {
			route: "preserve", send: http.Header{"Host": {"api.example.com:8443"}},
			want: map[string]string{"Host": "api.example.com:8443"},
		},
		"a script chooses the host": {route: "host", want: map[string]string{"Host": "scripted.example"}},
		"hop-by-hop fields end here": {
			route: "plain", send: http.Header{"Connection": {"X-Hop"}, "X-Hop": {"1"}, "Keep-Alive": {"5"}, "Proxy-Authorization": {"x"}, "Te": {"trailers"}},
			want: map[string]string{"X-Hop": "", "Keep-Alive": "", "Proxy-Authorization": "", "Te": "trailers"},
		},
		"no field is invented": {
			route: "plain", send: http.Header{"User-Agent": {""}},
			want: map[string]string{"User-Agent": "", "Accept-Encoding": ""},
		},
		"ours say where the request was routed": {
			route: "plain",
			want:  map[string]string{"X-Dgate-Route": "plain", "X-Dgate-Service": "up", "X-Dgate-Namespace": "default", "X-Dgate-Tags": "edge,tokyo1"},
		},
		"nobody else's claim to be ours": {
			route: "hidden", send: http.Header{"X-DGate-Route": {"admin"}, "X-DGate-Tags": {"x"}},
			want: map[string]string{"X-Dgate-Route": "", "X-Dgate-Service": "", "X-Dgate-Namespace": "", "X-Dgate-Tags": ""},
		},
		"repeated fields stay repeated": {
			route: "plain", send: http.Header{"X-Many": {"a", "b"}}, want: map[string]string{"X-Many": "a, b"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := g.echo(harness.Request{URL: "/" + tt.route, Header: tt.send})
			got := map[string]string{}
			for field := range tt.want {
				got[field] = e.Headers[field]
				if field == "Host" {
					got[field] = e.Host
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

// What clients get to see of an upstream's answer.
func TestResponseHeaders(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	g.route("plain", "up", "", nil)
	g.route("before", "up", `export const requestModifier = (ctx) => { ctx.response().headers.set("X-Both", "script") }`, nil)
	g.route("after", "up", `export const responseModifier = (ctx) => { ctx.upstream().headers.set("X-Both", "script") }`, nil)
	g.route("twice", "up", `export const requestModifier = (ctx) => { ctx.response().headers.set("X-Both", "early") }
		export const responseModifier = (ctx) => { ctx.upstream().headers.set("X-Both", "late") }`, nil)
	g.route("fetching", "up", `export const fetchUpstream = (ctx) => { ctx.response().headers.set("Content-Type", "text/x"); return ctx.service().urls[0] }`, nil)
	g.route("failing", "up", `export const requestModifier = (ctx) => {
		for (const [k, v] of [["Content-Length", "10"], ["Set-Cookie", "a=b"], ["X-Failed", "1"]]) ctx.response().headers.set(k, v)
		throw new Error("x") }`, nil)
	g.route("sorry", "up", `export const requestModifier = (ctx) => { ctx.response().headers.set("X-Failed", "1"); throw new Error("x") }
		export const errorHandler = (ctx) => ctx.response().status(500).send("sorry")`, nil)
	g.route("framing", "up", `export const requestModifier = (ctx) => { ctx.response().headers.set("Content-Length", "7"); ctx.response().headers.set("Transfer-Encoding", "chunked") }`, nil)
	g.route("framed", "", `export const requestHandler = (ctx) => { ctx.response().headers.set("Content-Length", "5"); ctx.response().send("0123456789") }`, nil)
	tests := map[string]struct {
		path string
		want http.Header
	}{
		"framing is not the script's before an upstream": {"/framing?body=0123456789", http.Header{"Content-Length": {"10"}}},
		"nor in an answer of its own":                    {"/framed", http.Header{"Content-Length": {"10"}}},
		"a field that fetchUpstream has set":             {"/fetching", http.Header{"Content-Type": {"text/x"}}},
		"what a failing script has set is forgotten":     {"/failing", http.Header{"Content-Length": {"0"}, "Set-Cookie": nil, "X-Failed": nil}},
		"also before errorHandler":                       {"/sorry", http.Header{"X-Failed": nil, "Content-Length": {"5"}}},
		"repeated fields stay apart":                     {"/plain?header=Set-Cookie:a=1&header=Set-Cookie:b=2", http.Header{"Set-Cookie": {"a=1", "b=2"}}},
		"a script's field from before wins":              {"/before?header=X-Both:upstream", http.Header{"X-Both": {"script"}}},
		"a script's field from after wins":               {"/after?header=X-Both:upstream", http.Header{"X-Both": {"script"}}},
		"the later of two scripts wins":                  {"/twice?header=X-Both:upstream", http.Header{"X-Both": {"late"}}},
		"a field from before without a rival":            {"/before", http.Header{"X-Both": {"script"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := g.do(harness.Request{URL: tt.path})
			for field, want := range tt.want {
				if diff := cmp.Diff(want, answer.Header[field]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", field, diff)
				}
			}
		})
	}
}

// The protocols that a service's URL and options ask for.
func TestUpstreamProtocols(t *testing.T) {
	plain, tls := harness.NewUpstream(t, "plain", harness.HTTP), harness.NewUpstream(t, "tls", harness.TLS)
	at := func(scheme string, u *harness.Upstream) string {
		_, rest, _ := strings.Cut(u.URL, "://")
		return scheme + "://" + rest
	}
	g := startGateway(t, caddyfile)
	tests := map[string]struct {
		url     string
		options fields
		want    string // protocol, or status
	}{
		"http":                          {url: at("http", plain), want: "HTTP/1.1"},
		"ws is http":                    {url: at("ws", plain), want: "HTTP/1.1"},
		"h2c":                           {url: at("h2c", plain), want: "HTTP/2.0"},
		"http with http2Only":           {url: at("http", plain), options: fields{"http2Only": true}, want: "HTTP/2.0"},
		"https":                         {url: at("https", tls), options: fields{"tlsSkipVerify": true}, want: "HTTP/2.0"},
		"wss is https":                  {url: at("wss", tls), options: fields{"tlsSkipVerify": true}, want: "HTTP/2.0"},
		"https with http2Only":          {url: at("https", tls), options: fields{"tlsSkipVerify": true, "http2Only": true}, want: "HTTP/2.0"},
		"https that nobody vouches for": {url: at("https", tls), want: "502"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(name, " ", "-")
			g.service(id, tt.options, tt.url)
			for _, preserve := range []bool{false, true} {
				g.route(id, id, "", fields{"preserveHost": preserve})
				if tt.want == "502" {
					if got := g.do(harness.Request{URL: "/" + id}); got.Status != 502 {
						t.Errorf("status %d, want 502", got.Status)
					}
					continue
				}
				if e := g.echo(harness.Request{URL: "/" + id}); e.Proto != tt.want {
					t.Errorf("preserveHost %v: protocol %s, want %s", preserve, e.Proto, tt.want)
				}
			}
		})
	}
}
