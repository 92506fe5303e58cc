package tests

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/adminext"
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
