package state

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// A command that is too large for one log entry travels in pieces: each chunk is an entry of its
// own, stored under the hash of its bytes, and a last small entry lists the hashes. Chunks are
// counted: two proposers that send the same bytes at the same time each have their own claim on
// them. A chunk goes away with the command that uses it, or by [batch.collectChunks].

// Sizes of entries and of what waits to be assembled, in bytes.
const (
	// MaxEntry bounds a log entry; a larger command is split.
	MaxEntry = 300 << 10
	// chunkSize is the payload of one chunk.
	chunkSize = 256 << 10
	// chunkBudget bounds the chunks that wait for their command.
	chunkBudget = 64 << 20
	// chunkAge is after how many log entries a chunk without a command is dropped.
	chunkAge = 65_536
	// maxChunks bounds the list of a command.
	maxChunks = MaxCommandSize/chunkSize + 1
)

// ErrChunksMissing is the cause of an outcome when parts of a large command were dropped before
// the command arrived. Proposing it again, from its first part, is safe.
var ErrChunksMissing = errors.New("parts of the command are missing")

// large lists the chunks of a command.
type large struct {
	size uint64
	sums [][sha256.Size]byte
}

// Split cuts an encoded command into log entries, to be applied in order. The outcome of the
// command is that of the last one.
func Split(command []byte) [][]byte {
	if len(command) <= MaxEntry {
		return [][]byte{command}
	}
	var entries [][]byte
	l := large{size: uint64(len(command))}
	for rest := command; len(rest) > 0; {
		n := min(chunkSize, len(rest))
		entry := appendVarint([]byte{formatPlain}, envMinVersion, FeatureLevel)
		entries = append(entries, appendChecksum(appendString(entry, envChunk, rest[:n])))
		l.sums = append(l.sums, sha256.Sum256(rest[:n]))
		rest = rest[n:]
	}
	last := appendVarint([]byte{formatPlain}, envMinVersion, FeatureLevel)
	return append(entries, appendChecksum(appendString(last, envLarge, l.encode())))
}

func (l *large) encode() []byte {
	b := appendVarint(nil, 1, l.size)
	for _, sum := range l.sums {
		b = appendString(b, 2, sum[:])
	}
	return b
}

func decodeLarge(msg []byte) (*large, error) {
	l := &large{}
	err := eachField(msg, func(f field) (err error) {
		switch f.number {
		case 1:
			l.size, err = f.varint()
		case 2:
			b, err := f.bytes()
			if err != nil || len(b) != sha256.Size || len(l.sums) == maxChunks {
				return errMalformed
			}
			l.sums = append(l.sums, [sha256.Size]byte(b))
		default:
			return unknownField("a large command", f)
		}
		return err
	})
	return l, err
}

// A stored chunk is preceded by how often it is wanted and the index of its place in the order.
type chunkHeader struct {
	wanted uint32
	index  uint64
}

const chunkHeaderSize = 12

func (h chunkHeader) append(data []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, chunkHeaderSize+len(data)), h.wanted)
	b = binary.BigEndian.AppendUint64(b, h.index)
	return append(b, data...)
}

func cutChunkHeader(value []byte) (chunkHeader, []byte, error) {
	if len(value) < chunkHeaderSize {
		return chunkHeader{}, nil, fmt.Errorf("stored chunk: %w", errMalformed)
	}
	return chunkHeader{binary.BigEndian.Uint32(value), binary.BigEndian.Uint64(value[4:])}, value[chunkHeaderSize:], nil
}

// putChunk stores a chunk, or counts it once more.
func (b *batch) putChunk(index uint64, data []byte) error {
	chunks, order := b.tx.Bucket(bucketChunks), b.tx.Bucket(bucketChunkOrder)
	sum := sha256.Sum256(data)
	header := chunkHeader{index: index}
	if old := chunks.Get(sum[:]); old != nil {
		h, _, err := cutChunkHeader(old)
		if err != nil {
			return err
		}
		if err := order.Delete(indexKey(h.index)); err != nil {
			return err
		}
		header.wanted = h.wanted
	} else {
		b.meta.chunkBytes += uint64(len(data))
	}
	header.wanted++
	if err := order.Put(indexKey(index), sum[:]); err != nil {
		return err
	}
	if err := chunks.Put(sum[:], header.append(data)); err != nil {
		return err
	}
	return b.collectChunks(index)
}

// collectChunks drops the oldest chunks while there are too many bytes of them, and those that
// nobody used for a long time. It depends on the log alone, so all nodes drop the same ones.
func (b *batch) collectChunks(index uint64) error {
	order := b.tx.Bucket(bucketChunkOrder)
	for {
		key, sum := order.Cursor().First()
		if key == nil {
			return nil
		}
		if len(key) != 8 {
			return fmt.Errorf("order of chunks: %w", errMalformed)
		}
		old := binary.BigEndian.Uint64(key)
		if b.meta.chunkBytes <= chunkBudget && old+chunkAge > index {
			return nil
		}
		if err := b.dropChunk(key, sum); err != nil {
			return err
		}
	}
}

func (b *batch) dropChunk(orderKey, sum []byte) error {
	chunks := b.tx.Bucket(bucketChunks)
	_, data, err := cutChunkHeader(chunks.Get(sum))
	if err != nil {
		return err
	}
	b.meta.chunkBytes -= uint64(len(data))
	if err := chunks.Delete(sum); err != nil {
		return err
	}
	return b.tx.Bucket(bucketChunkOrder).Delete(orderKey)
}

// assemble joins the chunks of a command and gives up its claim on them. The first error is the
// outcome of the command, the second one that of the database.
func (b *batch) assemble(l *large) (command []byte, outcome, err error) {
	chunks := b.tx.Bucket(bucketChunks)
	if l.size > MaxCommandSize+1024 {
		return nil, resource.Errorf(resource.TooLarge, "a command must not be larger than %d bytes", MaxCommandSize), nil
	}
	command = make([]byte, 0, l.size)
	for _, sum := range l.sums {
		value := chunks.Get(sum[:])
		if value == nil {
			outcome = &resource.Error{Code: resource.Overloaded, Message: "too many large changes at once; try again", Err: ErrChunksMissing}
			continue
		}
		header, data, err := cutChunkHeader(value)
		if err != nil {
			return nil, nil, err
		}
		if uint64(len(command)+len(data)) > l.size {
			return nil, resource.Errorf(resource.BadRequest, "a command does not have the size that it says"), nil
		}
		command = append(command, data...)
		if header.wanted > 1 {
			header.wanted--
			err = chunks.Put(sum[:], header.append(data))
		} else {
			err = b.dropChunk(indexKey(header.index), sum[:])
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if outcome == nil && uint64(len(command)) != l.size {
		outcome = resource.Errorf(resource.BadRequest, "a command does not have the size that it says")
	}
	return command, outcome, nil
}

// countChunks recomputes the bytes of all chunks, for a restored database.
func countChunks(tx *bolt.Tx) (uint64, error) {
	var total uint64
	err := tx.Bucket(bucketChunks).ForEach(func(_, value []byte) error {
		_, data, err := cutChunkHeader(value)
		total += uint64(len(data))
		return err
	})
	return total, err
}
