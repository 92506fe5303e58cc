package tests

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// What happens to the gateway must not be felt by what is in flight: a slow request, a stream and
// a WebSocket, each with and without modules, all begun before it and ended after it.
func TestInFlight(t *testing.T) {
	text := caddyfile
	tests := map[string]func(t *testing.T, g *gateway){
		"a write that changes all they use": func(t *testing.T, g *gateway) {
			other := harness.NewUpstream(t, "other", harness.HTTP)
			g.service("up", nil, other.URL)
			g.route("plain", "up", "", fields{"stripPath": false})
			g.module("script", `export const responseModifier = (ctx) => { ctx.upstream().headers.set("X-Script", "2") }`)
		},
		"a write that removes what they use": func(t *testing.T, g *gateway) {
			for _, path := range []string{"route/default/plain", "route/default/script", "service/default/up", "module/default/script"} {
				answer := g.do(harness.Request{Method: http.MethodDelete, URL: g.Admin + "/dgate/api/v1/" + path})
				if answer.Status != http.StatusNoContent {
					t.Fatal(answer)
				}
			}
		},
		"writes that are refused": func(t *testing.T, g *gateway) {
			for _, bad := range []struct {
				kind, name string
				f          fields
			}{
				{"route", "plain", fields{"paths": []string{"/plain"}, "methods": []string{"GET"}, "service": "nowhere"}},
				{"service", "up", fields{"urls": []string{"gopher://a"}}},
				{"module", "script", fields{"payload": []byte(`export const requestHandler = (`)}},
				{"module", "script", fields{"payload": []byte(`throw new Error("at load")`)}},
			} {
				if err := g.tryPut(bad.kind, bad.name, bad.f); err == nil {
					t.Errorf("%s %s was accepted", bad.kind, bad.name)
				}
			}
		},
		"a reload": func(t *testing.T, g *gateway) {
			if err := g.Write(strings.Replace(text, "dgate\n}", "header X-Reloaded yes\n\tdgate\n}", 1)); err != nil {
				t.Fatal(err)
			}
			if err := g.Reload(); err != nil {
				t.Fatal(err)
			}
		},
		"a reload that fails": func(t *testing.T, g *gateway) {
			for _, bad := range []string{
				strings.Replace(text, "storage memory", "storage persistent", 1),                    // cannot change: Provision
				strings.Replace(text, "storage memory", "storage memory\n\t\tresources no.yaml", 1), // no such file: Provision
				text + "\n:1 {\n\tbind 203.0.113.1\n\tdgate\n}\n",                                   // cannot listen: Start
			} {
				if err := g.Write(bad); err != nil {
					t.Fatal(err)
				}
				if err := g.Reload(); err == nil {
					t.Errorf("accepted:\n%s", bad)
				}
			}
		},
	}
	for name, disturb := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := harness.NewUpstream(t, "up", harness.HTTP)
			g := startGateway(t, text)
			g.service("up", nil, up.URL)
			g.route("plain", "up", "", nil)
			g.route("script", "up", `export const requestModifier = (ctx) => { ctx.set("seen", 1) }
				export const responseModifier = (ctx) => { ctx.upstream().headers.set("X-Script", ctx.get("seen")) }`, nil)

			var flights []*flight
			for _, route := range []string{"/plain", "/script"} {
				flights = append(flights, slowRequest(g, route), stream(g, route), socket(g, route))
			}
			for _, f := range flights {
				if err := <-f.begun; err != nil {
					t.Fatalf("%s: %v", f.name, err)
				}
			}
			if err := harness.Await(func() error {
				if up.Requests() != len(flights) {
					return fmt.Errorf("%d of %d are at the upstream", up.Requests(), len(flights))
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			disturb(t, g)
			for _, f := range flights {
				close(f.land)
				if err := <-f.landed; err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
			}
			// And the next write works, and is live when it is answered.
			g.service("after", nil, up.URL)
			g.route("after", "after", "", nil)
			if e := g.echo(harness.Request{URL: "/after"}); e.Upstream != "up" {
				t.Errorf("the next write is not live: %+v", e)
			}
		})
	}
}

// flight is something that is under way until it is told to land.
type flight struct {
	name          string
	begun, landed chan error
	land          chan struct{}
}

