package certstore

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// authorities sees to it that nodes that start at the same time do not each make a certificate
// authority of the same name. Caddy loads that of `tls internal` without a lock, and makes it if there
// is none: four values, of which the key of the intermediate certificate is the last one. So who
// is told that there is none has the lock until that is stored.
type authorities struct {
	mu     sync.Mutex
	making map[string]*raftstorage.Lock // by the directory of the authority
}

const (
	// makeTimeout is how long the lock is held at most.
	makeTimeout = time.Minute
	// leaderTimeout is how long a node that has to make an authority waits for a leader.
	leaderTimeout = time.Minute
)

// authorityOf is the directory of the authority that a value is part of.
func authorityOf(name string) (dir string, ok bool) {
	dir = path.Dir(name)
	return dir, strings.HasPrefix(dir, "pki/authorities/") && strings.Count(dir, "/") == 2
}

// isBeginning tells the values that are looked for before others are made.
func isBeginning(name string) bool {
	base := path.Base(name)
	return base == "root.crt" || base == "intermediate.crt"
}

// isKey tells the values that are looked for when the certificate beside them is there. Who makes an
// authority stores them a moment later than that.
func isKey(name string) bool {
	base := path.Base(name)
	return base == "root.key" || base == "intermediate.key"
}

// begin is called when a value is not here. If it is one of an authority, it returns when somebody
// else has made that, or when nobody else will.
func (s *Storage) begin(ctx context.Context, name string) (made bool, err error) {
	dir, ok := authorityOf(name)
	if !ok || !isBeginning(name) && !isKey(name) || s.authorities.has(dir) {
		return false, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, leaderTimeout, errors.New("it takes too long"))
	defer cancel()
	var k *raftstorage.Lock
	err = patiently(ctx, func() (err error) { // the cluster may be just beginning
		k, err = s.node.Lock(ctx, LockPrefix+dir)
		return err
	})
	if err != nil {
		return false, ended(ctx, fmt.Errorf("%s is perhaps made by another node, which cannot be asked: %w", dir, err))
	}
	if _, found, err := s.get(name); found || err != nil || isKey(name) {
		return found, errors.Join(err, k.Unlock(ctx))
	}
	s.authorities.hold(dir, k)
	return false, nil
}

// has tells whether this node is making an authority.
func (a *authorities) has(dir string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.making[dir]
	return k != nil && k.Context().Err() == nil
}

func (a *authorities) hold(dir string, k *raftstorage.Lock) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.making == nil {
		a.making = map[string]*raftstorage.Lock{}
	}
	a.making[dir] = k
	timer := time.AfterFunc(makeTimeout, func() { a.release(dir, k) })
	context.AfterFunc(k.Context(), func() {
		timer.Stop()
		a.drop(dir, k)
	})
}

// stored is called when a value is stored, which may complete an authority.
func (a *authorities) stored(name string) {
	dir, ok := authorityOf(name)
	if !ok || path.Base(name) != "intermediate.key" {
		return
	}
	a.mu.Lock()
	k := a.making[dir]
	a.mu.Unlock()
	if k != nil {
		a.release(dir, k)
	}
}

func (a *authorities) release(dir string, k *raftstorage.Lock) {
	ctx, cancel := context.WithTimeout(context.Background(), unlockTimeout)
	defer cancel()
	_ = k.Unlock(ctx) // otherwise it goes on in the background
	a.drop(dir, k)
}

func (a *authorities) drop(dir string, k *raftstorage.Lock) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.making[dir] == k {
		delete(a.making, dir)
	}
}
