// Package acme runs an ACME server for tests: Pebble, with a DNS of its own, counted orders, and
// answers that a test can spoil.
package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"golang.org/x/crypto/ocsp"
)

// Options say how a server behaves.
type Options struct {
	// HTTPPort and TLSPort are where challenges are checked, on the addresses that DNS gives.
	HTTPPort, TLSPort int
	// Validity is how long certificates are valid. Default: five years.
	Validity time.Duration
	// NoARI hides that the server says when to renew. Caddy renews ten minutes before that, which is too
	// early for certificates that are valid for seconds.
	NoARI bool
	// BadNonces is how many of a hundred good nonces are rejected.
	BadNonces int
}

// Server is an ACME server. Its methods may be called from several goroutines.
type Server struct {
	// URL is that of the directory, and RootFile has the certificate of the server.
	URL, RootFile string
	// DNS has the addresses of names; 127.0.0.1 for those that nothing else was said of. All servers of a
	// process have the same.
	DNS *challtestsrv.ChallSrv

	issuer *x509.Certificate // signs what is issued
	signer *ca.CAImpl        // has its key

	mu      sync.Mutex
	orders  map[string]int
	refuse  func(name string) *Problem
	revoked map[string]bool // by serial number
}

// Problem is an answer that refuses an order.
type Problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
	Status int    `json:"status"`
}

// environment is held while a server is made, which looks at environment variables.
var environment sync.Mutex //nolint:gochecknoglobals // as they are

// setenv sets what Pebble reads when its parts are made, until the returned function is called.
func setenv(tb testing.TB, o Options) (restore func()) {
	tb.Helper()
	environment.Lock()
	variables := map[string]string{
		"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": strconv.Itoa(o.BadNonces),
	}
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil { //nolint:usetesting // tests are parallel
			tb.Fatal(err)
		}
	}
	return func() {
		for name := range variables {
			_ = os.Unsetenv(name)
		}
		environment.Unlock()
	}
}

// Start runs a server until the test ends.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s := &Server{orders: map[string]int{}, revoked: map[string]bool{}}
	quiet := log.New(io.Discard, "", 0)
	var address string
	var err error
	if s.DNS, address, err = startDNS(); err != nil {
		tb.Fatal(err)
	}

	responder := httptest.NewServer(http.HandlerFunc(s.serveOCSP))
	tb.Cleanup(responder.Close)
	restore := setenv(tb, o)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, responder.URL, "rsa", 0, 1, map[string]ca.Profile{
		"default": {Description: "for tests", ValidityPeriod: uint64(o.Validity / time.Second)},
	})
	s.issuer = authority.GetIntermediateCert(0).Cert
	s.signer = authority
	front := wfe.New(quiet, store, va.New(quiet, o.HTTPPort, o.TLSPort, false, address, store), authority, []string{"acme.test"}, false, false, 0, 0)
	restore()
	server := httptest.NewUnstartedServer(s.count(front.Handler(), o.NoARI))
	server.Config.ErrorLog = quiet
	cert := selfSigned(tb)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	tb.Cleanup(server.Close)
	s.URL = server.URL + wfe.DirectoryPath
	s.RootFile = filepath.Join(tb.TempDir(), "acme.pem")
	if err := os.WriteFile(s.RootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		tb.Fatal(err)
	}
	return s
}

// Orders is how many orders for a name were accepted.
func (s *Server) Orders(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders[name]
}

