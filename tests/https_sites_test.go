package tests

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// startFiles is like startHTTPS, and puts a certificate for each name into files of that name.
func startFiles(t *testing.T, caddyfile string, names ...string) (*https, map[string]string) {
	t.Helper()
	h := &https{harness.New(t, caddyfile), t}
	certs := map[string]string{}
	for _, name := range names {
		cert, key := resourcetest.Certificate(t, name)
		certs[name] = cert
		writeFile(t, h.Caddy, name+".crt", cert)
		writeFile(t, h.Caddy, name+".key", key)
	}
	h.Setenv("FILES", h.Dir)
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	h.route("default")
	return h, certs
}

const (
	fileSite     = "\nhttps://NAME {\n\ttls {$FILES}/NAME.crt {$FILES}/NAME.key\n\tdgate\n}\n"
	internalSite = "\nhttps://NAME {\n\ttls internal\n\tdgate\n}\n"
)

func siteFor(kind, name string) string { return strings.ReplaceAll(kind, "NAME", name) }

// reload takes a configuration over.
func (h *https) reload(caddyfile string) {
	h.t.Helper()
	if err := h.Write(caddyfile); err != nil {
		h.t.Fatal(err)
	}
	if err := h.Reload(); err != nil {
		h.t.Fatal(err)
	}
}

// answers asks for a name over a connection of its own.
func (h *https) answers(when, name string, want int) {
	h.t.Helper()
	resp, body, err := h.get(nil, name)
	if err != nil || resp.StatusCode != want {
		h.t.Errorf("%s, %s: %v %s %v", when, name, resp, body, err)
	}
}

// What the Caddyfile serves by itself is not obtained in advance, once or over and over.
func TestHTTPSPrefetchOfSite(t *testing.T) {
	t.Parallel()
	h, certs := startFiles(t, httpsOptions+httpsSite+siteFor(fileSite, "b.test"), "b.test")
	h.domain("b", map[string]any{"patterns": []string{"b.test"}, "prefetch": true})
	h.domain("c", map[string]any{"patterns": []string{"c.test"}, "prefetch": true})
	if err := h.AwaitLog(`obtained a certificate in advance.*"c.test"`); err != nil {
		t.Error(err)
	}
	h.domain("d", map[string]any{"patterns": []string{"d.test"}, "prefetch": true})
	if err := h.AwaitLog(`obtained a certificate in advance.*"d.test"`); err != nil {
		t.Error(err)
	}
	if n := strings.Count(h.Log(), "obtained a certificate in advance"); n != 2 {
		t.Errorf("%d certificates were obtained in advance", n)
	}
	h.certificate("b.test", certs["b.test"])
}

// A site that is added to the Caddyfile has its own certificate and no 421, whatever was served for its
// name before because of domains.
func TestHTTPSSiteAfterDomain(t *testing.T) {
	t.Parallel()
	h, certs := startFiles(t, httpsOptions+httpsSite, "file.test")
	own, key := resourcetest.Certificate(t, "file.test", "internal.test", "gone.test")
	h.domain("own", map[string]any{"patterns": []string{"file.test", "internal.test", "gone.test"}, "cert": own, "key": key})
	h.domain("issued", map[string]any{"patterns": []string{"issued.test"}})
	for _, name := range []string{"file.test", "internal.test", "gone.test"} {
		h.certificate(name, own)
	}
	h.certificate("issued.test", "issued")
	h.reload(httpsOptions + httpsSite + siteFor(fileSite, "file.test") + siteFor(internalSite, "internal.test") + siteFor(internalSite, "issued.test"))

	await := func(name string, right func(*x509.Certificate) bool) {
		t.Helper()
		err := harness.Await(func() error {
			leaf, err := h.handshake(name)
			if err == nil && !right(leaf) {
				err = x509.HostnameError{Certificate: leaf, Host: name}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	fromFile := func(leaf *x509.Certificate) bool {
		block, _ := pem.Decode([]byte(certs["file.test"]))
		return string(block.Bytes) == string(leaf.Raw)
	}
	fromCaddy := func(leaf *x509.Certificate) bool {
		return strings.Contains(leaf.Issuer.CommonName, "Caddy Local Authority")
	}
	await("file.test", fromFile)
	await("internal.test", fromCaddy)
	h.remove("domain/default/own")
	h.remove("domain/default/issued")
	await("file.test", fromFile)
	await("internal.test", fromCaddy)
	for _, name := range []string{"file.test", "internal.test", "issued.test"} {
		h.answers("without a domain", name, 200)
	}
}

// Names under a wildcard that are refused are not remembered one by one, and not logged one by one.
func TestHTTPSStrangers(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, strings.Replace(httpsOptions, "per_namespace 5", "per_namespace 1", 1)+httpsSite)
	h.domain("each", map[string]any{"patterns": []string{"*.each.test", "exact.test"}, "tls": "each"})
	h.certificate("first.each.test", "issued")
	for i := range 20 {
		h.certificate(fmt.Sprintf("stranger%d.each.test", i), "")
	}
	h.certificate("exact.test", "")
	var names []string
	for _, name := range h.status("default/each").Names {
		names = append(names, fmt.Sprint(name.Name, " ", name.Error != ""))
	}
	if got, want := strings.Join(names, ", "), "exact.test true, first.each.test false"; got != want {
		t.Errorf("the names in the status are %s, want %s", got, want)
	}
	if n := strings.Count(h.Log(), "too many new ones"); n != 1 {
		t.Errorf("it was warned of %d times", n)
	}
}

// A certificate of its own takes the place of an issued one that Caddy has in memory, on whatever site a
// handler of DGate is.
func TestHTTPSOwnAfterIssued(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]string{
		"dgate":         "dgate",
		"dgate_js":      "dgate_js * {$FILES}/site.js",
		"dynamic dgate": "reverse_proxy {\n\t\tdynamic dgate nothing\n\t}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &https{harness.New(t, httpsOptions+strings.Replace(httpsSite, "\tdgate\n}", "\t"+handler+"\n}", 1)), t}
			writeFile(t, h.Caddy, "site.js", `export const requestModifier = () => {}`)
			h.Setenv("FILES", h.Dir)
			if err := h.Start(); err != nil {
				t.Fatal(err)
			}
			h.put("namespace/default", `{}`)
			h.domain("a", map[string]any{"patterns": []string{"a.test"}})
			h.certificate("a.test", "issued")
			cert, key := resourcetest.Certificate(t, "a.test")
			h.domain("a", map[string]any{"patterns": []string{"a.test"}, "cert": cert, "key": key})
			h.certificate("a.test", cert)
		})
	}
}

