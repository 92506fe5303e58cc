package tests

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// Domains decide which names are served with which certificate, from the moment that they are stored.
func TestHTTPSDomains(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite)
	h.certificate("a.test", "")
	h.domain("a", map[string]any{"patterns": []string{"a.test", "*.a.test", "pre.*"}})
	h.certificate("a.test", "issued")
	h.certificate("x.a.test", "")
	h.certificate("pre.test", "")
	h.certificate("stranger.test", "")
	h.domain("a", map[string]any{"patterns": []string{"a.test", "*.a.test"}, "tls": "each"})
	h.certificate("x.a.test", "issued")

	// One of its own takes the place of the issued one at once, and gives it back.
	cert, key := resourcetest.Certificate(t, "a.test", "*.a.test")
	h.domain("a", map[string]any{"patterns": []string{"a.test", "*.a.test"}, "tls": "each", "cert": cert, "key": key})
	h.certificate("a.test", cert)
	h.certificate("x.a.test", cert)
	h.certificate("new.a.test", cert)
	h.certificate("x.y.a.test", "issued") // which it is not for
	renewed := resourcetest.Renew(t, key, "a.test", "*.a.test")
	h.domain("a", map[string]any{"patterns": []string{"a.test", "*.a.test"}, "tls": "off", "cert": renewed, "key": "**redacted**"})
	h.certificate("a.test", renewed)
	h.domain("a", map[string]any{"patterns": []string{"a.test", "*.a.test"}, "tls": "auto"})
	h.certificate("a.test", "issued")
	h.certificate("new.a.test", "")

	// Another namespace does not show its certificate for a host that is routed here.
	h.put("namespace/evil", `{}`)
	foreign, foreignKey := resourcetest.Certificate(t, "a.test", "evil.test")
	h.domain("evil/evil", map[string]any{"patterns": []string{"a.test", "evil.test"}, "priority": -1, "cert": foreign, "key": foreignKey})
	h.certificate("evil.test", foreign)
	h.certificate("a.test", "issued")
	if evil := h.status("evil/evil"); !slices.ContainsFunc(evil.Warnings, func(text string) bool {
		return strings.Contains(text, "is not served for a.test: requests for it are routed in the namespace default")
	}) {
		t.Errorf("the status of a certificate that is not served is %+v", evil)
	}

	// After a restart it is all the same, and nothing is obtained again.
	h.domain("own", map[string]any{"patterns": []string{"own.test"}, "cert": resourcetest.Renew(t, key, "own.test"), "key": key})
	before, err := h.handshake("a.test")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Restart(); err != nil {
		t.Fatal(err)
	}
	own, err := h.handshake("own.test")
	if err != nil || own.Issuer.CommonName != "test" {
		t.Errorf("own.test after a restart: %v", err)
	}
	if after, err := h.handshake("a.test"); err != nil || !after.Equal(before) {
		t.Errorf("a.test has another certificate after a restart: %v", err)
	}
}

// A host that had its certificate only because of a domain gets 421 as soon as no domain has it, also
// on connections that are open.
func TestHTTPSMisdirected(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite+`
http://:{$SITE_PORT} {
	dgate
}
`)
	h.domain("a", map[string]any{"patterns": []string{"a.test"}})
	h.domain("b", map[string]any{"patterns": []string{"b.test"}})
	client := h.client("a.test")
	defer client.CloseIdleConnections()
	get := func(when, host string, want int) {
		t.Helper()
		resp, body, err := h.get(client, host)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: %v %v %v", when, resp, body, err)
		}
	}
	get("with a domain", "a.test", 200)
	h.remove("domain/default/a")
	get("without", "a.test", 421)
	if resp, _, err := h.get(nil, "a.test"); err != nil || resp.StatusCode != 421 { // Caddy has the certificate in memory
		t.Errorf("without, over a new connection: %v %v", resp, err)
	}
	get("another host over the same connection", "b.test", 200)
	if a, err := harness.Do(t.Context(), harness.Request{URL: h.Site, Header: http.Header{"Host": {"a.test"}}}); err != nil || a.Status == 421 {
		t.Errorf("over plain HTTP: %v %v", a, err)
	}
	h.put("namespace/other", `{}`)
	h.route("other")
	h.domain("other/a", map[string]any{"patterns": []string{"a.test"}})
	get("when another namespace has it", "a.test", 200)
	if _, body, _ := h.get(client, "a.test"); !strings.Contains(body, `"namespace":"other"`) {
		t.Errorf("it answers %s", body)
	}
	h.domain("other/a", map[string]any{"patterns": []string{"a.test"}, "tls": "off"})
	get("when its certificates are off", "a.test", 421)
}

// New certificates are limited; those that are there are not.
func TestHTTPSLimits(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite)
	h.domain("each", map[string]any{"patterns": []string{"*.each.test"}, "tls": "each"})
	for i := range 5 {
		h.certificate(fmt.Sprintf("%d.each.test", i), "issued")
	}
	h.certificate("5.each.test", "")
	h.certificate("4.each.test", "issued")
	if err := h.AwaitLog(`too many new ones.*"5.each.test".*"per_namespace"`); err != nil {
		t.Error(err)
	}
	h.put("namespace/other", `{}`)
	h.domain("other/o", map[string]any{"patterns": []string{"other.test"}})
	h.certificate("other.test", "issued")
	if err := h.Restart(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		h.certificate(fmt.Sprintf("%d.each.test", i), "issued")
	}
	h.certificate("5.each.test", "issued") // the first new one since the start
}

