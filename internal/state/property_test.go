package state

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// backupOf is a backup of the state that a log makes.
func backupOf(t *testing.T, entries []Entry) []byte {
	db, err := Open(t.TempDir(), Options{BootID: "boot", window: smallWindow})
	if err != nil {
		t.Fatal(err)
	}
	db.Apply(entries)
	var buf bytes.Buffer
	if _, err := db.Backup(&buf, testTime); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// smallWindow is how many command ids are remembered here, so that some are forgotten.
const smallWindow = 10

// TestDeterminism: however a log is cut into batches, and wherever a node is restarted or
// restored from a snapshot, it ends with the same bytes. On the way, Check agrees with Apply, and
// all documents are such that were checked against their collection as it is.
func TestDeterminism(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	var forgotten atomic.Int64
	t.Cleanup(func() {
		if forgotten.Load() == 0 {
			t.Error("no command came too late")
		}
	})
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			s := &script{t: t, rnd: rand.New(rand.NewPCG(uint64(round), 7))}
			log, commands := s.log(150)
			appliedAt := map[[16]byte]uint64{}
			one := run(t, log, func(db *DB, rest []Entry) (int, *DB) {
				// Whatever was tried again, nothing was applied twice.
				latest := db.current()
				if at, ok := appliedAt[latest.latest]; ok && at != latest.latestIndex && latest.latest != [16]byte{} {
					t.Errorf("the command of entry %d was applied again at %d", at, latest.latestIndex)
				}
				appliedAt[latest.latest] = latest.latestIndex
				ops, ok := commands[rest[0].Index]
				if !ok {
					return 1, db
				}
				// A retry that was applied before is answered from memory, not judged again.
				if db.remembers(t, rest[0].Data) {
					return 1, db
				}
				checked := db.Check(ops)
				outcome := db.Apply(rest[:1])[0]
				if errors.Is(outcome.Err, ErrForgotten) {
					forgotten.Add(1)
					return 1, db
				}
				if diff := cmp.Diff(describe(checked), describe(outcome.Err)); diff != "" {
					t.Errorf("entry %d: Apply and Check disagree (-check +apply):\n%s", rest[0].Index, diff)
				}
				checkDocuments(t, db)
				return 1, db
			})
			for name, step := range map[string]func(*DB, []Entry) (int, *DB){
				"batches": func(db *DB, rest []Entry) (int, *DB) { return 1 + rand.IntN(20), db },
				"restarts": func(db *DB, rest []Entry) (int, *DB) {
					if rand.IntN(8) > 0 {
						return 1 + rand.IntN(20), db
					}
					return 1 + rand.IntN(20), reopened(t, db)
				},
				"snapshots": func(db *DB, rest []Entry) (int, *DB) {
					if rand.IntN(8) > 0 {
						return 1 + rand.IntN(20), db
					}
					return 1 + rand.IntN(20), copied(t, db)
				},
			} {
				if diff := cmp.Diff(one, run(t, log, step)); diff != "" {
					t.Errorf("%s (-one by one +%s):\n%s", name, name, diff)
				}
			}
		})
	}
}

// checkDocuments holds that every document fits its collection.
func checkDocuments(t *testing.T, db *DB) {
	t.Helper()
	err := db.View(func(r *Reader) error {
		for rec, err := range r.List("document", "") {
			if err != nil {
				return err
			}
			obj, err := rec.Object()
			if err != nil {
				return err
			}
			doc := obj.(*resource.Document)
			coll, _, err := r.Get(doc.References()[0].Target)
			if err != nil {
				return err
			}
			if string(doc.Data) != `"`+coll.Print+`"` {
				t.Errorf("%s was checked against %s, its collection is %s", rec.Key, doc.Data, coll.Print)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// remembers tells whether the command in data was applied before.
func (db *DB) remembers(t *testing.T, data []byte) bool {
	cmd, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	var known bool
	err = db.View(func(r *Reader) error {
		known = r.tx.Bucket(bucketIDs).Get(cmd.ID[:]) != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// run applies a log; step may replace the DB and says how many entries come next. It also brings
// entries again that were applied, as raft does after a restart.
func run(t *testing.T, log []Entry, step func(*DB, []Entry) (int, *DB)) map[string]string {
	db, err := Open(t.TempDir(), Options{BootID: "boot", window: smallWindow})
	if err != nil {
		t.Fatal(err)
	}
	for done := 0; done < len(log); {
		var n int
		n, db = step(db, log[done:])
		n = min(n, len(log)-done)
		again := max(0, done-3)
		for _, o := range db.Apply(log[again : done+n]) {
			if resource.CodeOf(o.Err) == resource.Internal && o.Err != nil {
				t.Fatalf("entry %d: %v", o.Index, o.Err)
			}
		}
		done += n
	}
	if err := db.Halted(); err != nil {
		t.Fatal(err)
	}
	all := dump(t, db)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	return all
}

func reopened(t *testing.T, db *DB) *DB {
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(db.dir, Options{BootID: "boot", window: smallWindow})
	if err != nil {
		t.Fatal(err)
	}
	if db.Rebuilt() != "" {
		t.Fatalf("rebuilt: %s", db.Rebuilt())
	}
	return db
}

// copied is another DB, made from a snapshot; the old one is closed.
func copied(t *testing.T, db *DB) *DB {
	var buf bytes.Buffer
	if _, err := db.Snapshot(&buf); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.TempDir(), Options{BootID: "boot", window: smallWindow})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Restore(&buf); err != nil {
		t.Fatal(err)
	}
	return db
}

// dump is everything in the database, derived indexes included.
func dump(t *testing.T, db *DB) map[string]string {
	all := map[string]string{}
	show := func(b []byte) string {
		if len(b) > 100 {
			return fmt.Sprintf("%d bytes, checksum %x", len(b), checksum(b))
		}
		return hex.EncodeToString(b)
	}
	var walk func(path string, b *bolt.Bucket)
	walk = func(path string, b *bolt.Bucket) {
		err := b.ForEach(func(k, v []byte) error {
			if v == nil && b.Bucket(k) != nil {
				walk(path+"/"+string(k), b.Bucket(k))
				return nil
			}
			all[path+"/"+strings.ReplaceAll(string(k), "\x00", "|")] = show(v)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := db.View(func(r *Reader) error {
		return r.tx.ForEach(func(name []byte, b *bolt.Bucket) error { walk(string(name), b); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
