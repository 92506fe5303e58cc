package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ReadSnapshotHeader reads what a snapshot is of. It does not verify the rest.
func ReadSnapshotHeader(r io.Reader) (SnapshotHeader, error) {
	m, _, err := readHeader(bufio.NewReader(r), sha256.New())
	if err != nil {
		return SnapshotHeader{}, fmt.Errorf("read snapshot: %w", err)
	}
	return m.header(), nil
}

// VerifySnapshot reads a whole snapshot and says whether it is complete and undamaged.
func VerifySnapshot(r io.Reader) (SnapshotHeader, error) {
	m, err := readSnapshot(r, snapshotMagic, func(section, []byte, []byte) error { return nil })
	if err != nil {
		return SnapshotHeader{}, fmt.Errorf("read snapshot: %w", err)
	}
	return m.header(), nil
}

// byteReader is what the header is read from.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// readHeader reads everything before the compressed part.
func readHeader(r byteReader, sum hash.Hash) (m meta, magic string, err error) {
	start := make([]byte, len(snapshotMagic)+1)
	if _, err := io.ReadFull(r, start); err != nil {
		return m, "", cutOff(err)
	}
	magic = string(start[:len(snapshotMagic)])
	if magic != snapshotMagic && magic != backupMagic {
		return m, "", errors.New("it is neither a snapshot nor a backup")
	}
	if v := start[len(snapshotMagic)]; v != snapshotVersion {
		return m, "", unknownf("it has the unknown version %d", v)
	}
	sum.Write(start)
	msg, err := readMessage(r, sum, maxHeader)
	if err != nil {
		return m, "", err
	}
	m, err = decodeMeta(msg)
	if err == nil && m.format != fileFormat {
		err = unknownf("it has the unknown format %d", m.format)
	}
	return m, magic, err
}

// readSnapshot reads a snapshot, or what else has the magic, to its end and calls add for every
// record. Only when it returns without an error is the snapshot sound. It allocates little more
// than the largest record, whatever the input says.
func readSnapshot(r io.Reader, magic string, add func(s section, key, value []byte) error) (meta, error) {
	sum := sha256.New()
	in := bufio.NewReaderSize(r, 64<<10)
	m, found, err := readHeader(in, sum)
	if err != nil {
		return m, err
	}
	if found != magic {
		return m, fmt.Errorf("it is a %s and not a %s", magicName(found), magicName(magic))
	}
	dec, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return m, err
	}
	defer dec.Close()
	body := bufio.NewReaderSize(dec, 64<<10)
	var count uint64
	var lastSection section
	var lastKey []byte
	for {
		msg, err := readMessage(body, sum, maxRecord)
		if err != nil {
			return m, err
		}
		if len(msg) == 0 {
			break
		}
		count++
		s, key, value, err := decodeRecord(msg)
		if err != nil {
			return m, err
		}
		if s < lastSection || s == lastSection && bytes.Compare(key, lastKey) <= 0 {
			return m, errors.New("its records are out of order")
		}
		lastSection, lastKey = s, append(lastKey[:0], key...)
		if err := add(s, key, value); err != nil {
			return m, err
		}
	}
	return m, readTrailer(body, sum, count)
}

func magicName(magic string) string {
	if magic == backupMagic {
		return "backup"
	}
	return "snapshot"
}

func readTrailer(body io.Reader, sum hash.Hash, count uint64) error {
	trailer := make([]byte, 8+sha256.Size)
	if _, err := io.ReadFull(body, trailer); err != nil {
		return cutOff(err)
	}
	sum.Write(trailer[:8])
	switch {
	case binary.BigEndian.Uint64(trailer) != count:
		return errors.New("records are missing")
	case !bytes.Equal(sum.Sum(nil), trailer[8:]):
		return errors.New("its checksum does not match: the bytes are damaged")
	}
	if n, err := io.CopyN(io.Discard, body, 1); n != 0 || !errors.Is(err, io.EOF) {
		return errors.New("there is more after its end")
	}
	return nil
}

func decodeRecord(msg []byte) (s section, key, value []byte, err error) {
	err = eachField(msg, func(f field) (err error) {
		switch f.number {
		case 1:
			var v uint64
			v, err = f.varint()
			s = section(v)
		case 2:
			key, err = f.bytes()
		case 3:
			value, err = f.bytes()
		default:
			return unknownField("a record", f)
		}
		return err
	})
	if err == nil && (s < sectionResource || s > sectionChunk) {
		err = unknownf("it has the unknown section %d", s)
	}
	return s, key, value, err
}

// readMessage reads a length and so many bytes, and hashes both. It allocates as the bytes come,
// not as the length says.
func readMessage(r byteReader, sum hash.Hash, limit uint64) ([]byte, error) {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, cutOff(err)
	}
	if size > limit {
		return nil, fmt.Errorf("it has a record of %d bytes", size)
	}
	sum.Write(binary.AppendUvarint(nil, size))
	var buf bytes.Buffer
	if n, err := io.CopyN(&buf, r, int64(size)); err != nil || n != int64(size) {
		return nil, cutOff(err)
	}
	sum.Write(buf.Bytes())
	return buf.Bytes(), nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is damaged or cut off: it ends too early")
	}
	return err
}
