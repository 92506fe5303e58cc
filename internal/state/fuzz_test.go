package state

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// FuzzEntry feeds a log entry to the decoder and to a database. Whatever it is, the answer is an
// outcome or a halt for a reason, and not a panic.
func FuzzEntry(f *testing.F) {
	cmd := Command{ID: [16]byte{1}, Time: testTime, Proposer: "p", ClusterID: "c", Ops: []Op{
		put(f, namespace("default", "default")), put(f, service("s", "http://a")),
		put(f, route("r", "s", nil, get, "/r")), del("service", "s"),
		put(f, collection("c", `{"type":"object"}`)), document(f, "c", "d", `{}`, collection("c", `{"type":"object"}`)),
	}}
	data, err := cmd.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	restore := &Restore{ID: "r", Sum: [32]byte{1}}
	for _, cmd := range []Command{
		{ID: [16]byte{2}, ClusterID: "d", ReplaceID: true},
		{Restore: restore},
		{Ops: append(own("x"), Require(resource.Key{Kind: Lock, Name: "l"}, Condition{Mode: AtVersion, Version: 3}), restore.PutPart(0, []byte("p")))},
	} {
		more, err := cmd.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(more)
	}
	for _, part := range Split(bytes.Repeat(data, 1+MaxEntry/len(data))) {
		if len(part) < 1000 {
			f.Add(part)
		}
	}
	f.Add([]byte{2, 3})
	f.Add([]byte{})
	db, err := Open(f.TempDir(), Options{BootID: "boot"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		defer modest(t)()
		// Once as it is, once with a checksum that is right, to get further in.
		whole := data
		if len(data) > checksumSize {
			whole = appendChecksum(bytes.Clone(data[:len(data)-checksumSize]))
		}
		for _, entry := range [][]byte{data, whole} {
			db.halted = nil
			outcome := db.Apply([]Entry{{Index: db.Applied() + 1, Term: 1, Data: entry}})[0]
			var halt *HaltError
			if errors.As(outcome.Err, &halt) && strings.Contains(halt.Reason, "panic") {
				t.Fatalf("%s", halt.Reason)
			}
			if storage, ok := errors.AsType[*StorageError](outcome.Err); ok {
				t.Fatalf("the database refused: %v", storage)
			}
			env, err := decodeEnvelope(entry)
			if err != nil {
				continue
			}
			for _, c := range env.command.changes {
				again, err := decodeChange(c.encode())
				if err != nil {
					t.Fatalf("encoded but does not decode: %v", err)
				}
				if diff := cmp.Diff(c.encode(), again.encode()); diff != "" {
					t.Fatalf("decoded differently:\n%s", diff)
				}
			}
		}
	})
}

// modest is called before something is decoded, and what it returns afterwards: what was decoded is
// small, so that little memory should have been taken.
func modest(t *testing.T) func() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	return func() {
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 64<<20 {
			t.Errorf("%d bytes were allocated", after.TotalAlloc-before.TotalAlloc)
		}
	}
}

// FuzzMeta feeds a description of the state to its decoder.
func FuzzMeta(f *testing.F) {
	m := meta{format: 1, index: 2, term: 3, clusterID: "c", changes: 4, latestIndex: 5, ids: 6, chunkBytes: 7, origin: "o", taken: 8}
	f.Add(m.encode())
	f.Add((&meta{}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		defer modest(t)()
		for _, in := range [][]byte{data, appendChecksum(bytes.Clone(data))} {
			m, err := decodeMeta(in)
			if err != nil {
				continue
			}
			again, err := decodeMeta(m.encode())
			if err != nil || again != m {
				t.Fatalf("decoded %+v, and then %+v, %v", m, again, err)
			}
		}
	})
}

