package state

import (
	"errors"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of this package are written by hand with protowire: they are small, their
// encoding must be the same bytes on every node and in every version (which generated code does
// not promise), and decoding must tell unknown fields instead of keeping them silently.

// Fields from ignorable on may be unknown and are skipped; unknown ones below mean that a newer
// version wrote something that matters.
const ignorable protowire.Number = 100

// checksumField is the last field of messages that are stored: a CRC-32C of all bytes before it.
const checksumField protowire.Number = 15

var errMalformed = errors.New("malformed message")

// unknownError is something that a newer version of the program must have written.
type unknownError struct{ what string }

func (e *unknownError) Error() string { return e.what }

// unknownf makes an unknownError.
func unknownf(format string, args ...any) error { return &unknownError{fmt.Sprintf(format, args...)} }

// field is one decoded field: num holds varint and fixed values, data those with a length.
type field struct {
	number protowire.Number
	typ    protowire.Type
	num    uint64
	data   []byte
}

// varint checks the wire type of a number.
func (f field) varint() (uint64, error) {
	if f.typ != protowire.VarintType {
		return 0, errMalformed
	}
	return f.num, nil
}

// bytes checks the wire type of a string.
func (f field) bytes() ([]byte, error) {
	if f.typ != protowire.BytesType {
		return nil, errMalformed
	}
	return f.data, nil
}

// eachField calls read for every field of a message. The data of fields are parts of msg.
func eachField(msg []byte, read func(field) error) error {
	for len(msg) > 0 {
		number, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return errMalformed
		}
		msg = msg[n:]
		f := field{number: number, typ: typ}
		switch typ {
		case protowire.VarintType:
			f.num, n = protowire.ConsumeVarint(msg)
		case protowire.BytesType:
			f.data, n = protowire.ConsumeBytes(msg)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(msg)
			f.num = uint64(v)
		case protowire.Fixed64Type:
			f.num, n = protowire.ConsumeFixed64(msg)
		default:
			return errMalformed
		}
		if n < 0 {
			return errMalformed
		}
		msg = msg[n:]
		if err := read(f); err != nil {
			return err
		}
	}
	return nil
}

// unknownField is the answer to a field that read has no case for.
func unknownField(message string, f field) error {
	if f.number >= ignorable {
		return nil
	}
	return unknownf("%s has the unknown field %d", message, f.number)
}

func appendVarint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

func appendString[T string | []byte](b []byte, n protowire.Number, v T) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, n, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(v)))
	return append(b, v...)
}

// checksumSize is how many bytes [appendChecksum] adds: a tag and a fixed32.
const checksumSize = 5

// castagnoli is only read; crc32.MakeTable returns the same one every time.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func appendChecksum(b []byte) []byte {
	sum := checksum(b)
	return protowire.AppendFixed32(protowire.AppendTag(b, checksumField, protowire.Fixed32Type), sum)
}

// cutChecksum verifies and removes the checksum at the end of a message.
func cutChecksum(b []byte) ([]byte, error) {
	if len(b) < checksumSize {
		return nil, errMalformed
	}
	body, tail := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	number, typ, n := protowire.ConsumeTag(tail)
	if n < 0 || number != checksumField || typ != protowire.Fixed32Type {
		return nil, errMalformed
	}
	sum, _ := protowire.ConsumeFixed32(tail[n:])
	if sum != checksum(body) {
		return nil, errors.New("checksum does not match: the bytes are damaged")
	}
	return body, nil
}
