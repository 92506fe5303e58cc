package certstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// Node is the part of a [raftstorage.Node] that certificates are kept with.
type Node interface {
	Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error)
	DB() *state.DB
	Barrier(ctx context.Context) error
	Lock(ctx context.Context, name string) (*raftstorage.Lock, error)
	TryLock(ctx context.Context, name string) (*raftstorage.Lock, error)
}

// Keys encrypt values; a keyring is one.
type Keys interface {
	Seal(ctx context.Context, key resource.Key, field, plain string) (string, error)
	Open(key resource.Key, field, text string) (string, error)
}

// Bounds of what is stored, in bytes.
const (
	// MaxKey bounds a key.
	MaxKey = 1 << 10
	// MaxValue bounds a value.
	MaxValue = 1 << 20
)

// How long things count or may take.
const (
	// recent is how long after a write what is not here is asked for in the cluster.
	recent = 5 * time.Second
	// checkTimeout is how long that may take.
	checkTimeout = 2 * time.Second
	// unlockTimeout is how long a lock is waited for to be given back. Then this goes on by itself.
	unlockTimeout = 2 * time.Second
)

// deleteAtOnce is how many values one command deletes.
const deleteAtOnce = 5_000

// Storage is a [certmagic.Storage]. There is to be one for each node, so that locks are found again
// by whoever gives them back. Its methods may be called from several goroutines.
type Storage struct {
	node Node
	keys Keys

	probes      probes
	fresh       freshness
	locks       held
	authorities authorities
}

// New makes a storage on an open node.
func New(node Node, keys Keys) *Storage {
	s := &Storage{node: node, keys: keys}
	s.fresh.barrier = node.Barrier
	return s
}

// String names the storage in logs.
func (s *Storage) String() string { return "dgate" }

// Store implements [certmagic.Storage]. The error has the code no_leader if no leader was there for
// 5 s, or a minute for certificates, and is that of the keyring if the value has to be encrypted and
// cannot.
func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	name, err := clean(key)
	if err != nil {
		return err
	}
	if len(value) > MaxValue {
		return resource.Errorf(resource.TooLarge, "store %s: %d bytes are too many; at most %d are stored", name, len(value), MaxValue)
	}
	store := func() error { return s.store(ctx, name, value) }
	switch {
	case isProbe(name): // certmagic gives an order up for good if this fails
		err = patiently(ctx, store)
	case strings.HasPrefix(name, "certificates/"):
		waiting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err = patiently(waiting, store)
	default:
		err = store()
	}
	return ended(ctx, err)
}

// store tries once.
func (s *Storage) store(ctx context.Context, name string, value []byte) error {
	data, err := s.encode(ctx, name, value)
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	if isProbe(name) {
		s.probes.put(name, value)
		return nil
	}
	if s.below(name) {
		return pathError("store", name, errIsDirectory)
	}
	s.fresh.wrote()
	ops := []state.Op{{Key: fileKey(name), Data: data}}
	for _, parent := range parents(name) {
		ops = append(ops, state.Require(fileKey(parent), state.Condition{Mode: state.Absent}))
	}
	if _, err = s.node.Propose(ctx, ops...); resource.CodeOf(err) == resource.PreconditionFailed {
		return pathError("store", name, errNotDirectory)
	} else if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	s.authorities.stored(name)
	return nil
}

// Why something cannot be stored.
var (
	errIsDirectory  = errors.New("it is a directory: there are values below it")
	errNotDirectory = errors.New("a part of it is a value, and not a directory")
)

// Load implements [certmagic.Storage]. Before it says that there is no certificate authority of a
// name, it makes sure that no other node is making it; that takes up to a minute without a leader.
func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Read(ctx, key)
	if !errors.Is(err, fs.ErrNotExist) {
		return value, err
	}
	name, _ := clean(key) // it was read, so it is sound
	made, beginning := s.begin(ctx, name)
	if beginning != nil {
		return nil, beginning
	}
	if made {
		return s.Read(ctx, name)
	}
	return nil, err
}

