package tests

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// httpsOptions are the global options of these tests: what a domain names is signed by the local CA.
const httpsOptions = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust
	grace_period 2s
	log {
		level DEBUG
	}
	dgate {
		certificates {
			per_namespace 5
		}
	}
	on_demand_tls {
		permission dgate
	}
}
`

const httpsSite = `
https:// {
	tls {
		on_demand
		issuer internal
		get_certificate dgate
	}
	dgate
}
`

// https is a Caddy with domains.
type https struct {
	*harness.Caddy
	t testing.TB
}

func startHTTPS(t testing.TB, caddyfile string) *https {
	t.Helper()
	h := &https{harness.Start(t, caddyfile), t}
	h.route("default")
	return h
}

// route has every request in a namespace answered with the namespace and what is seen of TLS.
func (h *https) route(namespace string) {
	h.t.Helper()
	h.put("namespace/"+namespace, `{}`)
	const module = `export const requestHandler = (ctx) => ctx.response().send(JSON.stringify({namespace: ctx.namespace().name, tls: ctx.request().tls}))`
	h.put("module/"+namespace+"/m", string(encode(map[string]any{"payload": []byte(module), "moduleType": "javascript"})))
	h.put("route/"+namespace+"/r", `{"paths":["/*"],"methods":["GET"],"modules":["m"]}`)
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func (h *https) put(path, body string) {
	h.t.Helper()
	if err := harness.Put(h.Admin+"/dgate/api/v1/"+path, body); err != nil {
		h.t.Fatal(err)
	}
}

func (h *https) remove(path string) {
	h.t.Helper()
	a, err := harness.Do(h.t.Context(), harness.Request{Method: http.MethodDelete, URL: h.Admin + "/dgate/api/v1/" + path})
	if err != nil || a.Status != http.StatusNoContent {
		h.t.Fatal(a, err)
	}
}

func (h *https) domain(name string, fields map[string]any) {
	h.t.Helper()
	namespace, name, ok := strings.Cut(name, "/")
	if !ok {
		namespace, name = "default", namespace
	}
	h.put("domain/"+namespace+"/"+name, string(encode(fields)))
}

// handshake asks for a name and gives the certificate that came.
func (h *https) handshake(name string) (*x509.Certificate, error) {
	conn, err := h.dial(h.t.Context(), name)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	return conn.ConnectionState().PeerCertificates[0], nil
}

func (h *https) dial(ctx context.Context, name string) (*tls.Conn, error) {
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}}
	ctx, cancel := context.WithTimeout(ctx, harness.Patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", h.address())
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

func (h *https) address() string {
	return net.JoinHostPort(cmp.Or(h.Env()["BIND"], "127.0.0.1"), h.Env()["HTTPS_PORT"])
}

// get asks for a host over a connection of its own, or over the one of client.
func (h *https) get(client *http.Client, host string) (*http.Response, string, error) {
	if client == nil {
		client = h.client(host)
		defer client.CloseIdleConnections()
	}
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		return nil, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// client connects to Caddy whatever the host is, and asks for name.
func (h *https) client(name string) *http.Client {
	return &http.Client{Timeout: harness.Patience, Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{ServerName: name, InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, h.address())
		},
	}}
}

func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// certificate checks what a name is served with: "issued", "own" followed by the PEM, or "".
func (h *https) certificate(name, want string) {
	h.t.Helper()
	leaf, err := h.handshake(name)
	switch {
	case want == "":
		if err == nil {
			h.t.Errorf("%s is served with a certificate for %v", name, leaf.DNSNames)
		}
	case err != nil:
		h.t.Errorf("%s: %v", name, err)
	case want == "issued":
		if leaf.VerifyHostname(name) != nil || !strings.Contains(leaf.Issuer.CommonName, "Caddy Local Authority") {
			h.t.Errorf("%s is served with a certificate for %v by %s", name, leaf.DNSNames, leaf.Issuer)
		}
	case !bytes.Equal(pemOf(leaf), []byte(want)):
		h.t.Errorf("%s is served with a certificate for %v by %s", name, leaf.DNSNames, leaf.Issuer)
	}
}

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

// status asks for the status of a domain.
func (h *https) status(path string) adminext.DomainStatus {
	h.t.Helper()
	a, err := harness.Get(h.Admin + "/dgate/api/v1/domain/" + path + "/status")
	if err != nil || a.Status != 200 {
		h.t.Fatal(a, err)
	}
	var body struct {
		Data adminext.DomainStatus `json:"data"`
	}
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		h.t.Fatal(err)
	}
	return body.Data
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
	if err := h.Restart(); err != nil { // it is looked at when a configuration starts, and then each hour
		t.Fatal(err)
	}
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
