package tests

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// What clients get when something goes wrong: section 2.5 of the reference of the original DGate,
// with what was mended.
func TestFailures(t *testing.T) {
	up, dead := harness.NewUpstream(t, "up", harness.HTTP), harness.NewUpstream(t, "dead", harness.Dead)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	g.service("dead", nil, dead.URL)
	g.service("unknown", nil, "http://no-such-host.invalid")
	g.service("slow", fields{"requestTimeout": "100ms", "retries": 0}, up.URL)
	tests := map[string]struct {
		service, code string
		path          string // after that of the route
		want          int
		body          string
	}{
		"neither service nor module":               {want: 501},
		"a module without requestHandler":          {code: `export const requestModifier = () => {}`, want: 501},
		"upstream refuses":                         {service: "dead", want: 502},
		"upstream refuses, with a module":          {service: "dead", code: `export const requestModifier = () => {}`, want: 502},
		"upstream has no address":                  {service: "unknown", want: 502},
		"upstream is late":                         {service: "slow", path: "/?delay=5s", want: 504},
		"upstream is late for the head only":       {service: "slow", path: "/?body=x", want: 200, body: "x"},
		"fetchUpstream throws":                     {service: "up", code: `export const fetchUpstream = () => { throw new Error("x") }`, want: 500},
		"fetchUpstream returns nothing":            {service: "up", code: `export const fetchUpstream = () => {}`, want: 500},
		"fetchUpstream returns a bad URL":          {service: "up", code: `export const fetchUpstream = () => "http://a b"`, want: 500},
		"fetchUpstream returns another scheme":     {service: "up", code: `export const fetchUpstream = () => "file:///etc/passwd"`, want: 500},
		"requestModifier throws":                   {service: "up", code: `export const requestModifier = () => { throw new Error("x") }`, want: 500},
		"requestModifier rejects":                  {service: "up", code: `export const requestModifier = async () => { throw new Error("x") }`, want: 500},
		"requestHandler throws":                    {code: `export const requestHandler = () => { throw new Error("x") }`, want: 500},
		"requestHandler throws before it has sent": {code: `export const requestHandler = (ctx) => { ctx.response().send({a: 1}) }`, want: 500},
		"errorHandler answers a thrown error": {code: `export const requestHandler = () => { throw new TypeError("boom") }
			export const errorHandler = (ctx, e) => ctx.response().status(418).send(e.name + ": " + e.message)`, want: 418, body: "TypeError: boom"},
		"errorHandler gets what was thrown": {code: `export const requestHandler = () => { throw {code: 7} }
			export const errorHandler = (ctx, e) => ctx.response().status(409).json(e)`, want: 409, body: `{"code":7}`},
		"errorHandler writes nothing after a throw": {code: `export const requestHandler = () => { throw new Error("x") }
			export const errorHandler = () => {}`, want: 500},
		"errorHandler throws": {code: `export const requestHandler = () => { throw new Error("x") }
			export const errorHandler = () => { throw new Error("y") }`, want: 500},
		"errorHandler answers for an upstream": {service: "dead", code: `export const errorHandler = (ctx, e) =>
			ctx.response().status(503).send(/connection refused/.test(e.message) ? "closed" : e.message)`, want: 503, body: "closed"},
		"errorHandler may be late": {service: "dead", code: `export const errorHandler = async (ctx, e) => {
			await new Promise((r) => setTimeout(r, 5)); ctx.response().status(503).send("later") }`, want: 503, body: "later"},
		"errorHandler writes nothing for an upstream": {service: "dead", code: `export const errorHandler = () => {}`, want: 502},
		"errorHandler hears of fetchUpstream": {service: "up", code: `export const fetchUpstream = () => { throw new Error("no upstream today") }
			export const errorHandler = (ctx, e) => ctx.response().status(500).send(e.message)`, want: 500, body: "no upstream today"},
		"responseModifier throws": {service: "up", code: `export const responseModifier = () => { throw new Error("x") }`, want: 500},
		"responseModifier throws, errorHandler answers": {service: "up", code: `export const responseModifier = () => { throw new Error("x") }
			export const errorHandler = (ctx, e) => ctx.response().status(502).send("bad: " + e.message)`, want: 502, body: "bad: x"},
		"a promise that nothing settles":        {code: `export const requestHandler = () => new Promise(() => {})`, want: 500},
		"a promise that settles too late":       {code: `export const requestHandler = () => new Promise((r) => setTimeout(r, 60000))`, want: 500},
		"an endless loop":                       {code: `export const requestHandler = () => { for (;;); }`, want: 500},
		"an endless loop of microtasks":         {code: `export const requestHandler = async () => { for (;;) await null }`, want: 500},
		"errorHandler after an endless loop":    {code: `export const requestHandler = () => { for (;;); }; export const errorHandler = (ctx) => ctx.response().status(500).send("sorry")`, want: 500, body: "sorry"},
		"endless recursion":                     {code: `const f = () => f() + 1; export const requestHandler = () => f()`, want: 500},
		"nothing written":                       {code: `export const requestHandler = () => "x"`, want: 204},
		"a status alone":                        {code: `export const requestHandler = (ctx) => { ctx.response().status(418) }`, want: 418},
		"an answer before the upstream":         {service: "up", code: `export const requestModifier = (ctx) => ctx.response().status(401).send("denied")`, want: 401, body: "denied"},
		"an answer before fetchUpstream is due": {service: "up", code: `export const fetchUpstream = (ctx) => { ctx.response().status(402).send("pay") }`, want: 402, body: "pay"},
	}
	for name, tt := range tests {
		route := strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")
		g.route(route, tt.service, tt.code, nil)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := harness.Get(g.Site + "/" + route + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != tt.want || got.Body != tt.body {
				t.Errorf("%d %q, want %d %q", got.Status, got.Body, tt.want, tt.body)
			}
		})
	}
}

