package tests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// What an object `proxy` says about headers, timeouts, buffers and retries.
func TestProxyObject(t *testing.T) {
	t.Parallel()
	g := startGateway(t, caddyfile)
	up, tls := harness.NewUpstream(t, "up", harness.HTTP), harness.NewUpstream(t, "tls", harness.TLS)
	dead := harness.NewUpstream(t, "dead", harness.Dead)
	serve := func(name string, f fields, urls ...string) {
		g.service(name, f, urls...)
		g.route(name, name, "", nil)
	}
	t.Run("headers", func(t *testing.T) {
		serve("headers", fields{"proxy": fields{"headers": fields{
			"request":  fields{"set": fields{"Host": []string{"inner.example"}, "X-Set": []string{"1"}}, "add": fields{"X-Add": []string{"2"}}, "delete": []string{"X-Gone*"}},
			"response": fields{"set": fields{"X-Answer": []string{"3"}}, "delete": []string{"X-Secret"}, "replace": fields{"X-Old": []fields{{"search": "a", "replace": "b"}}}},
		}}}, up.URL)
		answer := g.do(harness.Request{URL: "/headers?header=X-Secret:x&header=X-Old:aa", Header: http.Header{"X-Gone-1": {"x"}, "X-Add": {"1"}}})
		var e harness.Echo
		if err := json.Unmarshal([]byte(answer.Body), &e); err != nil {
			t.Fatal(err, answer)
		}
		got := []string{e.Host, e.Headers["X-Set"], e.Headers["X-Add"], e.Headers["X-Gone-1"], answer.Header.Get("X-Answer"), answer.Header.Get("X-Secret"), answer.Header.Get("X-Old"), e.Headers["X-Dgate-Service"]}
		if diff := cmp.Diff([]string{"inner.example", "1", "1, 2", "", "3", "", "bb", "headers"}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the path and query of the URL", func(t *testing.T) {
		serve("path", fields{"proxy": fields{"flush_interval": -1}}, up.URL+"/base?a=b")
		if e := g.echo(harness.Request{URL: "/path/x?c=d"}); e.Path != "/base/x" || e.Query != "a=b&c=d" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		serve("untrusted", fields{"proxy": fields{"transport": fields{"protocol": "http"}}}, tls.URL)
		serve("trusting", fields{"proxy": fields{"transport": fields{"protocol": "http", "tls": fields{"insecure_skip_verify": true}, "versions": []string{"1.1"}}}}, tls.URL)
		if answer := g.do(harness.Request{URL: "/untrusted"}); answer.Status != http.StatusBadGateway {
			t.Error(answer)
		}
		if e := g.echo(harness.Request{URL: "/trusting"}); e.Proto != "HTTP/1.1" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("timeouts win over the fields", func(t *testing.T) {
		slow := fields{"requestTimeout": "1ms", "retries": 0, "proxy": fields{"transport": fields{"protocol": "http", "response_header_timeout": "30s"}}}
		serve("patient", slow, up.URL)
		if answer := g.do(harness.Request{URL: "/patient?delay=50ms&body=late"}); answer.Body != "late" {
			t.Error(answer)
		}
		slow["requestTimeout"], slow["proxy"] = "30s", fields{"transport": fields{"protocol": "http", "response_header_timeout": "10ms"}}
		serve("hasty", slow, up.URL)
		if answer := g.do(harness.Request{URL: "/hasty?delay=30s"}); answer.Status != http.StatusGatewayTimeout {
			t.Error(answer)
		}
		serve("field", fields{"requestTimeout": "10ms", "retries": 0, "proxy": fields{"flush_interval": -1}}, up.URL)
		if answer := g.do(harness.Request{URL: "/field?delay=30s"}); answer.Status != http.StatusGatewayTimeout {
			t.Error(answer)
		}
	})
	t.Run("retries win over the field", func(t *testing.T) {
		first := fields{"policy": "first"}
		serve("never", fields{"retries": 3, "proxy": fields{"load_balancing": fields{"selection_policy": first, "retries": 0}}}, dead.URL, up.URL)
		serve("fields", fields{"proxy": fields{"load_balancing": fields{"selection_policy": first}}}, dead.URL, up.URL)
		serve("caddy", fields{"retries": 0, "proxy": fields{
			"load_balancing": fields{"selection_policy": first, "try_duration": "20s", "try_interval": "5ms"},
			"health_checks":  fields{"passive": fields{"fail_duration": "1h"}},
		}}, dead.URL, up.URL)
		if answer := g.do(harness.Request{URL: "/never"}); answer.Status != http.StatusBadGateway {
			t.Error(answer)
		}
		for _, route := range []string{"/fields", "/caddy"} {
			if answer := g.do(harness.Request{URL: route}); answer.Status != http.StatusOK {
				t.Errorf("%s: %s", route, answer)
			}
		}
	})
	t.Run("without keep-alive", func(t *testing.T) {
		serve("closing", fields{"proxy": fields{"transport": fields{"protocol": "http", "keep_alive": fields{"enabled": false}}}}, up.URL)
		if e := g.echo(harness.Request{URL: "/closing"}); e.Headers["Connection"] != "close" {
			t.Errorf("%+v", e.Headers)
		}
	})
	t.Run("buffers", func(t *testing.T) {
		serve("buffered", fields{"proxy": fields{"request_buffers": 1 << 20, "response_buffers": 1 << 20}}, up.URL)
		e := g.echo(harness.Request{Method: http.MethodPost, URL: "/buffered", Body: harness.Zeros(100_000)})
		if e.BodySize != 100_000 || e.Error != "" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("events are not held back", func(t *testing.T) {
		resp, err := harness.Client.Get(g.Site + "/path?events=3")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		if n, err := harness.Events(harness.Client, resp.Body, func(string) {}); n != 3 || err != nil {
			t.Error(n, err)
		}
	})
	t.Run("streams end in time", func(t *testing.T) {
		serve("brief", fields{"proxy": fields{"stream_timeout": "50ms"}}, up.URL)
		conn := socket(g, "/brief")
		if err := <-conn.begun; err != nil {
			t.Fatal(err)
		}
		if err := harness.Await(func() error {
			if open := goroutinesIn(g, "handleUpgradeResponse"); open > 0 {
				return fmt.Errorf("%d streams are open", open)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		close(conn.land)
		if err := <-conn.landed; err == nil {
			t.Error("it is still open")
		}
	})
	t.Run("streams end some time after a change", func(t *testing.T) {
		f := func(delay string) fields { return fields{"proxy": fields{"stream_close_delay": delay}} }
		serve("delayed", f("50ms"), up.URL)
		conn := socket(g, "/delayed")
		if err := <-conn.begun; err != nil {
			t.Fatal(err)
		}
		g.service("delayed", f("1h"), up.URL)
		if err := harness.Await(func() error {
			if open := goroutinesIn(g, "handleUpgradeResponse"); open > 0 {
				return fmt.Errorf("%d streams are open", open)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		close(conn.land)
		if err := <-conn.landed; err == nil {
			t.Error("it is still open")
		}
	})
	t.Run("no pause when no upstream is left", func(t *testing.T) {
		failing, refusing := harness.NewUpstream(t, "failing", harness.HTTP), harness.NewUpstream(t, "refusing", harness.Dead)
		serve("paused", fields{"retryTimeout": "1h", "proxy": fields{
			"load_balancing": fields{"selection_policy": fields{"policy": "first"}},
			"health_checks":  fields{"passive": fields{"fail_duration": "1h", "unhealthy_status": []int{500}}},
		}}, failing.URL, refusing.URL)
		for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable} {
			if answer := g.do(harness.Request{URL: "/paused?status=500"}); answer.Status != status {
				t.Errorf("want %d, got %s", status, answer)
			}
		}
	})
	t.Run("refusals", func(t *testing.T) {
		tests := map[string]struct {
			proxy string
			want  string
		}{
			"an unknown member": {`{"load_balancing":{"polisy":{}}}`, `"field":"proxy.load_balancing.polisy"`},
			"a policy that cannot be": {
				`{"load_balancing":{"selection_policy":{"policy":"header"}}}`, `"field":"proxy","problem":"is not accepted: `,
			},
			"a curve that is none": {`{"transport":{"protocol":"http","tls":{"curves":["round"]}}}`, `"field":"proxy.transport","problem":"is not accepted: `},
			"a certificate that is none": {
				`{"transport":{"protocol":"http","tls":{"ca":{"provider":"inline","trusted_ca_certs":["x"]}}}}`, `"field":"proxy.transport","problem":"is not accepted: `,
			},
			"two ways to search": {
				`{"headers":{"request":{"replace":{"A":[{"search":"a","search_regexp":"b"}]}}}}`, `"field":"proxy.headers","problem":"is not accepted: `,
			},
		}
		for name, tt := range tests {
			err := g.tryPut("service", "refused", fields{"urls": []string{tls.URL}, "proxy": json.RawMessage(tt.proxy)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// goroutinesIn counts the goroutines of Caddy that have a function on their stacks.
func goroutinesIn(g *gateway, function string) int {
	g.t.Helper()
	return strings.Count(g.do(harness.Request{URL: g.Admin + "/debug/pprof/goroutine?debug=2"}).Body, function+"(")
}

// A service changes a hundred times under WebSockets that stay open. What it leaves behind ends
// when they do.
func TestProxyChanges(t *testing.T) {
	t.Parallel()
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	put := func(i int) {
		t.Helper()
		g.service("up", fields{"proxy": fields{
			"health_checks": fields{"active": fields{"uri": "/", "interval": "1h"}},
			"headers":       fields{"request": fields{"set": fields{"X-Change": []string{fmt.Sprint(i)}}}},
		}}, up.URL)
	}
	put(0)
	g.route("up", "up", "", nil)
	var sockets []*flight
	open := func() {
		t.Helper()
		s := socket(g, "/up")
		if err := <-s.begun; err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, s)
	}
	open()
	before := goroutines(g)
	for i := 1; i <= 100; i++ {
		put(i)
		if i%25 == 0 {
			open()
		}
		if e := g.echo(harness.Request{URL: "/up"}); e.Headers["X-Change"] != fmt.Sprint(i) {
			t.Fatalf("change %d is not live: %v", i, e.Headers)
		}
	}
	if n := goroutinesIn(g, "activeHealthChecker"); n != 1 {
		t.Errorf("the health of %d services is checked", n)
	}
	g.route("slow", "up", "export const requestModifier = () => new Promise((resolve) => setTimeout(resolve, 1000))", nil)
	slow := takeOff(g, "a request whose upstream is not chosen yet", func(ctx context.Context, begun func(), _ <-chan struct{}) error {
		begun()
		answer, err := harness.Do(ctx, harness.Request{URL: g.Site + "/slow"})
		if err == nil && answer.Status != http.StatusOK {
			err = errors.New(answer.String())
		}
		return err
	})
	if err := <-slow.begun; err != nil {
		t.Fatal(err)
	}
	if err := harness.Await(func() error {
		if goroutinesIn(g, "handlers.(*Gateway).ServeHTTP") == len(sockets) {
			return errors.New("it has not arrived")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := g.Write(strings.Replace(caddyfile, "dgate\n}", "header X-Reloaded yes\n\tdgate\n}", 1)); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := <-slow.landed; err != nil {
		t.Error(err)
	}
	if n := goroutinesIn(g, "activeHealthChecker"); n != 1 {
		t.Errorf("after a reload the health of %d services is checked", n)
	}
	for _, path := range []string{"route/default/slow", "route/default/up", "service/default/up"} {
		if answer := g.do(harness.Request{Method: http.MethodDelete, URL: g.Admin + "/dgate/api/v1/" + path}); answer.Status != http.StatusNoContent {
			t.Fatal(answer)
		}
	}
	for _, s := range sockets {
		close(s.land)
		if err := <-s.landed; err != nil {
			t.Error(err)
		}
	}
	if err := harness.Await(func() error {
		if after := goroutines(g); after > before {
			return fmt.Errorf("%d goroutines, and %d before", after, before)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