// FuzzOutcome feeds what is remembered of a command to those who ask for it.
func FuzzOutcome(f *testing.F) {
	s := open(f)
	cmd := Command{ID: [16]byte{5}, Ops: []Op{put(f, service("s", "http://a")), del("service", "s"), put(f, service("t", "http://a"))}}
	s.command(cmd)
	err := s.View(func(r *Reader) error {
		f.Add(bytes.Clone(r.tx.Bucket(bucketIDs).Get(cmd.ID[:])))
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		defer modest(t)()
		err := s.handle.bolt.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketIDs).Put(cmd.ID[:], data) })
		if err != nil {
			t.Fatal(err)
		}
		o, known, err := s.Outcome(&cmd)
		if known && err == nil && o.Err == nil && len(o.Results) != len(cmd.Ops) {
			t.Fatalf("%d results", len(o.Results))
		}
	})
}

// FuzzBackup feeds a backup to the reader, and to a database that is to restore it.
func FuzzBackup(f *testing.F) {
	s := open(f)
	s.must(put(f, service("s", "http://a")), put(f, route("r", "s", nil, get, "/r")))
	s.must(own("x")...)
	good := s.backup()
	f.Add(good)
	header := bytes.Clone(good[:bytes.Index(good, []byte{0x28, 0xb5, 0x2f, 0xfd})])
	dec, err := zstd.NewReader(bytes.NewReader(good[len(header):]), zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	body, err := io.ReadAll(dec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body[:len(body)-sha256.Size])
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	target := open(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		target.TB = t
		defer modest(t)()
		sum := sha256.Sum256(append(bytes.Clone(header), data...))
		framed := append(bytes.Clone(header), enc.EncodeAll(append(bytes.Clone(data), sum[:]...), nil)...)
		for _, in := range [][]byte{data, framed} {
			_, _, sound := VerifyBackup(bytes.NewReader(in))
			cmds := restoring("r", in, PartSize)
			cmds[len(cmds)-1].ID = [16]byte{} // each is a new one
			before := target.Hash()
			o := target.restore(cmds)
			if err := target.Halted(); err != nil && strings.Contains(err.Error(), "panic") {
				t.Fatal(err)
			}
			if target.Halted() != nil { // of a newer version
				target.halted, target.index = nil, target.Applied()
				continue
			}
			if sound == nil && o.Err != nil && resource.CodeOf(o.Err) != resource.ValidationFailed {
				t.Fatalf("a sound backup: %v", o.Err)
			}
			if o.Err != nil && len(cmds) == 1 && target.Hash() != before {
				t.Fatal("what was refused changed the state")
			}
		}
	})
}

// FuzzSnapshot feeds a snapshot to the reader, as it is and as the inside of a well-formed one.
func FuzzSnapshot(f *testing.F) {
	s := open(f)
	s.must(put(f, service("s", "http://a")), put(f, route("r", "s", nil, get, "/r")))
	s.entries(Split(bytes.Repeat([]byte("x"), MaxEntry+1))[0])
	var buf bytes.Buffer
	if _, err := s.DB.Snapshot(&buf); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	header := bytes.Clone(buf.Bytes()[:bytes.Index(buf.Bytes(), []byte{0x28, 0xb5, 0x2f, 0xfd})])
	dec, err := zstd.NewReader(bytes.NewReader(buf.Bytes()[len(header):]), zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	body, err := io.ReadAll(dec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body[:len(body)-sha256.Size])
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	target := open(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		defer modest(t)()
		sum := sha256.Sum256(append(bytes.Clone(header), data...))
		framed := append(bytes.Clone(header), enc.EncodeAll(append(bytes.Clone(data), sum[:]...), nil)...)
		for _, in := range [][]byte{data, framed} {
			if _, err := VerifySnapshot(bytes.NewReader(in)); err != nil {
				continue
			}
			before := target.Hash()
			err := target.Restore(bytes.NewReader(in))
			if err != nil && target.Hash() != before {
				t.Fatal("a snapshot that was refused changed the state")
			}
			if err == nil && target.Hash() != s.Hash() {
				t.Fatal("a snapshot was accepted that is not of the state")
			}
		}
	})
}
