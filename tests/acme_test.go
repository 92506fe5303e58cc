package tests

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/acme"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// acmeCaddyfile is for a node of a cluster that gets its certificates from an ACME server.
const acmeCaddyfile = `{
	admin {$ADMIN_ADDR}
	default_bind {$BIND}
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust
	grace_period 2s
	email ops@example.test
	{$RENEWALS}
	log {
		level DEBUG
	}
	storage dgate
	dgate {
		{$CLUSTER}
		certificates {
			per_hour off
			per_namespace off
		}
	}
	on_demand_tls {
		permission dgate
	}
}

https:// {
	tls {
		on_demand
		get_certificate dgate
		issuer acme {
			dir {$ACME_URL}
			trusted_roots {$ACME_ROOT}
			{$ACME_OPTIONS}
		}
	}
	dgate
}
`

// nodes are Caddys with one store, and an ACME server.
type nodes struct {
	t       *testing.T
	all     []*https
	acme    *acme.Server
	options acme.Options
}

// startACME starts n nodes, which have the same ports at addresses of their own.
func startACME(t *testing.T, n int, options acme.Options, issuer string) *nodes {
	t.Helper()
	c := &nodes{t: t, options: options}
	var first map[string]string
	for i := range n {
		caddy := harness.New(t, acmeCaddyfile)
		if i == 0 {
			first = caddy.Env()
		}
		caddy.Setenv("HTTP_PORT", first["HTTP_PORT"])
		caddy.Setenv("HTTPS_PORT", first["HTTPS_PORT"])
		caddy.Setenv("BIND", fmt.Sprintf("127.0.0.%d", i+1))
		c.all = append(c.all, &https{caddy, t})
	}
	options.HTTPPort, _ = strconv.Atoi(first["HTTP_PORT"])
	options.TLSPort, _ = strconv.Atoi(first["HTTPS_PORT"])
	c.acme = acme.Start(t, options)
	for _, h := range c.all {
		h.Setenv("ACME_URL", c.acme.URL)
		h.Setenv("ACME_ROOT", c.acme.RootFile)
	}
	c.configure(issuer)
	t.Cleanup(func() { // at once, which takes a third of the time
		c.each(func(caddy *harness.Caddy) error {
			if !caddy.Running() {
				return nil
			}
			return caddy.Stop()
		})
	})
	c.each((*harness.Caddy).Start)
	c.all[0].route("default")
	return c
}