// A script that fails is in the log of its module, with the route, whatever Caddy does with the error.
func TestFailuresAreLogged(t *testing.T) {
	g := startGateway(t, strings.Replace(caddyfile, "\tdgate\n}", "\tdgate\n\thandle_errors {\n\t\trespond sorry\n\t}\n}", 1))
	g.route("broken", "", `export const requestHandler = () => { throw new Error("x") }`, nil)
	if got := g.do(harness.Request{URL: "/broken"}); got.Status != 500 || got.Body != "sorry" {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	if err := g.AwaitLog(`(?i)error.*dgate\.module\.default\.broken.*a hook failed.*"hook":\s*"requestHandler".*"kind":\s*"throw".*"route":\s*"broken"`); err != nil {
		t.Errorf("%v in\n%s", err, g.Log())
	}
}

// An answer that the gateway has begun to pass on cannot be taken back: the connection is cut.
func TestUpstreamDiesInTheMiddle(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	g.route("cut", "up", "", nil)
	_, err := harness.Get(g.Site + "/cut?abort")
	if err == nil {
		t.Error("half an answer looked like a whole one")
	}
}

// Several URLs take turns, and one that refuses connections is passed over.
func TestBalanceAndRetry(t *testing.T) {
	a, b := harness.NewUpstream(t, "a", harness.HTTP), harness.NewUpstream(t, "b", harness.HTTP)
	dead := harness.NewUpstream(t, "dead", harness.Dead)
	g := startGateway(t, caddyfile)
	g.service("both", nil, a.URL, b.URL)
	g.service("failover", fields{"retries": 0}, dead.URL, a.URL)
	g.service("patient", fields{"requestTimeout": "50ms", "retries": 2}, a.URL)
	g.service("direct", fields{"requestTimeout": "50ms", "retries": 0}, a.URL)
	for _, name := range []string{"both", "failover", "patient", "direct"} {
		g.route(name, name, "", nil)
	}

	t.Run("round robin", func(t *testing.T) {
		got := map[string]int{}
		for range 10 {
			got[g.echo(harness.Request{URL: "/both"}).Upstream]++
		}
		if diff := cmp.Diff(map[string]int{"a": 5, "b": 5}, got); diff != "" {
			t.Errorf("turns (-want +got):\n%s", diff)
		}
	})
	t.Run("a refused connection costs no request, whatever the method", func(t *testing.T) {
		for range 4 {
			e := g.echo(harness.Request{Method: "POST", URL: "/failover", Body: strings.NewReader("once")})
			if e.Upstream != "a" || e.Body != "once" {
				t.Errorf("echo of %s with body %q", e.Upstream, e.Body)
			}
		}
	})
	tests := map[string]struct {
		method, body string
		route        string
		want         int // attempts
	}{
		"GET is tried again":               {route: "patient", want: 3},
		"HEAD is tried again":              {method: "HEAD", route: "patient", want: 3},
		"PUT without a body":               {method: "PUT", route: "patient", want: 3},
		"DELETE without a body":            {method: "DELETE", route: "patient", want: 3},
		"PUT with a body is not":           {method: "PUT", body: "x", route: "patient", want: 1},
		"POST is not":                      {method: "POST", route: "patient", want: 1},
		"PATCH is not":                     {method: "PATCH", body: "x", route: "patient", want: 1},
		"GET is not, if there are no more": {route: "direct", want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := a.Requests()
			req := harness.Request{Method: tt.method, URL: "/" + tt.route + "?delay=500ms"}
			if tt.body != "" {
				req.Body = strings.NewReader(tt.body)
			}
			if got := g.do(req); got.Status != http.StatusGatewayTimeout {
				t.Errorf("status %d, want 504", got.Status)
			}
			if got := a.Requests() - before; got != tt.want {
				t.Errorf("%d attempts, want %d", got, tt.want)
			}
		})
	}
}

