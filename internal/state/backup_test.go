package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// restoring are the commands that restore a backup, in parts of so many bytes.
func restoring(id string, data []byte, size int) (cmds []Command) {
	r := &Restore{ID: id, Sum: sha256.Sum256(data)}
	for i := 0; len(data) > 0; i++ {
		n := min(size, len(data))
		cmds = append(cmds, Command{Ops: []Op{r.PutPart(i, data[:n])}})
		data = data[n:]
	}
	return append(cmds, Command{ID: [16]byte{0xee, id[0]}, Time: testTime, Restore: r})
}

func (s *store) backup() []byte {
	s.Helper()
	var buf bytes.Buffer
	header, err := s.Backup(&buf, testTime)
	if err != nil {
		s.Fatal(err)
	}
	if header.Index != s.index || !header.Taken.Equal(testTime) {
		s.Errorf("header: %+v", header)
	}
	return buf.Bytes()
}

// restore applies what restores a backup and gives the last outcome.
func (s *store) restore(cmds []Command) (o Outcome) {
	s.Helper()
	for _, cmd := range cmds {
		o = s.command(cmd)
	}
	return o
}

// own makes resources of the store's own kinds, with another text in each.
func own(text string) (ops []Op) {
	for _, kind := range internalKinds {
		if kind != Lock {
			ops = append(ops, Op{Key: resource.Key{Kind: kind, Namespace: "x", Name: "a"}, Data: []byte(text)})
		}
	}
	session := resource.Key{Kind: Session, Namespace: "x", Name: "a"}
	return append(ops, Op{Key: resource.Key{Kind: Lock, Name: "l"}, Data: []byte(text), Needs: []resource.Key{session}})
}

// TestRestoreIntoAnotherCluster: what users own comes from the backup, what is about servers stays.
func TestRestoreIntoAnotherCluster(t *testing.T) {
	t.Parallel()
	from := open(t)
	from.command(Command{ClusterID: "old"})
	from.must(put(t, service("both", "http://same")), put(t, service("moved", "http://old")), put(t, route("r", "moved", nil, get, "/r")))
	from.must(own("old")...)
	data := from.backup()

	to := open(t)
	to.command(Command{ClusterID: "new"})
	to.must(put(t, service("both", "http://same")), put(t, service("gone", "http://new")), put(t, route("other", "gone", nil, get, "/r")))
	to.must(own("new")...)
	lock, _ := to.get(resource.Key{Kind: Lock, Name: "l"})
	before := Command{ID: [16]byte{0xaa}, Ops: []Op{put(t, service("gone", "http://before"))}}
	to.command(before)
	changes, hash := to.Changelog().Count, to.Hash()
	sub := to.Subscribe(to.index)

	cmds := restoring("r", data, 100)
	var during error
	err := to.View(func(r *Reader) error {
		during = to.restore(cmds).Err
		_, ok, err := r.Get(key("service", "gone"))
		if !ok {
			t.Error("a view that was open shows another state")
		}
		return err
	})
	if err := errors.Join(err, during); err != nil {
		t.Fatal(err)
	}
	check := func(to *store) {
		t.Helper()
		for name, want := range map[string]bool{"both": true, "moved": true, "gone": false} {
			rec, ok := to.get(key("service", name))
			if ok != want {
				t.Errorf("service %s exists: %v", name, ok)
			}
			if ok && (rec.Version == to.Changelog().LatestIndex) == (name == "both") { // that is as it was
				t.Errorf("service %s has version %d, it was restored at %d", name, rec.Version, to.Changelog().LatestIndex)
			}
		}
		for _, kind := range internalKinds {
			k := resource.Key{Kind: kind, Namespace: "x", Name: "a"}
			if kind == Lock {
				k = resource.Key{Kind: kind, Name: "l"}
			}
			rec, ok := to.get(k)
			want := map[string]string{DataKey: "old", Job: "old", File: "old", Part: ""}
			text, other := want[kind]
			if !other {
				text = "new"
			}
			if ok != (text != "") || string(rec.Data) != text {
				t.Errorf("%s: %q %v, want %q", kind, rec.Data, ok, text)
			}
		}
		if got, _ := to.get(lock.Key); got.Version != lock.Version {
			t.Errorf("the token of a lock went from %d to %d", lock.Version, got.Version)
		}
		if to.ClusterID() != "new" || to.SealID() != "old" {
			t.Errorf("the id is %s, bound to %s", to.ClusterID(), to.SealID())
		}
	}
	check(to)
	if to.Hash() == hash || to.Changelog().Count == changes || to.Applied() != to.index {
		t.Errorf("description: %+v at %d", to.Changelog(), to.Applied())
	}
	if _, resync, err := sub.Next(context.Background()); !resync || err != nil {
		t.Errorf("subscribers are not told: %v %v", resync, err)
	}
	if r, ok, err := to.LastRestore(); !ok || err != nil || r.ID != "r" || r.ClusterID != "old" || r.Index != from.index || !r.Taken.Equal(testTime) {
		t.Errorf("last restore: %+v %v %v", r, ok, err)
	}
	// References and claims are those of the backup.
	if o := to.apply(del("service", "moved")); resource.CodeOf(o.Err) != resource.InUse {
		t.Errorf("delete of what a restored route needs: %v", o.Err)
	}
	if o := to.apply(put(t, route("again", "both", nil, get, "/r"))); resource.CodeOf(o.Err) != resource.ValidationFailed {
		t.Errorf("a path that a restored route has: %v", o.Err)
	}
	// What was applied before is not applied again, restoring included.
	hash = to.Hash()
	if o := to.command(before); o.Err != nil || to.Hash() != hash {
		t.Errorf("a command from before: %+v", o)
	}
	if o := to.command(cmds[len(cmds)-1]); o.Err != nil || to.Hash() != hash {
		t.Errorf("restored again: %+v", o)
	}
	to.reopen()
	check(to)
	if to.Hash() != hash || to.Rebuilt() != "" {
		t.Error("another state after a restart")
	}
	if _, err := os.Stat(to.newPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was left behind: %v", err)
	}
}

