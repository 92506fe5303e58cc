package state

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Record is a resource as it is stored.
type Record struct {
	Key resource.Key
	// Data is the resource as [resource.Encode] wrote it.
	Data []byte
	// CreatedAt is when the resource was first stored, UTC.
	CreatedAt time.Time
	// UpdatedAt is when it last changed, UTC.
	UpdatedAt time.Time
	// Version is the index of the log entry that last changed it.
	Version uint64
	// Print is what [resource.Object] said, or "".
	Print string
}

// Object decodes the record and sets its metadata. It fails for kinds and data of a newer
// version of the program.
func (r Record) Object() (resource.Object, error) {
	kind, ok := resource.ByName(r.Key.Kind)
	if !ok {
		return nil, fmt.Errorf("stored %s: the kind is unknown to this version", r.Key)
	}
	obj, err := resource.DecodeStored(kind, r.Data)
	if err != nil {
		return nil, err
	}
	*obj.Metadata() = resource.Meta{CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, Version: r.Version}
	return obj, nil
}

// stored is the value of a resource in the database.
type stored struct {
	created, updated int64 // nanoseconds since 1970
	version          uint64
	data             []byte
	refs             []resource.Reference
	claims           []resource.Claim
	print            string
}

// The fields of a stored resource.
const (
	recCreated protowire.Number = 1
	recUpdated protowire.Number = 2
	recVersion protowire.Number = 3
	recData    protowire.Number = 4
	recRef     protowire.Number = 5
	recClaim   protowire.Number = 6
	recPrint   protowire.Number = 7
)

func (s *stored) encode() []byte {
	b := make([]byte, 0, len(s.data)+128)
	b = appendVarint(b, recCreated, uint64(s.created))
	b = appendVarint(b, recUpdated, uint64(s.updated))
	b = appendVarint(b, recVersion, s.version)
	b = appendString(b, recData, s.data)
	b = appendLinks(b, recRef, recClaim, s.refs, s.claims)
	b = appendString(b, recPrint, s.print)
	return appendChecksum(b)
}

// decodeStored reads a value. Its data is a part of value; its strings are copies.
func decodeStored(value []byte, links bool) (*stored, error) {
	body, err := cutChecksum(value)
	if err != nil {
		return nil, err
	}
	s := &stored{}
	err = eachField(body, func(f field) (err error) {
		var v uint64
		switch f.number {
		case recCreated:
			v, err = f.varint()
			s.created = int64(v)
		case recUpdated:
			v, err = f.varint()
			s.updated = int64(v)
		case recVersion:
			s.version, err = f.varint()
		case recData:
			s.data, err = f.bytes()
		case recRef:
			if links {
				return decodeRef(f, &s.refs)
			}
		case recClaim:
			if links {
				return decodeClaim(f, &s.claims)
			}
		case recPrint:
			s.print, err = f.string()
		default:
			return unknownField("a stored resource", f)
		}
		return err
	})
	return s, err
}

// record makes what callers see, with a copy of the data.
func (s *stored) record(key resource.Key) Record {
	return Record{
		Key:       key,
		Data:      append([]byte(nil), s.data...),
		CreatedAt: time.Unix(0, s.created).UTC(),
		UpdatedAt: time.Unix(0, s.updated).UTC(),
		Version:   s.version,
		Print:     s.print,
	}
}
