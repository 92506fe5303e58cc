package keyring

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// How often what an Unlock could not do is tried again.
const (
	retrySoon  = time.Second
	retryLater = 30 * time.Second
	// idle is how often somebody asks whether there is anything to try again.
	idle = 5 * time.Second
)

// Watch looks after the data keys until ctx ends. What [Keyring.Unlock] could not do for a passing
// reason, for want of a leader most likely, is done as soon as that goes. It is done again when
// everything comes from elsewhere, as when a backup is restored. And data keys that others change
// are decrypted; those that only the key file of this node encrypts are encrypted with the first KEK
// of the configuration, because no other node has that file. Others stay: while keys are rotated,
// another node's first KEK is not ours yet, and neither should undo what the other does.
//
// The store must be open. Report is called with what was done or is wrong, when that is new.
func (k *Keyring) Watch(ctx context.Context, report func(renewed int, err error)) {
	db, err := k.db()
	if err != nil {
		report(0, err)
		return
	}
	changes := db.Subscribe(db.Applied())
	said := ""
	for pause, failed := idle, retrySoon; ctx.Err() == nil; {
		all, came := k.waitForKeys(ctx, changes, pause)
		if errors.Is(came, state.ErrClosed) || ctx.Err() != nil {
			return
		}
		var renewed int
		var err error
		switch {
		case k.unfinished.Load(), all:
			renewed, err = k.Unlock(ctx)
		case came == nil:
			renewed, err = k.adopt(ctx, db)
		default:
			continue // nothing to do
		}
		if pause = idle; k.unfinished.Load() {
			pause, failed = failed, min(2*failed, retryLater)
		} else {
			failed = retrySoon
		}
		if renewed > 0 || text(err) != said {
			said = text(err)
			report(renewed, err)
		}
	}
}

// waitForKeys waits until data keys have changed, or all is another state; at most so long, and then
// the error is that.
func (k *Keyring) waitForKeys(ctx context.Context, changes *state.Subscription, atMost time.Duration) (all bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	for {
		list, resync, err := changes.Next(ctx)
		if err != nil || resync || slices.ContainsFunc(list, changesKeys) {
			return resync, err
		}
	}
}

func changesKeys(c state.Change) bool {
	return slices.ContainsFunc(c.Keys, func(key resource.Key) bool { return key.Kind == state.DataKey })
}

// adopt decrypts all data keys, and takes over those that only this node can.
func (k *Keyring) adopt(ctx context.Context, db *state.DB) (renewed int, err error) {
	records, err := list(db)
	if err != nil {
		return 0, err
	}
	var problems []error
	for _, rec := range records {
		changed, err := k.unlock(ctx, db, rec, k.ownFile)
		if err != nil {
			problems = append(problems, ofDataKey(rec, err))
			if !Locked(err) {
				k.unfinished.Store(true)
			}
		}
		if changed {
			renewed++
		}
	}
	return renewed, errors.Join(problems...)
}

// ownFile tells whether a data key is encrypted with the key file, though there are other KEKs.
func (k *Keyring) ownFile(dk *dataKey, keks []*KEK) bool {
	if k.source.File == "" || len(keks) < 2 {
		return false
	}
	for _, kek := range keks[:len(keks)-1] {
		if _, ok := dk.stored.wrappedBy(kek); ok {
			return false
		}
	}
	file, err := readKey(k.source.File)
	if err != nil {
		return false
	}
	_, ok := dk.stored.wrappedBy(&KEK{key: file})
	return ok
}

// Locked says which stored resource cannot be read for want of a KEK, and what to do, or "". It is
// for status pages: it is quick as long as nothing is locked.
func (k *Keyring) Locked() string {
	db, err := k.db()
	if err != nil {
		return ""
	}
	records, err := list(db)
	if err != nil {
		return err.Error()
	}
	var problems []error
	for _, rec := range records {
		_, err := k.unwrap(db, rec)
		if err == nil {
			continue
		}
		used, lost := k.users(db)
		if user, ok := used[rec.Key.Name]; ok {
			problems = append(problems, unreadable(user, err))
		} else if lost != nil {
			problems = append(problems, lost)
		}
	}
	return text(errors.Join(problems...))
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// usersAt are the [users] at one index of the state.
type usersAt struct {
	db    *state.DB
	index uint64
	found map[string]resource.Key
}

// users is [users], once for each state. Those who get it must not change it.
func (k *Keyring) users(db *state.DB) (map[string]resource.Key, error) {
	index := db.Changelog().LatestIndex // before reading: what is found may be newer, never older
	k.mu.RLock()
	last := k.inUse
	k.mu.RUnlock()
	if last.db == db && last.index == index {
		return last.found, nil
	}
	found, err := users(db)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.inUse = usersAt{db, index, found}
	return found, nil
}