// What was refused because of the configuration is tried again with another one.
func TestHTTPSReloadEndsRefusals(t *testing.T) {
	t.Parallel()
	limited := strings.Replace(httpsOptions, "per_namespace 5", "per_namespace 1", 1)
	h := startHTTPS(t, limited+httpsSite)
	h.domain("a", map[string]any{"patterns": []string{"first.test", "second.test"}})
	h.certificate("first.test", "issued")
	h.certificate("second.test", "")
	h.reload(httpsOptions + httpsSite)
	if err := harness.Await(func() error { _, err := h.handshake("second.test"); return err }); err != nil {
		t.Errorf("with another limit: %v", err)
	}

	h.reload(httpsOptions + siteFor(internalSite, "site.test"))
	h.domain("b", map[string]any{"patterns": []string{"third.test"}, "prefetch": true})
	err := harness.Await(func() error {
		if got := h.status("default/b").Names[0]; !strings.Contains(got.Reason, "none on demand") || got.NextTry != nil {
			return fmt.Errorf("the status is %+v", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	h.reload(httpsOptions + httpsSite)
	if err := h.AwaitLog(`obtained a certificate in advance.*"third.test"`); err != nil {
		t.Error(err)
	}
}

// Without a leader a client that asks for a new name is refused soon, and the status says why. Names with
// a certificate go on.
func TestHTTPSWithoutQuorum(t *testing.T) {
	t.Parallel()
	options := strings.Replace(httpsOptions, "\tdgate {\n", `	storage dgate
	dgate {
		cluster {
			secret "the secret of these tests"
			listen {$RAFT_ADDR}
			join {$MEMBERS}
			expect 3
		}
`, 1)
	var nodes []*https
	var members []string
	for range 3 {
		c := harness.New(t, options+httpsSite)
		nodes, members = append(nodes, &https{c, t}), append(members, c.Raft)
	}
	var starting sync.WaitGroup
	for _, h := range nodes {
		h.Setenv("MEMBERS", strings.Join(members, " "))
		starting.Go(func() {
			if err := h.Start(); err != nil {
				t.Error(err)
			}
		})
	}
	if starting.Wait(); t.Failed() {
		t.FailNow()
	}
	h := nodes[0]
	h.put("namespace/default", `{}`)
	h.domain("a", map[string]any{"patterns": []string{"old.test", "new.test"}})
	h.certificate("old.test", "issued")
	for _, other := range nodes[1:] {
		if err := other.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	h.certificate("new.test", "")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("a client has waited for %v", took)
	}
	var got []string
	for _, name := range h.status("default/a").Names {
		got = append(got, name.Source+" "+name.Error)
	}
	if fmt.Sprint(got) != "[issued  none waiting for the cluster to have a leader: certificates are in its store]" {
		t.Errorf("the status is %q", got)
	}
	h.certificate("old.test", "issued")
}
