package state

import (
	"bytes"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// plan works out what a command would do, on top of what tx holds, without writing. [DB.Check]
// drops it; applying a command writes it when there are no mistakes, and that is why the two
// always agree.
//
// Operations are run in order on a copy: each sees the resources that the ones before it left.
// References, claims and "still linked" are judged once, on what the whole command leaves
// behind; so two routes can swap their paths, and a service can go together with its routes.
type plan struct {
	tx       *bolt.Tx
	index    uint64
	now      time.Time
	touched  map[resource.Key]*effect
	order    []*effect // in the order of the first operation
	results  []OpResult
	mistakes []mistake
	cluster  string
	claimed  map[string]*effect         // by the key of the claim: the first effect that has it
	linked   map[resource.Key][]*effect // by the target of a reference: the effects that have it
}

// effect is what a command does to one resource.
type effect struct {
	key      resource.Key
	old, new *stored              // nil: absent
	checked  []resource.Reference // those of new, with the prints of this command; nil if it is not put
	op       int                  // the last operation on it
}

// mistake is an error of one operation.
type mistake struct {
	op  int
	key resource.Key
	err error
}

func (e *effect) changed() bool { return !equalStored(e.old, e.new) }

// newPlan runs changes. The error is that of the database.
func newPlan(tx *bolt.Tx, m *meta, changes []change, index uint64, now time.Time) (*plan, error) {
	p := &plan{tx: tx, index: index, now: now, touched: map[resource.Key]*effect{}}
	for i, c := range changes {
		if err := c.check(); err != nil {
			p.mistaken(i, c.key, err)
			p.results = append(p.results, OpResult{})
			continue
		}
		if c.typ.ofCluster() {
			if c.typ == setClusterID && m.clusterID != "" && m.clusterID != c.clusterID {
				p.mistaken(i, c.key, resource.Errorf(resource.Conflict, "the cluster has an id already: %s", m.clusterID))
			}
			p.cluster = c.clusterID
			continue // no caller asked for it, so there is no result either
		}
		if err := p.run(i, c); err != nil {
			return nil, err
		}
	}
	for _, e := range p.order {
		if !e.changed() {
			continue
		}
		if err := p.checkLinks(e); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(p.mistakes, func(a, b mistake) int { return a.op - b.op })
	return p, nil
}

func (p *plan) mistaken(op int, key resource.Key, err error) {
	p.mistakes = append(p.mistakes, mistake{op, key, err})
}

// effect finds the resource as the operations so far left it.
func (p *plan) effect(key resource.Key) (*effect, error) {
	if e, ok := p.touched[key]; ok {
		return e, nil
	}
	s, err := getStored(p.tx, key)
	if err != nil {
		return nil, err
	}
	e := &effect{key: key, old: s, new: s}
	p.touched[key] = e
	p.order = append(p.order, e)
	return e, nil
}

// run does one operation to its effect.
func (p *plan) run(i int, c change) error {
	e, err := p.effect(c.key)
	if err != nil {
		return err
	}
	if problem := c.cond.check(c.key, e.new); problem != nil {
		p.mistaken(i, c.key, problem)
	} else if c.typ == deleteResource && e.new == nil {
		p.mistaken(i, c.key, resource.Errorf(resource.NotFound, "%s not found: %s", c.key.Kind, c.key.Name))
	}
	result := OpResult{Record: Record{Key: c.key}}
	switch {
	case c.typ == requireResource:
		if e.new != nil {
			result.Version, result.Record = e.new.version, e.new.record(c.key)
		}
		p.results = append(p.results, result)
		return nil
	case c.typ == deleteResource:
		result.Changed, result.Version = e.new != nil, p.index
		e.new, e.checked = nil, nil
	case e.new != nil && bytes.Equal(e.new.data, c.data):
		result.Version = e.new.version
		result.Record = e.new.record(c.key)
		e.checked = c.refs
	default:
		result.Created, result.Changed, result.Version = e.new == nil, true, p.index
		next := &stored{
			created: p.now.UnixNano(), updated: p.now.UnixNano(), version: p.index,
			data: c.data, refs: withoutPrints(c.refs), claims: c.claims, print: c.print,
		}
		if e.new != nil {
			next.created = e.new.created
		}
		e.new, e.checked = next, c.refs
		result.Record = next.record(c.key)
	}
	e.op = i
	p.results = append(p.results, result)
	return nil
}

// check says how a condition fails on a resource, which may be nil.
func (c Condition) check(key resource.Key, s *stored) error {
	switch {
	case c.Mode == Absent && s != nil:
		return resource.Errorf(resource.PreconditionFailed, "%s exists already: %s", key.Kind, key.Name)
	case (c.Mode == Present || c.Mode == AtVersion) && s == nil:
		return resource.Errorf(resource.PreconditionFailed, "%s does not exist: %s", key.Kind, key.Name)
	case c.Mode == AtVersion && s.version != c.Version:
		return resource.Errorf(resource.PreconditionFailed, "%s %s is at version %d, not %d", key.Kind, key.Name, s.version, c.Version)
	}
	return nil
}

// checkLinks judges what the command leaves of a resource against everything else.
func (p *plan) checkLinks(e *effect) error {
	if e.new == nil {
		return p.checkUnused(e)
	}
	for _, r := range e.new.refs {
		exists, err := p.exists(r.Target)
		if err != nil {
			return err
		}
		// A target that this command deletes is reported there, as being in use.
		if t := p.touched[r.Target]; !exists && (t == nil || t.old == nil) {
			text := r.Target.Kind + " not found: " + r.Target.Name
			p.mistaken(e.op, e.key, &resource.FieldError{Field: r.Field, Problem: text, Value: r.Target.Name, Sentence: text})
		}
	}
	p.checkClaims(e)
	return p.checkPrints(e)
}

// exists tells whether the command leaves a resource.
func (p *plan) exists(key resource.Key) (bool, error) {
	if e, ok := p.touched[key]; ok {
		return e.new != nil, nil
	}
	kind := p.tx.Bucket(bucketResources).Bucket([]byte(key.Kind))
	return kind != nil && kind.Get(itemKey(key)) != nil, nil
}

// apply writes what the plan found.
func (p *plan) apply() error {
	for _, e := range p.order {
		if e.changed() && e.old != nil {
			if err := unlink(p.tx, e.key, e.old); err != nil {
				return err
			}
		}
	}
	for _, e := range p.order {
		if !e.changed() {
			continue
		}
		bucket, err := p.tx.Bucket(bucketResources).CreateBucketIfNotExists([]byte(e.key.Kind))
		if err != nil {
			return err
		}
		if e.new == nil {
			if err := bucket.Delete(itemKey(e.key)); err != nil {
				return err
			}
			continue
		}
		if err := bucket.Put(itemKey(e.key), e.new.encode()); err != nil {
			return err
		}
		if err := link(p.tx, e.key, e.new); err != nil {
			return err
		}
	}
	return nil
}

// getStored reads a resource with its links; nil if it does not exist.
func getStored(tx *bolt.Tx, key resource.Key) (*stored, error) {
	kind := tx.Bucket(bucketResources).Bucket([]byte(key.Kind))
	if kind == nil {
		return nil, nil
	}
	value := kind.Get(itemKey(key))
	if value == nil {
		return nil, nil
	}
	s, err := decodeStored(value, true)
	if err != nil {
		return nil, damaged(key, err)
	}
	return s, nil
}
