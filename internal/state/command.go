package state

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Mode says what a [Condition] demands of the resource that an operation changes.
type Mode uint8

// The modes of conditions.
const (
	// Any demands nothing.
	Any Mode = iota
	// Absent demands that the resource does not exist: create only.
	Absent
	// Present demands that the resource exists: replace only.
	Present
	// AtVersion demands that the resource exists and has the version of the condition.
	AtVersion
)

// Condition must hold when an operation is applied, or its whole command fails with the code
// precondition_failed.
type Condition struct {
	Mode    Mode
	Version uint64 // for AtVersion
}

// Op is one change of one resource.
type Op struct {
	// Delete removes the resource instead of storing it.
	Delete bool
	// Key names the resource.
	Key resource.Key
	// Data is what [resource.Encode] made of a validated object; nil for Delete.
	Data []byte
	// If must hold for the change to happen.
	If Condition
	// Against has the prints of resources that Data was checked against. One that has another
	// print when the operation is applied refuses it with the code conflict.
	Against map[resource.Key]string
	// Needs are resources that must exist for as long as this one does: they are not deleted
	// before it, or together with it. Only those of the store's own kinds have such, see [Internal].
	Needs []resource.Key
	// Only makes the operation a condition: If must hold for its command to happen, and the
	// resource stays as it is. See [Require].
	Only bool
}

// Put makes the operation that stores an object.
func Put(obj resource.Object, cond Condition) (Op, error) {
	data, err := resource.Encode(obj)
	if err != nil {
		return Op{}, fmt.Errorf("encode %s: %w", obj.Key(), err)
	}
	return Op{Key: obj.Key(), Data: data, If: cond}, nil
}

// Delete makes the operation that removes a resource.
func Delete(key resource.Key, cond Condition) Op { return Op{Delete: true, Key: key, If: cond} }

// Require makes the operation that changes nothing: its whole command happens only if cond holds
// for the resource. With the version of a lock it is the fence that keeps out who has lost it.
func Require(key resource.Key, cond Condition) Op { return Op{Only: true, Key: key, If: cond} }

// Command is a group of changes that happen together or not at all.
type Command struct {
	// ID identifies the command: one that was applied already is answered with its first
	// outcome. The zero ID is not remembered.
	ID [16]byte
	// Since is the last entry that the proposer had applied when it tried the command for the first
	// time. One whose ID is not remembered any more is refused, see [ErrForgotten].
	Since uint64
	// Time becomes createdAt and updatedAt. The proposer stamps it; applying reads no clock.
	Time time.Time
	// Proposer is the server id of the node that made the command; informational.
	Proposer string
	// ClusterID, if not empty, names the cluster. Only the first command of a log has it, unless
	// it is one with ReplaceID.
	ClusterID string
	// ReplaceID gives a cluster that has an id another one: what became of a cluster is a new one
	// then, whose members the old ones are not. [DB.SealID] stays as it was.
	ReplaceID bool
	// Ops are the changes, in order: later ones see what earlier ones did.
	Ops []Op
	// Restore, if set, replaces everything by a backup. It is alone: there are no Ops.
	Restore *Restore

	// changes are the ops of a decoded command, with what the proposer derived from them.
	changes []change
}

// Limits of commands, in bytes and operations.
const (
	// MaxCommandSize bounds an encoded command. It leaves room for several modules of 4 MiB.
	MaxCommandSize = 24 << 20
	// MaxOps bounds the operations of one command.
	MaxOps = 10_000
	// maxPart bounds a kind, a namespace or a name in a key.
	maxPart = 1 << 10
	// maxToken bounds the token of a claim; it is part of a bbolt key.
	maxToken = 16 << 10
)

// changeType is what a change does; part of the format.
type changeType uint64

const (
	putResource     changeType = 1
	deleteResource  changeType = 2
	setClusterID    changeType = 3
	requireResource changeType = 4
	// replaceClusterID is setClusterID for a cluster that has an id.
	replaceClusterID changeType = 5
	restoreBackup    changeType = 6
	lastKnownChange             = restoreBackup
)

// level is the [FeatureLevel] that a change needs. A new type of change has the next one, so that it is
// not proposed before all members understand it.
func (t changeType) level() int {
	switch t {
	case putResource, deleteResource, setClusterID, requireResource, replaceClusterID, restoreBackup:
		return 1
	}
	return FeatureLevel
}

// levelOf is the level that all of some changes need.
func levelOf(changes []change) int {
	level := 1
	for _, c := range changes {
		level = max(level, c.typ.level())
	}
	return level
}

// Level is the [FeatureLevel] that all members must have before the command can be proposed.
func (c *Command) Level() int {
	level := levelOf(c.changes)
	for _, op := range c.Ops {
		level = max(level, op.changeType().level())
	}
	switch {
	case c.Restore != nil:
		level = max(level, restoreBackup.level())
	case c.ClusterID != "" && c.ReplaceID:
		level = max(level, replaceClusterID.level())
	case c.ClusterID != "":
		level = max(level, setClusterID.level())
	}
	return level
}

