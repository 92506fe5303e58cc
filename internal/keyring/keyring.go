package keyring

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Store is the part of the replicated store that keys are kept in.
type Store interface {
	// Propose has ops agreed on and applied on this node, all or none of them.
	Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error)
	// DB is what this node has applied; nil before the store is open.
	DB() *state.DB
}

// Keyring encrypts and decrypts values. Its methods may be called from several goroutines.
type Keyring struct {
	store  Store
	source Source

	making sync.Mutex // held while KEKs are looked up to make a data key: the file is made once

	unfinished atomic.Bool // an Unlock could not do everything, for a reason that passes

	mu    sync.RWMutex
	known map[string]*dataKey // by the bytes that are stored
	inUse usersAt
}

// New makes a keyring. It does no I/O.
func New(store Store, source Source) *Keyring {
	return &Keyring{store: store, source: source, known: map[string]*dataKey{}}
}

// Seal encrypts the value of a field. The result is printable and differs with each call. The
// first call makes a data key, and perhaps the key file; so does the first one after a year. While
// values are stored that no KEK of this node decrypts, it refuses with the code conflict to make a
// data key of its own: the other nodes could not read what it encrypts.
func (k *Keyring) Seal(ctx context.Context, key resource.Key, field, plain string) (string, error) {
	db, err := k.db()
	if err != nil {
		return "", err
	}
	name, dk, err := k.newest(ctx, db)
	if err != nil {
		return "", fmt.Errorf("encrypt %s: %w", key, err)
	}
	nonce := randomBytes(dk.NonceSize())
	text := dk.AEAD.Seal(nil, nonce, []byte(plain), place(db.SealID(), key, field))
	return sealed{name, nonce, text}.String(), nil
}

// Open decrypts what Seal made for the same field of the same resource. It reads local state only.
// The error has the code conflict and says what is the matter, see also [Locked].
func (k *Keyring) Open(key resource.Key, field, text string) (string, error) {
	db, err := k.db()
	if err != nil {
		return "", err
	}
	plain, err := k.open(db, key, field, text)
	if err != nil {
		return "", &resource.Error{Code: resource.Conflict, Message: fmt.Sprintf("%s cannot be read: %v", key, err), Err: err}
	}
	return plain, nil
}

func (k *Keyring) open(db *state.DB, key resource.Key, field, text string) (string, error) {
	s, ok := parseSealed(text)
	if !ok {
		return "", errDamaged
	}
	var rec state.Record
	err := db.View(func(r *state.Reader) (err error) {
		rec, ok, err = r.Get(storeKey(s.dataKey))
		return err
	})
	if err != nil {
		return "", err
	}
	if !ok {
		return "", errDamaged
	}
	dk, err := k.unwrap(db, rec)
	if err != nil {
		return "", err
	}
	plain, err := dk.AEAD.Open(nil, s.nonce, s.text, place(db.SealID(), key, field))
	if err != nil {
		return "", errDamaged
	}
	return string(plain), nil
}

// unwrap decrypts a stored data key, once.
func (k *Keyring) unwrap(db *state.DB, rec state.Record) (*dataKey, error) {
	k.mu.RLock()
	dk := k.known[string(rec.Data)]
	k.mu.RUnlock()
	if dk != nil {
		return dk, nil
	}
	keks, err := k.source.keys(false)
	if err != nil {
		return nil, err
	}
	if dk, err = unwrap(rec.Data, keks, db.SealID(), rec.Key.Name); err != nil {
		return nil, err
	}
	k.remember(rec.Data, dk)
	return dk, nil
}

func (k *Keyring) remember(data []byte, dk *dataKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[string(data)] = dk
}

func (k *Keyring) db() (*state.DB, error) {
	db := k.store.DB()
	if db == nil {
		return nil, resource.Errorf(resource.NoLeader, "the store is not open yet")
	}
	return db, nil
}

// newest finds the data key for new values, and makes one if there is none or it is too old.
func (k *Keyring) newest(ctx context.Context, db *state.DB) (string, *dataKey, error) {
	for {
		records, err := list(db)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return "", nil, err
		}
		var problem error
		var locked []string
		for _, rec := range slices.Backward(records) {
			dk, err := k.unwrap(db, rec)
			if err == nil && time.Since(rec.CreatedAt) < maxAge {
				return rec.Key.Name, dk, nil
			}
			if err == nil {
				locked = nil
				break // old, but ours: the next one is for everybody
			}
			problem, locked = err, append(locked, rec.Key.Name)
		}
		if len(locked) > 0 {
			if err := mayBegin(db, locked, problem); err != nil {
				return "", nil, err
			}
		}
		err = k.make(ctx, db, nextName(records))
		if err != nil && resource.CodeOf(err) != resource.PreconditionFailed { // somebody else has made it: take theirs
			return "", nil, err
		}
	}
}

