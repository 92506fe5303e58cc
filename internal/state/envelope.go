package state

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// FeatureLevel is the newest level of commands that this version of the program understands. A
// command says which level it needs; one above ours stops this node from applying.
const FeatureLevel = 1

// formatPlain is the first byte of every log entry: a protobuf message follows, its last field
// a checksum of everything before it. Other values are left for compression and encryption.
const formatPlain byte = 0x01

// The fields of an envelope.
//
//	message Envelope {
//	  bytes  id          = 1;  // 16 bytes
//	  int64  time        = 2;  // nanoseconds since 1970, UTC
//	  uint64 min_version = 3;
//	  string proposer    = 4;
//	  repeated Change changes = 5;
//	  bytes  chunk       = 6;  // alone: a part of a large command
//	  Large  large       = 7;  // alone: a command made of chunks
//	  uint64 since       = 8;  // the last entry that the proposer had at its first try
//	  fixed32 checksum   = 15;
//	}
const (
	envID         protowire.Number = 1
	envTime       protowire.Number = 2
	envMinVersion protowire.Number = 3
	envProposer   protowire.Number = 4
	envChange     protowire.Number = 5
	envChunk      protowire.Number = 6
	envLarge      protowire.Number = 7
	envSince      protowire.Number = 8
)

// The fields of a change.
const (
	changeTypeField protowire.Number = 1
	changeKind      protowire.Number = 2
	changeNamespace protowire.Number = 3
	changeName      protowire.Number = 4
	changeData      protowire.Number = 5
	changeMode      protowire.Number = 6
	changeVersion   protowire.Number = 7
	changeRef       protowire.Number = 8 // field, kind, namespace, name, print
	changeClaim     protowire.Number = 9 // field, token, text
	changeClusterID protowire.Number = 10
	changePrint     protowire.Number = 11
)

// envelope is a decoded log entry: a command, or a chunk, or a reference to chunks.
type envelope struct {
	command Command
	chunk   []byte
	large   *large
}

// Encode writes the command as one log entry, which may be too large for a log: see [Split].
// Errors have a code: bad_request for what cannot be read, too_large above [MaxCommandSize].
func (c *Command) Encode() ([]byte, error) {
	changes, err := c.changesOf()
	if err != nil {
		return nil, err
	}
	b := []byte{formatPlain}
	if c.ID != [16]byte{} {
		b = appendString(b, envID, c.ID[:])
	}
	b = appendVarint(b, envTime, uint64(c.Time.UnixNano()))
	b = appendVarint(b, envMinVersion, uint64(levelOf(changes)))
	b = appendString(b, envProposer, c.Proposer)
	b = appendVarint(b, envSince, c.Since)
	for _, ch := range changes {
		b = appendString(b, envChange, ch.encode())
		if len(b) > MaxCommandSize {
			return nil, resource.Errorf(resource.TooLarge, "a command must not be larger than %d bytes", MaxCommandSize)
		}
	}
	return appendChecksum(b), nil
}

// Decode reads a log entry that holds a whole command. It allocates no more than a small
// multiple of the entry.
func Decode(entry []byte) (*Command, error) {
	env, err := decodeEnvelope(entry)
	if err != nil {
		return nil, err
	}
	if env.chunk != nil || env.large != nil {
		return nil, errors.New("the entry is only a part of a command")
	}
	for _, ch := range env.command.changes {
		switch ch.typ {
		case setClusterID, replaceClusterID:
			env.command.ClusterID, env.command.ReplaceID = ch.clusterID, ch.typ == replaceClusterID
			continue
		case restoreBackup:
			env.command.Restore = ch.restore()
			continue
		}
		env.command.Ops = append(env.command.Ops, ch.op())
	}
	return &env.command, nil
}

// Verify says whether an entry is undamaged, whatever it means. Of formats that this version does
// not know it cannot tell, and says nothing.
func Verify(entry []byte) error {
	if len(entry) > 0 && entry[0] != formatPlain {
		return nil
	}
	_, err := cutChecksum(entry)
	return err
}

// decodeEnvelope reads a log entry. Everything that it does not know is an error.
func decodeEnvelope(entry []byte) (*envelope, error) {
	if len(entry) == 0 {
		return nil, errors.New("the entry is empty")
	}
	if entry[0] != formatPlain {
		return nil, unknownf("the entry has the unknown format %d", entry[0])
	}
	body, err := cutChecksum(entry)
	if err != nil {
		return nil, err
	}
	env := &envelope{}
	cmd := &env.command
	// The level first: fields may mean something else in a newer one.
	if err := checkLevel(body[1:]); err != nil {
		return nil, err
	}
	err = eachField(body[1:], func(f field) error {
		switch f.number {
		case envID:
			id, err := f.bytes()
			if err != nil || len(id) != len(cmd.ID) {
				return errMalformed
			}
			copy(cmd.ID[:], id)
		case envTime:
			ns, err := f.varint()
			cmd.Time = time.Unix(0, int64(ns)).UTC()
			return err
		case envMinVersion:
		case envSince:
			var err error
			cmd.Since, err = f.varint()
			return err
		case envProposer:
			p, err := f.bytes()
			cmd.Proposer = string(p)
			return err
		case envChange:
			if len(cmd.changes) > MaxOps {
				return fmt.Errorf("more than %d operations", MaxOps)
			}
			msg, err := f.bytes()
			if err != nil {
				return err
			}
			ch, err := decodeChange(msg)
			cmd.changes = append(cmd.changes, ch)
			return err
		case envChunk:
			env.chunk, err = f.bytes()
			return err
		case envLarge:
			msg, err := f.bytes()
			if err != nil {
				return err
			}
			env.large, err = decodeLarge(msg)
			return err
		default:
			return unknownField("the command", f)
		}
		return nil
	})
	return env, err
}