// configure writes the configuration of all nodes, with options for the issuer.
func (c *nodes) configure(issuer string) {
	c.t.Helper()
	renewals := ""
	if c.options.Validity > 0 { // Caddy never lets less than five times this be left
		renewals = "renew_interval 500ms"
	}
	for _, h := range c.all {
		cluster := ""
		if n := len(c.all); n > 1 {
			cluster = fmt.Sprintf("cluster {\n secret \"a secret of all of these nodes\"\n listen %s\n advertise %[1]s\n expect %d\n", h.Raft, n)
			for _, other := range c.all {
				cluster += " join " + other.Raft + "\n"
			}
			cluster += "}\n"
		}
		if err := h.Write(strings.NewReplacer("{$ACME_OPTIONS}", issuer, "{$CLUSTER}", cluster, "{$RENEWALS}", renewals).Replace(acmeCaddyfile)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// each does something with all nodes at once.
func (c *nodes) each(do func(*harness.Caddy) error) {
	c.t.Helper()
	var running sync.WaitGroup
	errs := make([]error, len(c.all))
	for i, h := range c.all {
		running.Go(func() { errs[i] = do(h.Caddy) })
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
}

// serve puts a domain for one name at a node, and has it served by all.
func (c *nodes) serve(at int, name string) {
	c.t.Helper()
	c.all[at].domain(strings.ReplaceAll(name, ".", "-"), map[string]any{"patterns": []string{name}})
	c.served(name)
}

// served checks that all nodes serve the same certificate for a name, issued by the ACME server, and
// that it was ordered once.
func (c *nodes) served(name string) *x509.Certificate {
	c.t.Helper()
	var leaf *x509.Certificate
	for i, h := range c.all {
		if !h.Running() {
			continue
		}
		var got *x509.Certificate
		err := harness.Await(func() (err error) { // a change takes a moment to come to the other nodes
			got, err = h.handshake(name)
			return err
		})
		switch {
		case err != nil:
			c.t.Errorf("%s from node %d: %v", name, i, err)
		case got.VerifyHostname(name) != nil || !c.acme.Issued(got):
			c.t.Errorf("%s from node %d: a certificate for %v by %s", name, i, got.DNSNames, got.Issuer)
		case leaf != nil && !got.Equal(leaf):
			c.t.Errorf("%s from node %d: another certificate than from the others", name, i)
		}
		leaf = got
	}
	if n := c.acme.Orders(name); n != 1 {
		c.t.Errorf("%s was ordered %d times", name, n)
	}
	return leaf
}

// Certificates come from an ACME server, for what domains name and for nothing else.
//
// These tests wait more than they do, for locks of nodes that are dead and for certificates that end:
// four of them at a time take the place of one.
func TestACME(t *testing.T) {
	t.Parallel()
	domains := 4
	if *long {
		domains = 100
	}
	tests := []struct {
		name string
		test func(t *testing.T)
	}{
		// What takes longest comes first.
		{"the leader is killed while it orders", func(t *testing.T) { testACMELeaderKilled(t, true) }},
		{"the leader is killed while another node orders", func(t *testing.T) { testACMELeaderKilled(t, false) }},
		{"renewal by three nodes", func(t *testing.T) { testACMERenewal(t, 3) }},
		{"three nodes", func(t *testing.T) { testACME(t, 3, domains) }},
		{"renewal by one node", func(t *testing.T) { testACMERenewal(t, 1) }},
		{"challenges", testACMEChallenges},
		{"one node", func(t *testing.T) { testACME(t, 1, domains) }},
	}
	var running sync.WaitGroup
	places := make(chan struct{}, 4)
	for _, tt := range tests {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			t.Run(tt.name, tt.test)
		})
	}
	running.Wait()
}

// testACME has n nodes serve some domains, and then others with which something happens. Any node can
// take the domain, the client, and the challenge. Caddy orders at most ten certificates in ten seconds.
func testACME(t *testing.T, n, domains int) {
	c := startACME(t, n, acme.Options{BadNonces: 10}, "")
	name := func(i int) string { return fmt.Sprintf("www%d.example.test", i) }
	began := time.Now()
	for i := range domains {
		c.all[i%n].domain(fmt.Sprintf("www%d", i), map[string]any{"patterns": []string{name(i)}})
	}
	var clients sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range domains {
		slots <- struct{}{}
		clients.Go(func() {
			defer func() { <-slots }()
			c.served(name(i))
		})
	}
	clients.Wait()
	t.Logf("%d domains are served by %d nodes after %v", domains, n, time.Since(began).Round(time.Millisecond))
	h := c.all[0]
	t.Run("a stranger", func(t *testing.T) {
		for _, h := range c.all {
			if _, err := h.handshake("stranger.test"); err == nil {
				t.Error("a stranger's name is served")
			}
		}
		if c.acme.Orders("stranger.test") != 0 {
			t.Error("a stranger's name was ordered")
		}
	})
	t.Run("removed, added again, and moved", func(t *testing.T) {
		h.domain("moving", map[string]any{"patterns": []string{"moving.test"}})
		before := c.served("moving.test")
		h.remove("domain/default/moving")
		if resp, _, err := h.get(nil, "moving.test"); err != nil || resp.StatusCode != 421 {
			t.Errorf("without its domain: %v %v", resp, err)
		}
		h.domain("moving", map[string]any{"patterns": []string{"moving.test"}})
		if after := c.served("moving.test"); !after.Equal(before) {
			t.Error("it has another certificate when it is back")
		}
		h.remove("domain/default/moving")
		h.route("other")
		h.domain("other/moving", map[string]any{"patterns": []string{"moving.test"}})
		if after := c.served("moving.test"); !after.Equal(before) {
			t.Error("it has another certificate in another namespace")
		}
		if _, body, err := h.get(nil, "moving.test"); err != nil || !strings.Contains(body, `"namespace":"other"`) {
			t.Errorf("it answers %s, %v", body, err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		var refused atomic.Int64
		c.acme.Refuse(func(name string) *acme.Problem {
			if strings.HasPrefix(name, "refused") {
				refused.Add(1)
				return &acme.Problem{Type: "urn:ietf:params:acme:error:rateLimited", Status: http.StatusTooManyRequests, Detail: "too many certificates already issued"}
			}
			return nil
		})
		h.domain("refused", map[string]any{"patterns": []string{"refused.test"}})
		if _, err := h.handshake("refused.test"); err == nil {
			t.Error("there is a certificate")
		}
		if n == 1 { // it remembers
			c.each((*harness.Caddy).Restart)
		}
		orders := refused.Load()
		for i, other := range c.all { // they have learned of it, and do not try too
			if _, err := other.handshake("refused.test"); err == nil {
				t.Errorf("node %d has a certificate", i)
			}
			if got := other.status("default/refused").Names[0]; !strings.Contains(got.Error, "too many certificates already issued") {
				t.Errorf("the status at node %d is %+v", i, got)
			}
		}
		if after := refused.Load(); orders == 0 || after != orders {
			t.Errorf("there were %d orders, and %d when other nodes were asked", orders, after)
		}
		got := h.status("default/refused").Names[0]
		if got.Source != "none" || !strings.Contains(got.Error, "too many certificates already issued") || got.ErrorType != "urn:ietf:params:acme:error:rateLimited" || got.NextTry == nil || got.ErrorTime == nil {
			t.Errorf("the status is %+v", got)
		}
		c.acme.Refuse(nil)
		if _, err := h.handshake("refused.test"); err == nil {
			t.Error("it is tried again at once")
		}
		h.domain("refused", map[string]any{"patterns": []string{"refused.test"}, "tags": []string{"again"}})
		c.served("refused.test")
		for i, h := range c.all {
			if a, err := harness.Get(h.Admin + "/dgate/metrics"); err != nil || strings.Contains(a.Body, `dgate_domain_certificate_failing{domain="refused"`) {
				t.Errorf("it is still failing at node %d: %v", i, err)
			}
			if got := h.status("default/refused").Names[0]; got.Source != "issued" || got.Error != "" || got.NextTry != nil {
				t.Errorf("the status at node %d is %+v", i, got)
			}
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		c.acme.DNS.AddDNSARecord("elsewhere.test", []string{"127.0.0.99"})
		h.domain("elsewhere", map[string]any{"patterns": []string{"elsewhere.test"}})
		if _, err := h.handshake("elsewhere.test"); err == nil {
			t.Error("there is a certificate")
		}
		if got := h.status("default/elsewhere").Names[0]; got.Error == "" {
			t.Errorf("the status is %+v", got)
		}
	})
	t.Run("in advance", func(t *testing.T) {
		h.domain("early", map[string]any{"patterns": []string{"early1.test", "early2.test", "early3.test"}, "prefetch": true})
		err := harness.Await(func() error {
			for _, name := range h.status("default/early").Names {
				if name.Source != "issued" {
					return fmt.Errorf("%+v", name)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		for i := range 3 {
			c.served(fmt.Sprintf("early%d.test", i+1))
		}
	})
	t.Run("revoked", func(t *testing.T) {
		h.domain("revoked", map[string]any{"patterns": []string{"revoked.test"}})
		before := c.served("revoked.test")
		c.acme.Revoke(before)
		c.replaced("revoked.test", before)
	})
	t.Run("after a restart, without the ACME server", func(t *testing.T) {
		c.acme.Refuse(func(string) *acme.Problem {
			return &acme.Problem{Type: "urn:ietf:params:acme:error:serverInternal", Status: 500, Detail: "down"}
		})
		defer c.acme.Refuse(nil)
		if err := h.Restart(); err != nil {
			t.Fatal(err)
		}
		c.served("www0.example.test")
	})
}

// replaced waits until all nodes serve another certificate for a name than before.
func (c *nodes) replaced(name string, before *x509.Certificate) {
	c.t.Helper()
	for i, h := range c.all {
		err := harness.Await(func() error {
			got, err := h.handshake(name)
			switch {
			case err != nil:
				return err
			case got.Equal(before):
				return errors.New("it is still the same certificate")
			case !c.acme.Issued(got) || got.VerifyHostname(name) != nil:
				return fmt.Errorf("it is a certificate for %v by %s", got.DNSNames, got.Issuer)
			}
			return nil
		})
		if err != nil {
			c.t.Errorf("%s from node %d: %v", name, i, err)
		}
	}
}

// testACMERenewal has certificates that are valid for a short time: they are replaced while they are
// valid, again and again.
func testACMERenewal(t *testing.T, n int) {
	c := startACME(t, n, acme.Options{Validity: 12 * time.Second, NoARI: true}, "")
	c.serve(0, "short.test")
	for i := range 2 {
		before, err := c.all[0].handshake("short.test")
		if err != nil {
			t.Fatal(err)
		}
		c.replaced("short.test", before)
		if time.Now().After(before.NotAfter) {
			t.Error("the certificate was not replaced while it was valid")
		}
		if orders := c.acme.Orders("short.test"); orders != i+2 {
			t.Errorf("there were %d orders after %d renewals", orders, i+1)
		}
	}
}

// testACMEChallenges has both kinds of challenges answered, whichever node the ACME server asks.
func testACMEChallenges(t *testing.T) {
	const n = 3
	c := startACME(t, n, acme.Options{}, "disable_tlsalpn_challenge")
	for _, kind := range []string{"http", "tlsalpn"} {
		if kind == "tlsalpn" {
			c.configure("disable_http_challenge")
			c.each((*harness.Caddy).Reload)
		}
		for i := range n {
			name := fmt.Sprintf("%s%d.test", kind, i)
			c.acme.DNS.AddDNSARecord(name, []string{c.all[(i+1)%n].Env()["BIND"]}) // not the node that orders
			c.all[i].domain(strings.ReplaceAll(name, ".", "-"), map[string]any{"patterns": []string{name}})
			if _, err := c.all[i].handshake(name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			c.served(name)
		}
	}
}

// testACMELeaderKilled has an order under way when the leader dies: it comes to its end, or another
// node makes it.
func testACMELeaderKilled(t *testing.T, leads bool) {
	c := startACME(t, 3, acme.Options{}, "")
	name := fmt.Sprintf("killed-%v.test", leads)
	c.serve(0, "before.test")
	leader := c.leader()
	orders := leader
	if !leads {
		orders = (leader + 1) % 3
	}
	c.acme.DNS.AddDNSARecord(name, []string{c.all[(leader+2)%3].Env()["BIND"]}) // who lives, and does not order
	asked, killed := make(chan struct{}), make(chan struct{})
	var first sync.Once
	c.acme.Refuse(func(name string) (problem *acme.Problem) {
		first.Do(func() {
			close(asked)
			<-killed
			if leads { // who has asked is gone
				problem = &acme.Problem{Type: "urn:ietf:params:acme:error:serverInternal", Status: 500, Detail: "gone"}
			}
		})
		return problem
	})
	c.all[leader].domain("killed", map[string]any{"patterns": []string{name}})
	answer := make(chan error, 1)
	go func() {
		answer <- harness.Await(func() error {
			_, err := c.all[orders].handshake(name)
			if err != nil && leads {
				return nil // as expected
			}
			return err
		})
	}()
	select {
	case <-asked:
	case <-time.After(harness.Patience):
		t.Fatal("nobody orders")
	}
	if err := c.all[leader].Kill(); err != nil {
		t.Fatal(err)
	}
	close(killed)
	if err := <-answer; err != nil {
		t.Errorf("the client of the node that orders: %v", err)
	}
	c.served(name)
	if err := c.all[leader].Start(); err != nil {
		t.Fatal(err)
	}
	c.served(name)
}

// leader is the node that leads.
func (c *nodes) leader() int {
	c.t.Helper()
	found := -1
	err := harness.Await(func() error {
		for i, h := range c.all {
			a, err := harness.Get(h.Admin + "/dgate/cluster/status")
			if err == nil && strings.Contains(a.Body, `"role":"leader"`) {
				found = i
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}