// mayBegin says whether a node that cannot read any data key may make its own: only if nothing is
// encrypted with the others any more.
func mayBegin(db *state.DB, locked []string, problem error) error {
	inUse, err := users(db)
	if err != nil {
		return err
	}
	for _, name := range locked {
		if user, ok := inUse[name]; ok {
			return unreadable(user, problem)
		}
	}
	return nil
}

// unreadable says what can be done about it.
func unreadable(user resource.Key, problem error) error {
	return &resource.Error{
		Code: resource.Conflict, Err: problem,
		Message: fmt.Sprintf("%s cannot be read: %v; give this node the encryption_key that was used, or delete what cannot be read", user, problem),
	}
}

// make stores a new data key.
func (k *Keyring) make(ctx context.Context, db *state.DB, name string) error {
	k.making.Lock()
	keks, err := k.source.keys(true)
	k.making.Unlock()
	if err != nil {
		return err
	}
	return k.put(ctx, db, name, randomBytes(keySize), keks[0], state.Condition{Mode: state.Absent})
}

// put encrypts a data key with kek and stores it.
func (k *Keyring) put(ctx context.Context, db *state.DB, name string, key []byte, kek *KEK, cond state.Condition) error {
	dk, err := newDataKey(key, kek, db.SealID(), name)
	if err != nil {
		return err
	}
	data, err := json.Marshal(dk.stored)
	if err != nil {
		return err
	}
	outcome, err := k.store.Propose(ctx, state.Op{Key: storeKey(name), Data: data, If: cond})
	if err = cmp.Or(err, outcome.Err); err == nil {
		k.remember(data, dk)
	}
	return err
}

// Unlock decrypts all data keys, so that later calls find them in memory, and has those that an
// older KEK encrypts encrypted with the first one: renewed is how many. Without an error the first
// one suffices from then on. If there are some that are in use and that no KEK decrypts, the error
// says so and [Locked] holds; everything else works as before.
func (k *Keyring) Unlock(ctx context.Context) (renewed int, err error) {
	db, err := k.db()
	if err != nil {
		return 0, err
	}
	records, err := list(db)
	if err != nil {
		return 0, err
	}
	var problems []error
	unfinished := false
	for _, rec := range records {
		changed, err := k.unlock(ctx, db, rec, k.notFirst)
		if err != nil {
			problems = append(problems, ofDataKey(rec, err))
			unfinished = unfinished || !Locked(err)
		}
		if changed {
			renewed++
		}
	}
	k.unfinished.Store(unfinished)
	return renewed, errors.Join(problems...)
}

func ofDataKey(rec state.Record, err error) error {
	return fmt.Errorf("data key %s of %s: %w", rec.Key.Name, rec.CreatedAt.Format(time.DateOnly), err)
}

// notFirst tells whether a data key is encrypted with another KEK than the first one.
func (k *Keyring) notFirst(dk *dataKey, keks []*KEK) bool {
	_, ok := dk.stored.wrappedBy(keks[0])
	return !ok
}

// unlock decrypts one data key, and has it encrypted with the first KEK if it is an outdated one.
func (k *Keyring) unlock(ctx context.Context, db *state.DB, rec state.Record, outdated func(*dataKey, []*KEK) bool) (renewed bool, err error) {
	dk, err := k.unwrap(db, rec)
	if err != nil {
		used, lost := k.users(db)
		if _, ok := used[rec.Key.Name]; !ok {
			return false, lost
		}
		return false, err
	}
	k.making.Lock()
	keks, err := k.source.keys(true) // the key may be in memory only, after a change of the configuration
	k.making.Unlock()
	if err != nil {
		return false, err
	}
	if !outdated(dk, keks) {
		return false, nil
	}
	err = k.put(ctx, db, rec.Key.Name, dk.key, keks[0], state.Condition{Mode: state.AtVersion, Version: rec.Version})
	if err != nil && resource.CodeOf(err) == resource.PreconditionFailed { // another node was first
		return false, nil
	}
	return err == nil, err
}

// list reads the stored data keys, oldest first.
func list(db *state.DB) (records []state.Record, err error) {
	err = db.View(func(r *state.Reader) error {
		for rec, err := range r.List(state.DataKey, "") {
			if err != nil {
				return err
			}
			records = append(records, rec)
		}
		return nil
	})
	return records, err
}
