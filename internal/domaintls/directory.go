package domaintls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Opener decrypts the private keys of stored domains.
type Opener interface {
	// Open decrypts the value of a field of a stored resource.
	Open(key resource.Key, field, sealed string) (plain string, err error)
}

// Directory knows the domains. Its methods may be called from several goroutines; those that a
// handshake or a request calls never wait.
type Directory struct {
	keys  Opener
	table atomic.Pointer[table]
	seen  seenPatterns
	news  chan struct{} // has room for one

	mu      sync.Mutex // held while a table is made
	entries map[resource.Key]*entry
}

// New makes a directory without domains.
func New(keys Opener) *Directory {
	d := &Directory{keys: keys, news: make(chan struct{}, 1), entries: map[resource.Key]*entry{}}
	d.table.Store(newTable(nil))
	return d
}

// Update takes the stored domains over, all of them. What was parsed before is kept for those that
// have not changed. A certificate that cannot be used leaves the other domains alone: see
// [Directory.Domain].
func (d *Directory) Update(domains iter.Seq[*resource.Domain]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries := make(map[resource.Key]*entry, len(d.entries))
	for res := range domains {
		entries[res.Key()] = d.entry(res, d.entries[res.Key()])
	}
	d.entries = entries
	d.swap()
}

// swap puts the entries in use; the caller holds mu.
func (d *Directory) swap() {
	d.table.Store(newTable(d.entries))
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// News has a value when domains have changed since one was last received. It is for one receiver.
func (d *Directory) News() <-chan struct{} { return d.news }

// Retry reads the certificates again that could not be used, for when more keys can be decrypted.
func (d *Directory) Retry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed := false
	for key, e := range d.entries {
		if e.err != nil {
			changed = true
			d.entries[key] = d.entry(e.res, nil)
		}
	}
	if changed {
		d.swap()
	}
}

// entry readies a domain. before is the one that was there, or nil.
func (d *Directory) entry(res *resource.Domain, before *entry) *entry {
	if before != nil && before.res == res && before.err == nil {
		return before
	}
	e := &entry{res: res}
	for _, text := range res.Patterns {
		if p, err := resource.ParseHostPattern(text); err == nil { // or it was stored by another version
			e.patterns = append(e.patterns, p)
		}
	}
	if res.Cert == "" {
		return e
	}
	if before != nil && before.err == nil && before.own != nil && before.res.Cert == res.Cert && before.res.PrivateKey == res.PrivateKey {
		e.own = before.own
		return e
	}
	e.own, e.err = d.parse(res)
	return e
}

// parse readies the certificate of a domain. Together with an error it has no private key. Errors do
// not repeat the key.
func (d *Directory) parse(res *resource.Domain) (*tls.Certificate, error) {
	key, err := d.keys.Open(res.Key(), "key", res.PrivateKey)
	if err != nil {
		return public(res), fmt.Errorf("its private key cannot be read: %w", err)
	}
	cert, err := tls.X509KeyPair([]byte(res.Cert), []byte(key))
	if err != nil {
		return public(res), fmt.Errorf("it cannot be used: %w", err)
	}
	return &cert, nil // with Leaf set
}

// public is the certificate of a domain without its key, or nil.
func public(res *resource.Domain) *tls.Certificate {
	if leaf := res.Leaf(); leaf != nil {
		return &tls.Certificate{Leaf: leaf}
	}
	return nil
}

// Why a name gets no certificate. Errors of [Directory.Allow] wrap one of these.
var (
	// ErrNoDomain means that no domain has the name.
	ErrNoDomain = errors.New("no domain names it")
	// ErrNotEach means that a domain has it under a wildcard, and certificates only for exact names.
	ErrNotEach = errors.New("it is under a wildcard")
	// ErrOff means that its domain wants none to be obtained.
	ErrOff = errors.New("its domain has tls off")
	// ErrUnderscore means that the name has an underscore: authorities and Caddy take none.
	ErrUnderscore = errors.New("no certificates are issued for names with an underscore")
	// ErrOwn means that a domain brings a certificate for it.
	ErrOwn = errors.New("a domain has a certificate of its own for it")
)

// Allow says whether a certificate may be obtained for a name, and which domain says so. The name
// is in lower case and ASCII. Of the domains that have it, the one with the most specific pattern
// decides, and of equally specific ones, any that allows it.
func (d *Directory) Allow(name string) (resource.Key, error) {
	name = canonical(name)
	t := d.table.Load()
	if e := t.own(name, time.Now()); e != nil {
		if e.err != nil {
			return resource.Key{}, fmt.Errorf("%w: %s, but %w", ErrOwn, e.res.Key(), e.err)
		}
		return resource.Key{}, fmt.Errorf("%w: %s", ErrOwn, e.res.Key())
	}
	switch r, ok := t.ruling(name); {
	case !ok:
		return resource.Key{}, ErrNoDomain
	case r.allows && strings.IndexByte(name, '_') >= 0:
		return resource.Key{}, ErrUnderscore
	case r.allows:
		return r.res.Key(), nil
	case r.res.TLS == resource.TLSOff:
		return resource.Key{}, fmt.Errorf("%w: %s", ErrOff, r.res.Key())
	case r.res.TLS == resource.TLSEach:
		return resource.Key{}, fmt.Errorf("%w of %s that has no dot behind its star", ErrNotEach, r.res.Key())
	default:
		return resource.Key{}, fmt.Errorf("%w of %s, whose tls is %s, not each", ErrNotEach, r.res.Key(), r.res.TLS)
	}
}