// Read is Load for those who make nothing if there is nothing.
func (s *Storage) Read(ctx context.Context, key string) ([]byte, error) {
	name, err := clean(key)
	if err != nil {
		return nil, err
	}
	if isProbe(name) {
		if value, ok := s.probes.get(name); ok {
			return value, nil
		}
		return nil, notExist("load", name)
	}
	challenge := isChallenge(name)
	if challenge { // an answer to an earlier one would be worse than none
		s.fresh.check(ctx, name)
	}
	rec, found, err := s.get(name)
	if err == nil && !found && !challenge && s.fresh.check(ctx, name) {
		rec, found, err = s.get(name)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	if !found {
		return nil, notExist("load", name)
	}
	value, err := s.decode(rec)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	return value, nil
}

// Delete implements [certmagic.Storage]: a directory goes with everything below it. The root cannot
// be deleted.
func (s *Storage) Delete(ctx context.Context, key string) error {
	name, err := clean(key)
	if err != nil {
		return err
	}
	if isProbe(name) {
		s.probes.delete(name)
		return nil
	}
	s.fresh.check(ctx, name)
	for {
		ops, err := s.deletions(ctx, name)
		if err != nil {
			return fmt.Errorf("delete %s: %w", name, err)
		}
		if len(ops) == 0 {
			return nil
		}
		s.fresh.wrote()
		switch _, err = s.node.Propose(ctx, ops...); resource.CodeOf(err) {
		case resource.PreconditionFailed: // somebody else was first
			err = s.node.Barrier(ctx)
		}
		if err != nil {
			return ended(ctx, fmt.Errorf("delete %s: %w", name, err))
		}
	}
}

// ended adds to an error that ctx ended, if it did: certmagic looks for that and not for its cause.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// deletions are the first operations that delete a value, or what is below it.
func (s *Storage) deletions(ctx context.Context, name string) (ops []state.Op, err error) {
	present := state.Condition{Mode: state.Present}
	err = s.view(func(r *state.Reader) error {
		if _, found, err := r.Get(fileKey(name)); err != nil || found {
			ops = append(ops, state.Delete(fileKey(name), present))
			return err
		}
		for rec, err := range r.Page(ctx, state.File, "", name+"/", 0) {
			if err != nil {
				return err
			}
			if ops = append(ops, state.Delete(rec.Key, present)); len(ops) == deleteAtOnce {
				break
			}
		}
		return nil
	})
	return ops, err
}

// view reads the state of this node.
func (s *Storage) view(read func(*state.Reader) error) error {
	db := s.node.DB()
	if db == nil {
		return resource.Errorf(resource.NoLeader, "the store is not open yet")
	}
	return db.View(read)
}

func (s *Storage) get(name string) (rec state.Record, found bool, err error) {
	err = s.view(func(r *state.Reader) (err error) {
		rec, found, err = r.Get(fileKey(name))
		return err
	})
	return rec, found, err
}

func notExist(op, name string) error { return pathError(op, name, fs.ErrNotExist) }

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// probes are the values by which certmagic tries before each order whether the storage works. They
// stay on this node: that a lock was had says as much, and costs less.
type probes struct {
	mu     sync.Mutex
	values map[string][]byte
	order  []string
}

const maxProbes = 64

func (p *probes) put(name string, value []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.values == nil {
		p.values = map[string][]byte{}
	}
	if _, ok := p.values[name]; !ok {
		p.order = append(p.order, name)
	}
	p.values[name] = append([]byte(nil), value...)
	for len(p.order) > maxProbes {
		delete(p.values, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *probes) get(name string) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	value, ok := p.values[name]
	return append([]byte(nil), value...), ok
}

func (p *probes) delete(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.values, name)
	p.order = slices.DeleteFunc(p.order, func(other string) bool { return other == name })
}

var (
	_ certmagic.Storage          = (*Storage)(nil)
	_ certmagic.TryLocker        = (*Storage)(nil)
	_ certmagic.LockLeaseRenewer = (*Storage)(nil)
)