func takeOff(g *gateway, name string, fly func(ctx context.Context, begun func(), land <-chan struct{}) error) *flight {
	f := &flight{name: name, begun: make(chan error, 1), landed: make(chan error, 1), land: make(chan struct{})}
	ctx, cancel := context.WithTimeout(g.t.Context(), harness.Patience)
	go func() {
		defer cancel()
		err := fly(ctx, func() { f.begun <- nil }, f.land)
		if err != nil {
			select {
			case f.begun <- err:
			default:
			}
		}
		f.landed <- err
	}()
	return f
}

// slowRequest is answered 3 s after it was sent.
func slowRequest(g *gateway, route string) *flight {
	return takeOff(g, "slow request to "+route, func(ctx context.Context, begun func(), _ <-chan struct{}) error {
		begun()
		answer, err := harness.Do(ctx, harness.Request{URL: g.Site + route + "?delay=3s&body=late"})
		if err == nil && (answer.Status != http.StatusOK || answer.Body != "late") {
			err = errors.New(answer.String())
		}
		return err
	})
}

// stream reads one event before and two after.
func stream(g *gateway, route string) *flight {
	return takeOff(g, "stream of "+route, func(ctx context.Context, begun func(), land <-chan struct{}) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Site+route+"?events=3", nil)
		if err != nil {
			return err
		}
		resp, err := harness.Client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		first := true
		n, err := harness.Events(harness.Client, resp.Body, func(string) {
			if first {
				first = false
				begun()
				<-land
			}
		})
		if err == nil && n != 3 {
			err = fmt.Errorf("%d events, want 3", n)
		}
		return err
	})
}

// socket sends one message before and one after.
func socket(g *gateway, route string) *flight {
	return takeOff(g, "WebSocket of "+route, func(ctx context.Context, begun func(), land <-chan struct{}) error {
		conn, _, err := websocket.Dial(ctx, strings.Replace(g.Site, "http", "ws", 1)+route, nil) //nolint:bodyclose // it has none
		if err != nil {
			return err
		}
		defer conn.CloseNow() //nolint:errcheck // it was closed before
		talk := func(text string) error {
			if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				return err
			}
			_, got, err := conn.Read(ctx)
			if err == nil && string(got) != text {
				err = fmt.Errorf("got %q, want %q", got, text)
			}
			return err
		}
		if err := talk("before"); err != nil {
			return err
		}
		begun()
		<-land
		if err := talk("after"); err != nil {
			return err
		}
		return conn.Close(websocket.StatusNormalClosure, "")
	})
}

// kill -9 in a loop under writes: what was acknowledged is there after the start, and served
// before anything is written.
func TestKillUnderWrites(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, strings.Replace(caddyfile, "storage memory", "", 1))
	g.service("up", nil, up.URL)
	acknowledged := []string{}
	for round := range rounds {
		done := make(chan []string)
		go func() {
			var names []string
			defer func() { done <- names }()
			for i := 0; ; i++ {
				name := fmt.Sprintf("r%d-%d", round, i)
				if err := g.tryPut("route", name, fields{
					"paths": []string{"/" + name}, "methods": []string{"GET"}, "service": "up", "stripPath": true,
				}); err != nil {
					return
				}
				names = append(names, name)
			}
		}()
		time.Sleep(time.Duration(20+17*round) * time.Millisecond) //nolint:forbidigo // when the power fails is up to nobody
		if err := g.Kill(); err != nil {
			t.Fatal(err)
		}
		written := <-done
		acknowledged = append(acknowledged, written...)
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		for _, name := range written {
			if got := g.do(harness.Request{URL: "/" + name}); got.Status != http.StatusOK {
				t.Fatalf("round %d: route %s was acknowledged, and answers %d", round, name, got.Status)
			}
		}
	}
	if len(acknowledged) < rounds {
		t.Errorf("only %d writes in %d rounds", len(acknowledged), rounds)
	}
	answer := g.do(harness.Request{URL: g.Admin + "/dgate/api/v1/route"})
	for _, name := range acknowledged {
		if !strings.Contains(answer.Body, `"`+name+`"`) {
			t.Errorf("route %s is lost", name)
		}
	}
}