// A client that leaves is not waited for, by the upstream or by a script.
func TestClientLeaves(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("up", nil, up.URL)
	g.route("plain", "up", "", nil)
	g.route("script", "up", `export const responseModifier = (ctx) => {}`, nil)
	for i, route := range []string{"plain", "script"} {
		err := leave(t, g.Site+"/"+route+"?delay=1h", func() bool { return up.Requests() == i+1 })
		if err == nil {
			t.Fatal("there was an answer")
		}
		if err := harness.Await(func() error {
			if up.Gone() != i+1 {
				return errors.New("the upstream still works for nobody")
			}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", route, err)
		}
	}
}

// Neither a script nor a service can use the gateway's own admin API, by whatever name; and where
// scripts may connect to holds for the upstreams that they choose, too.
func TestOutOfReach(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, strings.Replace(caddyfile, "timeout 2s", "timeout 2s\n\t\t\tfetch public", 1))
	_, port, _ := strings.Cut(strings.TrimPrefix(g.Admin, "http://"), ":")
	g.service("up", nil, up.URL)
	for name, host := range map[string]string{"ip": "127.0.0.1", "name": "localhost", "any": "0.0.0.0", "mapped": "[::ffff:127.0.0.1]"} {
		admin := "http://" + host + ":" + port
		g.service("admin-"+name, nil, admin)
		g.route("service-"+name, "admin-"+name, "", nil)
		g.route("script-"+name, "up", `export const fetchUpstream = () => "`+admin+`/config/"`, nil)
		g.route("fetch-"+name, "", `export const requestHandler = async (ctx) => { await fetch("`+admin+`/config/") }`, nil)
		for route, want := range map[string]int{"service-" + name: 502, "script-" + name: 502, "fetch-" + name: 500} {
			if got := g.do(harness.Request{URL: "/" + route}); got.Status != want || got.Body != "" {
				t.Errorf("%s: %d %q, want %d", route, got.Status, got.Body, want)
			}
		}
	}
	g.route("private", "up", `export const fetchUpstream = () => "`+harness.NewUpstream(t, "other", harness.HTTP).URL+`"`, nil)
	if got := g.do(harness.Request{URL: "/private"}); got.Status != 502 {
		t.Errorf("a script chose a private address, and got %d", got.Status)
	}
	g.route("own", "up", `export const fetchUpstream = (ctx) => ctx.service().urls[0]`, nil)
	if got := g.do(harness.Request{URL: "/own"}); got.Status != 200 {
		t.Errorf("a script chose the service's own address, and got %d", got.Status)
	}
}
