package caddymodule

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/internal/domaintls"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage/certstore"
)

// maxStatusNames bounds the names in the status of one domain.
const maxStatusNames = 1000

// DomainStatus implements [adminext.App].
func (a *App) DomainStatus(ctx context.Context, key resource.Key) (adminext.DomainStatus, error) {
	certs, now := a.node.certs, time.Now()
	d, ok := certs.Domain(key)
	if !ok {
		return adminext.DomainStatus{}, resource.Errorf(resource.NotFound, "domain not found: %s", key.Name)
	}
	status := adminext.DomainStatus{TLS: d.TLS, Names: []adminext.NameStatus{}, Warnings: []string{}}
	warn := func(format string, args ...any) {
		status.Warnings = append(status.Warnings, fmt.Sprintf(format, args...))
	}
	if d.Own != nil {
		status.Certificate = describe(d.Own)
		switch left := d.Own.NotAfter.Sub(now); {
		case left < 0:
			warn("the certificate has ended at %s", d.Own.NotAfter.UTC().Format(time.RFC3339))
		case left < endsSoon:
			warn("the certificate ends in %d days, at %s", daysLeft(d.Own.NotAfter, now), d.Own.NotAfter.UTC().Format(time.RFC3339))
		case now.Before(d.Own.NotBefore):
			warn("the certificate is not valid before %s", d.Own.NotBefore.UTC().Format(time.RFC3339))
		}
	}
	if d.Err != nil {
		warn("the certificate is not served: %v", d.Err)
	}
	for name, namespace := range certs.Elsewhere(key, d.Exact) {
		if d.HasOwn {
			warn("the certificate is not served for %s: requests for it are routed in the namespace %s", name, namespace)
		} else {
			warn("requests for %s are routed in the namespace %s", name, namespace)
		}
	}
	slices.Sort(status.Warnings)
	storage := a.ctx.Storage()
	issuers := issuersIn(ctx, storage)
	names := a.namesOf(ctx, d, storage, issuers)
	if len(names) > maxStatusNames {
		status.More = len(names) - maxStatusNames
		names = names[:maxStatusNames]
	}
	for _, name := range names {
		status.Names = append(status.Names, a.nameStatus(ctx, name, d, storage, issuers))
	}
	return status, ctx.Err()
}

func describe(cert *x509.Certificate) *adminext.CertificateStatus {
	names := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return &adminext.CertificateStatus{
		Names: names, Issuer: cert.Issuer.String(), Serial: cert.SerialNumber.Text(16),
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
	}
}

// namesOf are the names that the certificates of a domain are for: its own, and those under its
// wildcards that are known from handshakes or from storage.
func (a *App) namesOf(ctx context.Context, d domaintls.Domain, storage certmagic.Storage, issuers []string) []string {
	exact := slices.Clone(d.Exact)
	var others []string
	consider := func(name string) {
		if by, err := a.node.certs.Allow(name); err == nil && by == d.Key && !slices.Contains(exact, name) {
			others = append(others, name)
		}
	}
	if d.TLS == resource.TLSEach {
		for name := range a.node.certs.log.All() {
			consider(name)
		}
		for _, issuer := range issuers {
			sites, err := storage.List(ctx, certmagic.StorageKeys.CertsPrefix(issuer), false)
			if err != nil {
				continue
			}
			for _, site := range sites {
				consider(path.Base(site))
			}
		}
	}
	slices.Sort(others)
	return append(exact, slices.Compact(others)...)
}

// nameStatus tells what is known about one name of a domain.
func (a *App) nameStatus(ctx context.Context, name string, d domaintls.Domain, storage certmagic.Storage, issuers []string) adminext.NameStatus {
	certs := a.node.certs
	s := adminext.NameStatus{Name: name, Source: "none"}
	show := func(leaf *x509.Certificate) {
		before, after := leaf.NotBefore.UTC(), leaf.NotAfter.UTC()
		s.Issuer, s.Serial, s.NotBefore, s.NotAfter = leaf.Issuer.String(), leaf.SerialNumber.Text(16), &before, &after
	}
	if own, of := certs.CertificateOf(name); own != nil {
		s.Source, s.Domain = "own", of.Namespace+"/"+of.Name
		show(own.Leaf)
		return s
	}
	by, err := certs.Allow(name)
	switch {
	case err != nil:
		s.Reason = err.Error()
	case certs.serves(name):
		s.Reason = "the configuration of Caddy has a certificate for it by itself"
	case !onDemand(a.tls(), name):
		s.Reason = "the configuration of Caddy obtains none on demand: a site for it needs tls { on_demand }"
	case by != d.Key:
		s.Reason = "domain " + by.Namespace + "/" + by.Name + " decides about it"
	}
	leaf, issuer := loadCertificate(ctx, storage, issuers, name)
	if leaf != nil {
		s.Storage = path.Dir(certmagic.StorageKeys.SiteCert(issuer, name))
	}
	record, _ := certs.log.Get(name)
	if leaf != nil && !record.Failed.IsZero() {
		certs.log.Served(name, leaf) // maybe another node has succeeded
	} else if leaf == nil && err == nil {
		certs.learn(ctx, storage, name)
	}
	record, _ = certs.log.Get(name)
	if leaf == nil {
		leaf = record.Leaf // of an issuer with a storage of its own
	}
	if leaf != nil && err == nil {
		s.Source = "issued"
		show(leaf)
	}
	s.Error, s.ErrorType = record.Problem, record.Type
	s.ErrorTime, s.Obtaining, s.NextTry = moment(record.Failed), moment(record.Obtaining), moment(record.Next)
	s.Lock = a.holder("issue_cert_" + name)
	return s
}

// moment is a time that may be missing.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// loadCertificate reads the certificate for a name that ends last, and tells who has issued it.
func loadCertificate(ctx context.Context, storage certmagic.Storage, issuers []string, name string) (leaf *x509.Certificate, issuer string) {
	for _, by := range issuers {
		data, err := storage.Load(ctx, certmagic.StorageKeys.SiteCert(by, name))
		if err != nil {
			continue
		}
		block, _ := pem.Decode(data)
		if block == nil {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil && (leaf == nil || cert.NotAfter.After(leaf.NotAfter)) {
			leaf, issuer = cert, by
		}
	}
	return leaf, issuer
}

// holder is the id of the node that has a lock of the certificate storage, or "".
func (a *App) holder(lock string) string {
	db := a.node.store.DB()
	if db == nil {
		return ""
	}
	var held struct {
		Session string `json:"session"`
	}
	err := db.View(func(r *state.Reader) error {
		rec, ok, err := r.Get(resource.Key{Kind: state.Lock, Name: certstore.LockPrefix + lock})
		if err == nil && ok {
			err = json.Unmarshal(rec.Data, &held)
		}
		return err
	})
	if err != nil && !errors.Is(err, state.ErrClosed) {
		return ""
	}
	if dash := strings.LastIndexByte(held.Session, '-'); dash > 0 {
		return held.Session[:dash] // what follows tells starts of the node apart
	}
	return held.Session
}