// changeType is what becomes of an operation.
func (op Op) changeType() changeType {
	switch {
	case op.Only:
		return requireResource
	case op.Delete:
		return deleteResource
	}
	return putResource
}

// ofCluster tells changes of the cluster as a whole from those of resources.
func (t changeType) ofCluster() bool {
	return t == setClusterID || t == replaceClusterID || t == restoreBackup
}

// change is an operation as it travels: with the references, claims and print of its object, so that
// applying it does not depend on how this version of the program understands the object.
type change struct {
	typ       changeType
	key       resource.Key
	data      []byte
	cond      Condition
	refs      []resource.Reference
	claims    []resource.Claim
	print     string
	clusterID string
}

// changesOf derives what travels from what a caller asks for.
func (c *Command) changesOf() ([]change, error) {
	if len(c.Ops) > MaxOps {
		return nil, resource.Errorf(resource.TooLarge, "a command must not have more than %d operations", MaxOps)
	}
	if c.Restore != nil {
		return c.Restore.changes(c)
	}
	changes := make([]change, 0, len(c.Ops)+1)
	if c.ClusterID != "" {
		typ := setClusterID
		if c.ReplaceID {
			typ = replaceClusterID
		}
		changes = append(changes, change{typ: typ, clusterID: c.ClusterID})
	}
	for _, op := range c.Ops {
		ch, err := op.derive()
		if err != nil {
			return nil, err
		}
		changes = append(changes, ch)
	}
	return changes, nil
}

// derive reads the object of an operation for its references, claims and print.
func (op Op) derive() (change, error) {
	switch {
	case op.Only:
		return change{typ: requireResource, key: op.Key, cond: op.If}, nil
	case op.Delete:
		return change{typ: deleteResource, key: op.Key, cond: op.If}, nil
	case Internal(op.Key.Kind):
		return change{typ: putResource, key: op.Key, data: op.Data, cond: op.If, refs: needed(op.Needs)}, nil
	}
	kind, ok := resource.ByName(op.Key.Kind)
	if !ok || kind.Name != op.Key.Kind {
		return change{}, resource.Errorf(resource.BadRequest, "no such kind: %s", op.Key.Kind)
	}
	obj, err := resource.DecodeStored(kind, op.Data)
	if err != nil {
		return change{}, &resource.Error{Code: resource.BadRequest, Message: fmt.Sprintf("%s cannot be read", op.Key), Err: err}
	}
	if obj.Key() != op.Key {
		return change{}, resource.Errorf(resource.BadRequest, "%s has the data of %s", op.Key, obj.Key())
	}
	refs := obj.References()
	for i := range refs {
		refs[i].Print = op.Against[refs[i].Target]
	}
	return change{typ: putResource, key: op.Key, data: op.Data, cond: op.If, refs: refs, claims: obj.Claims(), print: obj.Print()}, nil
}

// needed are the references to what an operation needs.
func needed(keys []resource.Key) (refs []resource.Reference) {
	for _, key := range keys {
		refs = append(refs, resource.Reference{Field: key.Kind, Target: key})
	}
	return refs
}

// op is the operation that a change was made of.
func (c change) op() Op {
	op := Op{Delete: c.typ == deleteResource, Only: c.typ == requireResource, Key: c.key, Data: c.data, If: c.cond}
	for _, r := range c.refs {
		if Internal(c.key.Kind) {
			op.Needs = append(op.Needs, r.Target)
		}
		if r.Print != "" {
			if op.Against == nil {
				op.Against = map[resource.Key]string{}
			}
			op.Against[r.Target] = r.Print
		}
	}
	return op
}

// checkKey says what is wrong with a key as a key of the database. Names have their own rules,
// which package resource knows; these only keep keys apart from each other.
func checkKey(k resource.Key) error {
	for _, part := range [...]string{k.Kind, k.Namespace, k.Name} {
		if len(part) > maxPart || strings.IndexByte(part, 0) >= 0 {
			return resource.Errorf(resource.BadRequest, "a key has a part that is too long or has a zero byte")
		}
	}
	if k.Kind == "" || k.Name == "" {
		return resource.Errorf(resource.BadRequest, "a key must have a kind and a name")
	}
	return nil
}

// check says what is wrong with a change in itself.
func (c change) check() error {
	if c.typ == restoreBackup {
		return resource.Errorf(resource.BadRequest, "a backup must be restored by a command of its own")
	}
	if c.typ.ofCluster() {
		if c.clusterID == "" || len(c.clusterID) > maxPart {
			return resource.Errorf(resource.BadRequest, "the id of a cluster must have 1 to %d bytes", maxPart)
		}
		return nil
	}
	if err := checkKey(c.key); err != nil {
		return err
	}
	for _, r := range c.refs {
		if err := checkKey(r.Target); err != nil {
			return err
		}
	}
	for _, cl := range c.claims {
		if len(cl.Token) > maxToken || cl.Token == "" {
			return resource.Errorf(resource.BadRequest, "%s has a claim that is empty or too long", c.key)
		}
	}
	return nil
}

func equalStored(a, b *stored) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.version == b.version && bytes.Equal(a.data, b.data)
}
