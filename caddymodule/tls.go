package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/handlers"
	"github.com/dgate-io/caddy-dgate/internal/domaintls"
	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Certificates bound how many new certificates are obtained because of domains. Certificates that
// are in Caddy's storage already, and those that are renewed, do not count; neither do sites that the
// Caddyfile names. Each node counts what it obtains, from when it was started.
type Certificates struct {
	// New certificates per hour, of all namespaces together; 0 is without a limit. Default: 300, which is
	// how many Let's Encrypt issues in three hours.
	PerHour *int `json:"per_hour,omitempty"`

	// New certificates per hour in each namespace; 0 is without a limit. Default: 100.
	PerNamespace *int `json:"per_namespace,omitempty"`
}

// The limits if none are set.
const (
	defaultPerHour      = 300
	defaultPerNamespace = 100
)

// check reports every limit that makes no sense.
func (c *Certificates) check() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, limit := range []struct {
		name  string
		value *int
	}{{"per_hour", c.PerHour}, {"per_namespace", c.PerNamespace}} {
		if limit.value != nil && *limit.value < 0 {
			errs = append(errs, fmt.Errorf("certificates: %s must be 0 or more, not %d", limit.name, *limit.value))
		}
	}
	return errors.Join(errs...)
}

// limits are the limits with their defaults.
func (c *Certificates) limits() domaintls.Limits {
	limits := domaintls.Limits{PerHour: defaultPerHour, PerNamespace: defaultPerNamespace}
	if c != nil && c.PerHour != nil {
		limits.PerHour = *c.PerHour
	}
	if c != nil && c.PerNamespace != nil {
		limits.PerNamespace = *c.PerNamespace
	}
	return limits
}

// unmarshalCertificates reads the block of the option certificates.
func unmarshalCertificates(d *caddyfile.Dispenser) (*Certificates, error) {
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	c := new(Certificates)
	var once handlers.Once
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := once.Check(d); err != nil {
			return nil, err
		}
		option := d.Val()
		var text string
		if !d.AllArgs(&text) {
			return nil, d.ArgErr()
		}
		count, err := strconv.Atoi(text)
		if text == "off" {
			count, err = 0, nil
		}
		if err != nil || count < 0 {
			return nil, d.Errf("certificates: %s must be a number of certificates, or off, not %q", option, text)
		}
		switch option {
		case "per_hour":
			c.PerHour = &count
		case "per_namespace":
			c.PerNamespace = &count
		default:
			return nil, d.Errf("unrecognized option %q of certificates; there are per_hour and per_namespace", option)
		}
	}
	return c, nil
}

// certificates are what a node knows about the certificates of domains.
type certificates struct {
	*domaintls.Directory
	limiter  *domaintls.Limiter
	log      *domaintls.Log
	care     *care
	warnings warnings
}

// warnings bound how often a limit is warned of in the log.
type warnings struct {
	mu   sync.Mutex
	last map[domaintls.Refusal]time.Time
}

// warningPause is how long nothing more is said about a limit.
const warningPause = time.Minute

// first tells whether nothing was said about a limit for a while.
func (w *warnings) first(limit domaintls.Refusal, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, ok := w.last[limit]; ok && now.Sub(last) < warningPause {
		return false
	}
	if w.last == nil {
		w.last = map[domaintls.Refusal]time.Time{}
	}
	w.last[limit] = now
	return true
}

func newCertificates(keys domaintls.Opener) *certificates {
	return &certificates{Directory: domaintls.New(keys), limiter: domaintls.NewLimiter(), log: domaintls.NewLog()}
}

// waitError says that a certificate could not be obtained, and is not asked for again yet.
type waitError struct{ domaintls.Record }

// Error implements [error].
func (e *waitError) Error() string {
	return fmt.Sprintf("not before %s again: %s", e.Next.UTC().Format(time.RFC3339), e.Problem)
}

// allow says whether a certificate may be obtained for a name, or read from storage. What is not
// there yet counts as new, and is not tried again soon if it has failed.
func (c *certificates) allow(ctx context.Context, storage certmagic.Storage, name string) error {
	domain, err := c.Allow(name)
	if err != nil {
		return err
	}
	if !storedCertificate(ctx, storage, name) {
		if err := c.allowNew(ctx, storage, name, domain); err != nil {
			return err
		}
	}
	c.Granted(name)
	return nil
}

func (c *certificates) allowNew(ctx context.Context, storage certmagic.Storage, name string, domain resource.Key) error {
	now, version := time.Now(), c.version(domain)
	if record, waits := c.log.Waits(name, now, version); waits {
		return &waitError{record}
	}
	c.learn(ctx, storage, name)
	if record, waits := c.log.Waits(name, now, version); waits {
		return &waitError{record}
	}
	// Strangers can think of any number of names under a wildcard, so refusals of these are not remembered.
	exact := c.Exact(name)
	if !c.care.awaitLeader(ctx, storage) {
		if exact {
			c.log.Refused(name, now, errNoLeader.Error(), now, version)
		}
		return errNoLeader
	}
	err := c.limiter.Take(domain.Namespace, name, now)
	if limited, ok := errors.AsType[*domaintls.LimitError](err); ok && exact {
		c.log.Refused(name, now, err.Error(), limited.Until, version)
	}
	return err
}

// version is that of a stored domain.
func (c *certificates) version(domain resource.Key) uint64 {
	d, _ := c.Domain(domain)
	return d.Version
}

// storePause is how long to wait after a certificate could not be obtained because the store had no
// leader or no room: that is no fault of the name.
const storePause = 10 * time.Second

// failed notes that a certificate could not be obtained, or renewed.
func (c *certificates) failed(storage certmagic.Storage, name string, err error) {
	domain, refused := c.Allow(name)
	if refused != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), failureTimeout)
	defer cancel()
	c.settle(ctx, storage, name) // so that this one is not taken for a success later
	now, version := time.Now(), c.version(domain)
	if later(err) {
		c.log.Refused(name, now, err.Error(), now.Add(storePause), version)
		return
	}
	problem, kind := problemOf(err)
	record := c.log.Failed(name, now, problem, kind, version)
	if kind != "" && record.Leaf == nil { // else it is about this node
		if err := tell(ctx, storage, name, record); err != nil {
			c.care.log().Warn("other nodes are not told that a certificate could not be obtained", zap.String("name", name), zap.Error(err))
		}
	}
}

// storedCertificate tells whether there is a certificate for a name in storage, from any issuer.
func storedCertificate(ctx context.Context, storage certmagic.Storage, name string) bool {
	if storage == nil {
		return false
	}
	for _, issuer := range issuersIn(ctx, storage) {
		if storage.Exists(ctx, certmagic.StorageKeys.SiteCert(issuer, name)) {
			return true
		}
	}
	return false
}

// issuersIn are the issuers that have certificates in storage.
func issuersIn(ctx context.Context, storage certmagic.Storage) []string {
	paths, err := storage.List(ctx, "certificates", false)
	if err != nil { // there are none, or they cannot be read now
		return nil
	}
	for i := range paths {
		paths[i] = path.Base(paths[i])
	}
	return paths
}

var _ gateway.Hosts = (*certificates)(nil)