// Refuse has orders refused that refuse gives a problem for; nil refuses none.
func (s *Server) Refuse(refuse func(name string) *Problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// Revoke makes the status of a certificate revoked.
func (s *Server) Revoke(cert *x509.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[cert.SerialNumber.String()] = true
}

// Issued tells whether the server has issued a certificate.
func (s *Server) Issued(cert *x509.Certificate) bool {
	return cert.CheckSignatureFrom(s.issuer) == nil
}

// newOrderPath is where Pebble takes orders.
const newOrderPath = "/order-plz"

// count counts orders on their way to Pebble, or refuses them.
func (s *Server) count(next http.Handler, noARI bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == wfe.DirectoryPath && noARI {
			withoutARI(w, r, next)
			return
		}
		if r.URL.Path != newOrderPath {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		names := namesOf(body)
		s.mu.Lock()
		refuse := s.refuse
		s.mu.Unlock()
		for _, name := range names {
			if refuse == nil {
				break
			}
			if problem := refuse(name); problem != nil {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(problem.Status)
				_ = json.NewEncoder(w).Encode(problem)
				return
			}
		}
		answer := &status{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		if answer.code == http.StatusCreated {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, name := range names {
				s.orders[name]++
			}
		}
	})
}

// withoutARI answers with a directory that has nothing about renewals.
func withoutARI(w http.ResponseWriter, r *http.Request, next http.Handler) {
	recorder := httptest.NewRecorder()
	next.ServeHTTP(recorder, r)
	var directory map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &directory); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	delete(directory, "renewalInfo")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(directory)
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements [http.ResponseWriter].
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// namesOf are the names in a signed order.
func namesOf(body []byte) []string {
	var signed struct {
		Payload string `json:"payload"`
	}
	var order struct {
		Identifiers []struct {
			Value string `json:"value"`
		} `json:"identifiers"`
	}
	if json.Unmarshal(body, &signed) != nil {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(signed.Payload)
	if err != nil || json.Unmarshal(payload, &order) != nil {
		return nil
	}
	var names []string
	for _, id := range order.Identifiers {
		names = append(names, id.Value)
	}
	return names
}

// serveOCSP tells what is revoked. The answers are soon out of date.
func (s *Server) serveOCSP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if r.Method == http.MethodGet {
		raw, err = base64.StdEncoding.DecodeString(filepath.Base(r.URL.Path))
	}
	if err != nil {
		return
	}
	request, err := ocsp.ParseRequest(raw)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	now := time.Now()
	answer := ocsp.Response{
		SerialNumber: request.SerialNumber, Status: ocsp.Good,
		ThisUpdate: now.Add(-time.Second), NextUpdate: now.Add(2 * time.Second),
	}
	s.mu.Lock()
	if s.revoked[request.SerialNumber.String()] {
		answer.Status, answer.RevokedAt, answer.RevocationReason = ocsp.Revoked, now.Add(-time.Second), ocsp.KeyCompromise
	}
	s.mu.Unlock()
	data, err := ocsp.CreateResponse(s.issuer, s.issuer, answer, s.signer.GetIntermediateKey(0))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(data)
}

// dns is the one DNS of this process: its library has only one handler, whatever one starts.
var dns struct { //nolint:gochecknoglobals // as it says
	once    sync.Once
	server  *challtestsrv.ChallSrv
	address string
	err     error
}

// startDNS starts it, when it is first needed, for as long as the process runs.
func startDNS() (*challtestsrv.ChallSrv, string, error) {
	dns.once.Do(func() {
		for range 100 { // until a port is free for both protocols, of which TCP has more users
			taken, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // only to find a port
			if err != nil {
				dns.err = err
				return
			}
			dns.address = taken.Addr().String()
			conn, err := net.ListenPacket("udp", dns.address) //nolint:noctx // likewise
			_ = taken.Close()
			if err == nil {
				_ = conn.Close()
				break
			}
		}
		dns.server, dns.err = challtestsrv.New(challtestsrv.Config{Log: log.New(io.Discard, "", 0), DNSAddrs: []string{dns.address}})
		if dns.err == nil {
			dns.server.SetDefaultDNSIPv4("127.0.0.1")
			dns.server.SetDefaultDNSIPv6("")
			go dns.server.Run()
		}
	})
	return dns.server, dns.address, dns.err
}

// selfSigned is a certificate for this machine.
func selfSigned(tb testing.TB) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(fmt.Errorf("certificate of the ACME server: %w", err))
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