// checkLevel finds the level that a command needs.
func checkLevel(body []byte) error {
	return eachField(body, func(f field) error {
		if f.number == envMinVersion && f.num > FeatureLevel {
			return unknownf("the command needs feature level %d, this program has %d", f.num, FeatureLevel)
		}
		return nil
	})
}

func (c change) encode() []byte {
	b := make([]byte, 0, len(c.data)+128)
	b = appendVarint(b, changeTypeField, uint64(c.typ))
	b = appendString(b, changeKind, c.key.Kind)
	b = appendString(b, changeNamespace, c.key.Namespace)
	b = appendString(b, changeName, c.key.Name)
	b = appendString(b, changeData, c.data)
	b = appendVarint(b, changeMode, uint64(c.cond.Mode))
	b = appendVarint(b, changeVersion, c.cond.Version)
	b = appendLinks(b, changeRef, changeClaim, c.refs, c.claims)
	b = appendString(b, changeClusterID, c.clusterID)
	return appendString(b, changePrint, c.print)
}

func decodeChange(msg []byte) (change, error) {
	var c change
	err := eachField(msg, func(f field) (err error) {
		var v uint64
		switch f.number {
		case changeTypeField:
			v, err = f.varint()
			c.typ = changeType(v)
		case changeKind:
			c.key.Kind, err = f.string()
		case changeNamespace:
			c.key.Namespace, err = f.string()
		case changeName:
			c.key.Name, err = f.string()
		case changeData:
			c.data, err = f.bytes()
		case changeMode:
			v, err = f.varint()
			c.cond.Mode = Mode(v)
			if v > uint64(AtVersion) {
				return unknownf("the command has the unknown condition %d", v)
			}
		case changeVersion:
			c.cond.Version, err = f.varint()
		case changeRef:
			return decodeRef(f, &c.refs)
		case changeClaim:
			return decodeClaim(f, &c.claims)
		case changeClusterID:
			c.clusterID, err = f.string()
		case changePrint:
			c.print, err = f.string()
		default:
			return unknownField("an operation", f)
		}
		return err
	})
	if err == nil && (c.typ == 0 || c.typ > lastKnownChange) {
		err = unknownf("the command has the unknown operation %d", c.typ)
	}
	return c, err
}

func (f field) string() (string, error) {
	b, err := f.bytes()
	return string(b), err
}

// appendLinks writes references and claims.
func appendLinks(b []byte, refField, claimField protowire.Number, refs []resource.Reference, claims []resource.Claim) []byte {
	var sub []byte
	for _, r := range refs {
		sub = appendString(sub[:0], 1, r.Field)
		sub = appendString(sub, 2, r.Target.Kind)
		sub = appendString(sub, 3, r.Target.Namespace)
		sub = appendString(sub, 4, r.Target.Name)
		sub = appendString(sub, 5, r.Print)
		b = appendString(b, refField, sub)
	}
	for _, c := range claims {
		sub = appendString(sub[:0], 1, c.Field)
		sub = appendString(sub, 2, c.Token)
		sub = appendString(sub, 3, c.Text)
		b = appendString(b, claimField, sub)
	}
	return b
}

func decodeRef(f field, refs *[]resource.Reference) error {
	msg, err := f.bytes()
	if err != nil {
		return err
	}
	var r resource.Reference
	*refs, err = decodeStrings(*refs, &r, msg, "a reference", &r.Field, &r.Target.Kind, &r.Target.Namespace, &r.Target.Name, &r.Print)
	return err
}

func decodeClaim(f field, claims *[]resource.Claim) error {
	msg, err := f.bytes()
	if err != nil {
		return err
	}
	var c resource.Claim
	*claims, err = decodeStrings(*claims, &c, msg, "a claim", &c.Field, &c.Token, &c.Text)
	return err
}

// decodeStrings reads a message whose fields 1, 2, … are strings and appends what it filled.
func decodeStrings[T any](list []T, item *T, msg []byte, name string, into ...*string) ([]T, error) {
	err := eachField(msg, func(f field) (err error) {
		if int(f.number) > len(into) {
			return unknownField(name, f)
		}
		*into[f.number-1], err = f.string()
		return err
	})
	return append(list, *item), err
}
