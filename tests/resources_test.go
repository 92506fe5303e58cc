package tests

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// caddyfile is a Caddy with a gateway that forgets everything when it ends.
const caddyfile = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	grace_period 5s
	dgate {
		storage memory
		limits {
			cpu 1s
			timeout 2s
		}
	}
}

http://:{$SITE_PORT} {
	dgate
}
`

// fields are the JSON of a resource.
type fields map[string]any

// gateway is a running Caddy whose resources a test puts.
type gateway struct {
	*harness.Caddy
	t testing.TB
}

func startGateway(t testing.TB, text string) *gateway {
	t.Helper()
	return &gateway{harness.Start(t, text), t}
}

// put stores a resource of the namespace default.
func (g *gateway) put(kind, name string, f fields) {
	g.t.Helper()
	if err := g.tryPut(kind, name, f); err != nil {
		g.t.Fatalf("put %s %s: %v", kind, name, err)
	}
}

func (g *gateway) tryPut(kind, name string, f fields) error {
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return harness.Put(g.Admin+"/dgate/api/v1/"+kind+"/default/"+name, string(data))
}

func (g *gateway) service(name string, f fields, urls ...string) {
	g.t.Helper()
	all := fields{"urls": urls}
	maps.Copy(all, f)
	g.put("service", name, all)
}

func (g *gateway) module(name, code string) {
	g.t.Helper()
	g.put("module", name, fields{"payload": []byte(code)})
}

// route takes all requests to /<name> and below. Without modules in f there is one of its name,
// if code is not empty.
func (g *gateway) route(name, service, code string, f fields) {
	g.t.Helper()
	all := fields{"paths": []string{"/" + name, "/" + name + "/*"}, "methods": []string{"*"}, "stripPath": true}
	if service != "" {
		all["service"] = service
	}
	if code != "" {
		g.module(name, code)
		all["modules"] = []string{name}
	}
	maps.Copy(all, f)
	g.put("route", name, all)
}

// echo is what the upstream understood of a request.
func (g *gateway) echo(req harness.Request) harness.Echo {
	g.t.Helper()
	answer := g.do(req)
	var e harness.Echo
	if err := json.Unmarshal([]byte(answer.Body), &e); err != nil {
		g.t.Fatalf("not an echo: %v\n%s", err, answer)
	}
	return e
}

// do sends a request to the site, or to a whole URL.
func (g *gateway) do(req harness.Request) *harness.Answer {
	g.t.Helper()
	if req.URL[0] == '/' {
		req.URL = g.Site + req.URL
	}
	answer, err := harness.Do(g.t.Context(), req)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer
}