// TestRestoreInABatch: entries before and after are applied as if each came alone.
func TestRestoreInABatch(t *testing.T) {
	t.Parallel()
	from := open(t)
	from.must(put(t, service("restored", "http://a")))
	data := from.backup()
	var entries []Entry
	add := func(cmds ...Command) {
		for _, cmd := range cmds {
			encoded, err := cmd.Encode()
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, Entry{Index: uint64(len(entries) + 1), Term: 1, Data: encoded})
		}
	}
	add(Command{ClusterID: "c", Ops: []Op{put(t, namespace("default"))}}, Command{ID: [16]byte{1}, Ops: []Op{put(t, service("before", "http://a"))}})
	add(restoring("r", data, 200)...)
	add(restoring("s", data[:len(data)-1], 200)...) // refused
	add(Command{ID: [16]byte{2}, Ops: []Op{put(t, service("after", "http://a"))}})
	for name, size := range map[string]int{"at once": len(entries), "by threes": 3, "one by one": 1} {
		db, err := Open(t.TempDir(), Options{BootID: "boot"})
		if err != nil {
			t.Fatal(err)
		}
		s := &store{TB: t, DB: db}
		var refused int
		for rest := entries; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			for _, o := range db.Apply(rest[:min(size, len(rest))]) {
				if o.Err != nil {
					refused++
				}
				if o.Index == uint64(len(entries)) && len(o.Results) != 1 {
					t.Errorf("%s: the last one has %d results", name, len(o.Results))
				}
			}
		}
		for service, want := range map[string]bool{"before": false, "restored": true, "after": true} {
			if _, ok := s.get(key("service", service)); ok != want {
				t.Errorf("%s: service %s exists: %v", name, service, ok)
			}
		}
		if refused != 1 || db.Applied() != uint64(len(entries)) {
			t.Errorf("%s: %d refused, applied %d of %d", name, refused, db.Applied(), len(entries))
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRefusedBackups: a backup that is not whole, or cannot be, changes nothing.
func TestRefusedBackups(t *testing.T) {
	t.Parallel()
	from := open(t)
	from.must(put(t, service("a", "http://a")), put(t, route("r", "a", nil, get, "/r")))
	good := from.backup()
	var snapshot bytes.Buffer
	if _, err := from.DB.Snapshot(&snapshot); err != nil {
		t.Fatal(err)
	}
	if err := from.Restore(bytes.NewReader(good)); err == nil || !strings.Contains(err.Error(), "is a backup and not a snapshot") {
		t.Errorf("a backup in place of a snapshot: %v", err)
	}
	dangling := open(t)
	dangling.must(put(t, service("a", "http://a")), put(t, route("r", "a", nil, get, "/r")))
	if err := dangling.handle.bolt.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketResources).DeleteBucket([]byte("service"))
	}); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	all := restoring("r", good, 100)
	tests := []struct {
		what string
		cmds []Command
		code resource.Code
		text string
	}{
		{"no parts", all[len(all)-1:], resource.Conflict, "parts of the backup are missing"},
		{"a part less", all[1:], resource.Conflict, "parts of the backup are missing"},
		{"half of it", restoring("h", good[:len(good)/2], 100), resource.ValidationFailed, "ends too early"},
		{"damaged", restoring("f", flipped, 100), resource.ValidationFailed, "the backup cannot be restored"},
		{"twice as long", restoring("t", append(bytes.Clone(good), good...), 100), resource.ValidationFailed, "the backup cannot be restored"},
		{"a snapshot", restoring("n", snapshot.Bytes(), 100), resource.ValidationFailed, "is a snapshot and not a backup"},
		{"a route without its service", restoring("d", dangling.backup(), 100), resource.ValidationFailed, "refers to service default/a, which does not exist"},
	}
	for _, tt := range tests {
		s := open(t)
		s.must(put(t, service("kept", "http://a")))
		if o := s.restore(tt.cmds); resource.CodeOf(o.Err) != tt.code || !strings.Contains(o.Err.Error(), tt.text) {
			t.Errorf("%s: %v, want %s: …%s…", tt.what, o.Err, tt.code, tt.text)
		}
		if _, ok := s.get(key("service", "kept")); !ok || s.Applied() != s.index || s.Halted() != nil {
			t.Errorf("%s: the state changed: %v %d %v", tt.what, ok, s.Applied(), s.Halted())
		}
		s.must(put(t, service("more", "http://a"))) // and goes on
	}
	if _, err := (&Command{Restore: &Restore{ID: "r"}, Ops: []Op{del("service", "a")}}).Encode(); err == nil {
		t.Error("a restore together with something else can be proposed")
	}
}