// Certificate is the certificate of its own that a name has in a domain, or nil. It must not be
// changed.
func (d *Directory) Certificate(name string) *tls.Certificate {
	cert, _ := d.CertificateOf(name)
	return cert
}

// CertificateOf is like [Directory.Certificate], and tells which domain has it.
func (d *Directory) CertificateOf(name string) (cert *tls.Certificate, of resource.Key) {
	if e := d.table.Load().own(canonical(name), time.Now()); e != nil && e.err == nil {
		return e.own, e.res.Key()
	}
	return nil, resource.Key{}
}

// Elsewhere gives those of some names of a domain that requests are routed in another namespace
// for, and that namespace: its certificate is not served for them.
func (d *Directory) Elsewhere(key resource.Key, names []string) map[string]string {
	t := d.table.Load()
	elsewhere := map[string]string{}
	for _, name := range names {
		if owner := t.owner(canonical(name)); owner != nil && owner.Namespace != key.Namespace {
			elsewhere[name] = owner.Namespace
		}
	}
	return elsewhere
}

// Granted remembers that a name is served with a certificate because of a domain: the name if the
// domain names it, or else all names that its wildcard is for. It may be called again and again.
func (d *Directory) Granted(name string) {
	name = canonical(name)
	if d.seen.has(name) {
		return
	}
	if pattern, ok := d.table.Load().pattern(name, time.Now()); ok {
		d.seen.add(pattern)
	}
}

// WasGranted tells whether Granted was called for a name, or for another one under the same wildcard.
func (d *Directory) WasGranted(name string) bool { return d.seen.has(canonical(name)) }

// Misdirected tells that a host was served with a certificate because of a domain, and that no
// domain wants that any more. The host is that of a request, as [resource.CanonicalHost] gives it.
func (d *Directory) Misdirected(host string) bool {
	if !d.seen.has(host) {
		return false
	}
	_, err := d.Allow(host)
	return err != nil && !errors.Is(err, ErrOwn)
}

// Exact tells whether a domain has a name as a pattern, and not under a wildcard only.
func (d *Directory) Exact(name string) bool {
	_, ok := d.table.Load().exact[canonical(name)]
	return ok
}

// Domain is what the directory knows about one domain.
type Domain struct {
	// Key names it.
	Key resource.Key
	// Version is the revision of the store that has it.
	Version uint64
	// TLS is its field tls.
	TLS string
	// Exact are the names that are patterns of it.
	Exact []string
	// Prefetch tells that certificates for them are to be obtained at once.
	Prefetch bool
	// HasOwn tells that it has a certificate of its own.
	HasOwn bool
	// Own is the certificate, parsed; nil if there is none or it cannot be read.
	Own *x509.Certificate
	// Err is why it cannot be used.
	Err error

	entry *entry
}

// Matches tells whether one of the domain's patterns has a name.
func (d Domain) Matches(name string) bool { return d.entry.matches(canonical(name)) }

// Domain finds one domain.
func (d *Directory) Domain(key resource.Key) (Domain, bool) {
	d.mu.Lock()
	e := d.entries[key]
	d.mu.Unlock()
	if e == nil {
		return Domain{}, false
	}
	return e.describe(), true
}

// Domains are all domains, those that rank highest first.
func (d *Directory) Domains() iter.Seq[Domain] {
	return func(yield func(Domain) bool) {
		for _, e := range d.table.Load().ranked {
			if !yield(e.describe()) {
				return
			}
		}
	}
}

func (e *entry) describe() Domain {
	d := Domain{Key: e.res.Key(), Version: e.res.Version, TLS: e.res.TLS, Prefetch: e.res.Prefetch, HasOwn: e.res.Cert != "", Err: e.err, entry: e}
	for _, p := range e.patterns {
		if p.Form == resource.HostExact && !p.HasPort() {
			d.Exact = append(d.Exact, p.Text)
		}
	}
	if e.own != nil {
		d.Own = e.own.Leaf
	}
	return d
}

// canonical is a name as it is looked up.
func canonical(name string) string {
	if strings.IndexByte(name, ':') >= 0 {
		return resource.CanonicalHost("[" + strings.Trim(name, "[]") + "]")
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
