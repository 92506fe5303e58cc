package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/internal/domaintls"
)

// What an issuer has refused is in Caddy's storage, so that nodes that have one storage, and a node
// that is started again, do not ask the issuer for the same before its time.

// failureTimeout bounds what is done about a failure while Caddy waits.
const failureTimeout = 5 * time.Second

// failure is what is stored about a name.
type failure struct {
	Failed   time.Time `json:"failed"`
	Next     time.Time `json:"next"`
	Failures int       `json:"failures"`
	Problem  string    `json:"problem"`
	Type     string    `json:"type"`
	Version  uint64    `json:"version"` // of the domain
}

func failureKey(name string) string {
	return "dgate_failures/" + certmagic.StorageKeys.Safe(name) + ".json"
}

// tell stores a failure.
func tell(ctx context.Context, storage certmagic.Storage, name string, r domaintls.Record) error {
	data, err := json.Marshal(failure{r.Failed, r.Next, r.Failures, r.Problem, r.Type, r.Version})
	if err != nil || storage == nil {
		return err
	}
	return storage.Store(ctx, failureKey(name), data)
}

// learn reads the failure of a name that is stored, if there is one.
func (c *certificates) learn(ctx context.Context, storage certmagic.Storage, name string) {
	if storage == nil {
		return
	}
	data, err := storage.Load(ctx, failureKey(name))
	if err != nil {
		return // there is none, or it cannot be read: then there was none
	}
	var f failure
	if err := json.Unmarshal(data, &f); err != nil || f.Next.Sub(f.Failed) > 24*time.Hour || time.Until(f.Failed) > time.Hour {
		return // it is damaged, or from the future
	}
	c.log.Learn(name, domaintls.Record{Failed: f.Failed, Next: f.Next, Failures: f.Failures, Problem: f.Problem, Type: f.Type, Version: f.Version})
}

// obtained notes that there is a new certificate for a name.
func (c *certificates) obtained(storage certmagic.Storage, name string) {
	record, _ := c.log.Get(name)
	c.log.Obtained(name)
	if record.Type == "" || storage == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), failureTimeout)
	defer cancel()
	_ = storage.Delete(ctx, failureKey(name)) // what is left has no consequence: there is a certificate
}

// settle notes the certificate that is in storage for a name. If it is another one than before, what
// has failed has succeeded since, on another node.
func (c *certificates) settle(ctx context.Context, storage certmagic.Storage, name string) {
	if storage == nil {
		return
	}
	leaf, _ := loadCertificate(ctx, storage, issuersIn(ctx, storage), name)
	c.log.Served(name, leaf)
}

// obtaining notes that a certificate is being obtained; the lock for that is held. The error ends it: it
// has failed on another node while this one waited for the lock.
func (c *certificates) obtaining(storage certmagic.Storage, name string, renewal bool) error {
	domain, err := c.Allow(name)
	if err != nil {
		return nil
	}
	if !renewal {
		ctx, cancel := context.WithTimeout(context.Background(), failureTimeout)
		defer cancel()
		c.learn(ctx, storage, name)
		if record, waits := c.log.Waits(name, time.Now(), c.version(domain)); waits {
			return fmt.Errorf("%w: %w", caddy.ErrEventAborted, &waitError{record})
		}
	}
	c.log.Obtaining(name, time.Now())
	return nil
}

// errNoLeader is why nothing new is obtained: the lock for it and the certificate are in the store.
var errNoLeader = errors.New("waiting for the cluster to have a leader: certificates are in its store")

// leaderPatience is how long a handshake waits for a leader. An election takes less.
const leaderPatience = 2 * time.Second

// awaitLeader tells whether there is a leader, if the storage needs one. It waits a moment for one.
func (c *care) awaitLeader(ctx context.Context, storage certmagic.Storage) bool {
	if c.led(storage) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, leaderPatience)
	defer cancel()
	tick := time.NewTicker(leaderPatience / 20)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if c.led(storage) {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}

// led tells whether there is a leader, or the storage needs none.
func (c *care) led(storage certmagic.Storage) bool {
	_, ours := storage.(*nodeStorage)
	return !ours || c.locks.Status().Leader != ""
}