// TestRestoreOfANewerVersion: what this version does not understand stops the node, and the entry
// stays in the log for one that does.
func TestRestoreOfANewerVersion(t *testing.T) {
	t.Parallel()
	s := open(t)
	newer := bytes.Clone(s.backup())
	newer[len(backupMagic)] = 9
	o := s.restore(restoring("r", newer, 100))
	if halted := new(HaltError); !errors.As(o.Err, &halted) || s.Halted() == nil {
		t.Errorf("%v", o.Err)
	}
	if s.Applied() != s.index-1 {
		t.Errorf("applied %d of %d", s.Applied(), s.index)
	}
	s.whileHalted(t)
}

// whileHalted: a halted node can be backed up.
func (s *store) whileHalted(t *testing.T) {
	var buf bytes.Buffer
	if _, err := s.Backup(&buf, testTime); err != nil {
		t.Error(err)
	}
	if _, counts, err := VerifyBackup(&buf); err != nil || counts["namespace"] != 1 || counts[Part] != 0 {
		t.Errorf("%v %v", counts, err)
	}
}

// TestRestoreOnAFullDisk: it is applied when there is space again.
func TestRestoreOnAFullDisk(t *testing.T) {
	t.Parallel()
	s := open(t)
	data := s.backup()
	s.must(put(t, service("gone", "http://a")))
	cmds := restoring("r", data, 100)
	s.restore(cmds[:len(cmds)-1])
	entry, err := cmds[len(cmds)-1].Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.newPath(), 0o700); err != nil { // nothing can be written there
		t.Fatal(err)
	}
	if err := os.WriteFile(s.newPath()+"/x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.index++
	batch := []Entry{{Index: s.index, Term: 1, Data: entry}, {Index: s.index + 1, Term: 1, NoOp: true}}
	for _, o := range s.Apply(batch) {
		if storage := new(StorageError); !errors.As(o.Err, &storage) {
			t.Fatalf("%+v", o)
		}
	}
	if _, ok := s.get(key("service", "gone")); !ok || s.Applied() != s.index-1 {
		t.Error("something was applied")
	}
	if err := os.RemoveAll(s.newPath()); err != nil {
		t.Fatal(err)
	}
	for _, o := range s.Apply(batch) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	if _, ok := s.get(key("service", "gone")); ok {
		t.Error("nothing was restored")
	}
}