// Certificates that are wanted in advance are there before anybody asks, and others are not.
func TestHTTPSPrefetch(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite)
	h.domain("pre", map[string]any{"patterns": []string{"a.pre.test", "b.pre.test", "*.c.pre.test"}, "prefetch": true})
	h.domain("lazy", map[string]any{"patterns": []string{"lazy.test"}})
	err := harness.Await(func() error {
		for _, name := range h.status("default/pre").Names {
			if name.Source != "issued" {
				return fmt.Errorf("%s has the source %s: %+v", name.Name, name.Source, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := h.status("default/lazy").Names[0].Source; got != "none" {
		t.Errorf("a certificate that nobody wanted is %s", got)
	}
	first := h.status("default/pre").Names[0]
	if leaf, err := h.handshake("a.pre.test"); err != nil || leaf.SerialNumber.Text(16) != first.Serial {
		t.Errorf("a.pre.test is not served with what was obtained before: %v", err)
	}
}

// What is known about the certificates of a domain can be asked for.
func TestHTTPSStatus(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite)
	cert, key := resourcetest.Certificate(t, "own.test")
	h.domain("d", map[string]any{"patterns": []string{"a.test", "*.each.test", "own.test", "none.test"}, "tls": "each"})
	h.domain("own", map[string]any{"patterns": []string{"own.test"}, "cert": cert, "key": key})
	h.certificate("a.test", "issued")
	h.certificate("x.each.test", "issued")
	h.certificate("own.test", cert)
	got := h.status("default/d")
	var names []string
	for _, name := range got.Names {
		names = append(names, name.Name+" "+name.Source)
		if name.Source == "issued" && (name.NotAfter == nil || name.Serial == "" || !strings.Contains(name.Issuer, "Caddy Local Authority") || !strings.HasPrefix(name.Storage, "certificates/local/")) {
			t.Errorf("%+v", name)
		}
	}
	if diff := gocmp.Diff([]string{"a.test issued", "own.test own", "none.test none", "x.each.test issued"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	own := h.status("default/own")
	if own.Certificate == nil || len(own.Warnings) != 1 || !strings.Contains(own.Warnings[0], "the certificate ends in 0 days") {
		t.Errorf("the status of an own certificate is %+v", own)
	}
	a, err := harness.Get(h.Admin + "/dgate/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`dgate_domain_certificates{domain="d",namespace="default",source="issued"} 2`,
		`dgate_domain_certificates{domain="own",namespace="default",source="own"} 1`,
		`dgate_domain_certificates_new{namespace="default"} 2`,
		`dgate_domain_certificate_expiry_timestamp_seconds{domain="own",namespace="default",source="own"}`,
	} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for _, secret := range []string{"PRIVATE", strings.Split(key, "\n")[1]} {
		if strings.Contains(a.Body+h.Log()+string(encode(own)), secret) {
			t.Errorf("the key is in the metrics, the log, or the status")
		}
	}
}

// A certificate of its own that ends soon is warned of in the log, and announced as an event.
func TestHTTPSExpiring(t *testing.T) {
	t.Parallel()
	h := startHTTPS(t, httpsOptions+httpsSite)
	cert, key := resourcetest.Certificate(t, "own.test")
	h.domain("own", map[string]any{"patterns": []string{"own.test"}, "cert": cert, "key": key})
	for _, want := range []string{`the certificate of a domain ends soon.*"domain":"own"`, `"name":"dgate.certificate_expiring".*"domain":"own"`} {
		if err := h.AwaitLog(want); err != nil {
			t.Error(err)
		}
	}
}

// Without a permission module, and with options that are none, the TLS modules do not load.
func TestHTTPSRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ old, new, want string }{
		"no permission":            {"\ton_demand_tls {\n\t\tpermission dgate\n\t}\n", "", "get_certificate dgate needs a permission module.*on_demand_tls"},
		"an option of permission":  {"permission dgate", "permission dgate x", "[Ww]rong argument count"},
		"a block of permission":    {"permission dgate", "permission dgate {\n\t\t\tx\n\t\t}", "permission dgate takes no options"},
		"an option of certificate": {"get_certificate dgate", "get_certificate dgate x", "[Ww]rong argument count"},
		"a limit":                  {"per_namespace 5", "per_namespace -1", "per_namespace must be a number of certificates, or off"},
		"an unknown limit":         {"per_namespace 5", "per_minute 1", "there are per_hour and per_namespace"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := harness.New(t, strings.Replace(httpsOptions+httpsSite, tt.old, tt.new, 1))
			out, err := c.Command(t.Context(), "caddy", "validate", "--config", c.Caddyfile, "--adapter", "caddyfile").CombinedOutput()
			if err == nil || !regexp.MustCompile("(?s)"+tt.want).Match(out) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
