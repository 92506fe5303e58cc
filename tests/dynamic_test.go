package tests

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// A service gives upstreams to reverse proxies of Caddy, as long as its addresses are all it needs.
func TestDynamicUpstreams(t *testing.T) {
	t.Parallel()
	g := startGateway(t, strings.Replace(caddyfile, "dgate\n}", `reverse_proxy /plain {
		dynamic dgate plain
	}
	reverse_proxy /named {
		dynamic dgate default/plain
	}
	reverse_proxy /nothing {
		dynamic dgate nowhere/nothing
	}
	reverse_proxy /more {
		dynamic dgate more
	}
	reverse_proxy /able {
		dynamic dgate more
		transport http {
			dial_timeout 1s
			tls_insecure_skip_verify
		}
	}
}`, 1))
	a, b := harness.NewUpstream(t, "a", harness.HTTP), harness.NewUpstream(t, "b", harness.HTTP)
	tls := harness.NewUpstream(t, "tls", harness.TLS)
	served := func(path string) map[string]bool {
		t.Helper()
		names := map[string]bool{}
		for range 12 {
			names[g.echo(harness.Request{URL: path}).Upstream] = true
		}
		return names
	}
	unavailable := func(path, why string) {
		t.Helper()
		if answer := g.do(harness.Request{URL: path}); answer.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %s", path, answer)
		}
		if err := g.AwaitLog(regexp.QuoteMeta(why)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}

	unavailable("/plain", "service not found: default/plain")
	g.service("plain", nil, a.URL)
	for _, path := range []string{"/plain", "/named"} {
		if got := served(path); !got["a"] || len(got) != 1 {
			t.Errorf("%s is served by %v", path, got)
		}
	}
	g.service("plain", nil, a.URL, b.URL)
	if got := served("/plain"); len(got) != 2 {
		t.Errorf("after the change only %v", got)
	}
	unavailable("/nothing", "service not found: nowhere/nothing")

	for need, f := range map[string]fields{
		"TLS":                          {"urls": []string{tls.URL}},
		"the path or query of its URL": {"urls": []string{a.URL + "/base"}},
		"its timeouts":                 {"urls": []string{a.URL}, "requestTimeout": "1s"},
		"HTTP/2 without TLS":           {"urls": []string{a.URL}, "http2Only": true},
		"its object proxy":             {"urls": []string{a.URL}, "proxy": fields{"flush_interval": -1}},
	} {
		g.put("service", "more", f)
		unavailable("/more", "service default/more needs "+need)
	}
	g.service("more", nil, tls.URL)
	if got := served("/able"); !got["tls"] {
		t.Errorf("with a transport of its own it is served by %v", got)
	}
	// What is wrong already when a configuration is loaded is said then.
	if err := g.Write(strings.Replace(caddyfile, "dgate\n}", "reverse_proxy {\n\t\tdynamic dgate more\n\t}\n}", 1)); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := g.AwaitLog("requests will get 503"); err != nil {
		t.Error(err)
	}
}

// No service leads a reverse proxy to Caddy's own admin endpoint, however it is written.
func TestDynamicUpstreamsAreNotTheAdmin(t *testing.T) {
	t.Parallel()
	g := startGateway(t, strings.Replace(caddyfile, "dgate\n}", `handle /php {
		reverse_proxy {
			dynamic dgate up
			transport fastcgi {
				root /
			}
		}
	}
	handle /own/* {
		uri strip_prefix /own
		reverse_proxy {
			dynamic dgate up
			transport http {
				dial_timeout 1s
			}
		}
	}
	reverse_proxy {
		dynamic dgate up
	}
}`, 1))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(g.Admin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "::", "::ffff:127.0.0.1"} {
		g.service("up", nil, "http://"+net.JoinHostPort(host, port))
		for _, path := range []string{"/config/", "/own/config/", "/php"} {
			got := g.do(harness.Request{URL: path, Header: http.Header{"Host": {"127.0.0.1:" + port}}})
			if got.Status != http.StatusBadGateway && got.Status != http.StatusServiceUnavailable || got.Body != "" {
				t.Errorf("%s by %s: %s", host, path, got)
			}
		}
	}
	if got := strings.Count(g.Log(), "it is an administrative address of this server"); got < 15 {
		t.Errorf("%d lines in the log", got)
	}
	// Transports that dial for themselves get what the name stands for.
	_, port, err = net.SplitHostPort(fastCGI(t))
	if err != nil {
		t.Fatal(err)
	}
	g.service("up", nil, "http://localhost:"+port)
	if got := g.do(harness.Request{URL: "/php"}); got.Body != "php says " {
		t.Error(got)
	}
}
