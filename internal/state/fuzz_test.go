package state

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
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
