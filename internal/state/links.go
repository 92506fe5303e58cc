package state

import (
	"bytes"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// linkedFirst is the order in which kinds are named in "still linked"; others come after.
var linkedFirst = []string{"route", "service", "module", "domain", "collection"}

// checkUnused reports a deleted resource that others still need.
func (p *plan) checkUnused(e *effect) error {
	kinds, err := p.linkedKinds(e, func(*effect) bool { return true })
	if err == nil && len(kinds) > 0 {
		p.mistaken(e.op, e.key, resource.Errorf(resource.InUse, "cannot delete %s: %s: %s still linked", e.key.Kind, e.key.Name, plural(firstKind(kinds))))
	}
	return err
}

// linkedKinds lists the kinds of resources that will refer to that of e: those that the command
// does not touch, and those of the others that count.
func (p *plan) linkedKinds(e *effect, count func(*effect) bool) (map[string]bool, error) {
	kinds := map[string]bool{}
	// Those that the command does not touch, from the index: one look per kind of source.
	prefix := refPrefix(e.key)
	cursor := p.tx.Bucket(bucketRefs).Cursor()
	for k, _ := cursor.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); {
		source, ok := splitSource(k[len(prefix):])
		if !ok {
			return nil, damaged(e.key, errMalformed)
		}
		if p.touched[source] != nil {
			k, _ = cursor.Next()
			continue
		}
		kinds[source.Kind] = true
		k, _ = cursor.Seek(append(append([]byte(nil), prefix...), source.Kind+"\x01"...))
	}
	for _, other := range p.linkedTo(e.key) {
		if count(other) {
			kinds[other.key.Kind] = true
		}
	}
	return kinds, nil
}

// linkedTo lists what the command leaves of resources that refer to target.
func (p *plan) linkedTo(target resource.Key) []*effect {
	if p.linked == nil {
		p.linked = map[resource.Key][]*effect{}
		for _, e := range p.order {
			if e.new == nil {
				continue
			}
			for _, r := range e.new.refs {
				p.linked[r.Target] = append(p.linked[r.Target], e)
			}
		}
	}
	return p.linked[target]
}

func splitSource(b []byte) (resource.Key, bool) {
	parts := bytes.Split(b, []byte{0})
	if len(parts) != 3 {
		return resource.Key{}, false
	}
	return resource.Key{Kind: string(parts[0]), Namespace: string(parts[1]), Name: string(parts[2])}, true
}

// firstKind picks the kind that is reported.
func firstKind(kinds map[string]bool) string {
	for _, name := range linkedFirst {
		if kinds[name] {
			return name
		}
	}
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	return slices.Min(names)
}

func plural(kind string) string {
	if k, ok := resource.ByName(kind); ok {
		return k.Plural
	}
	return kind + "s"
}

// checkClaims reports what others claim already: one mistake for each field and owner.
func (p *plan) checkClaims(e *effect) {
	type clash struct{ field, owner string }
	texts := map[clash][]string{}
	var clashes []clash
	for _, c := range e.new.claims {
		owner, ok := p.owner(e, c.Token)
		if !ok {
			continue
		}
		cl := clash{c.Field, owner}
		if texts[cl] == nil {
			clashes = append(clashes, cl)
		}
		texts[cl] = append(texts[cl], c.Text)
	}
	for _, cl := range clashes {
		verb := "is"
		if len(texts[cl]) > 1 {
			verb = "are"
		}
		p.mistaken(e.op, e.key, resource.Invalid(cl.field, "", "%s %s already claimed by %s %s",
			strings.Join(texts[cl], ", "), verb, e.key.Kind, cl.owner))
	}
}

// owner finds another resource than e that claims token when the command is done. Of two that
// the command itself puts, the later one is wrong.
func (p *plan) owner(e *effect, token string) (string, bool) {
	if name := p.tx.Bucket(bucketClaims).Get(claimKey(e.key, token)); name != nil {
		key := resource.Key{Kind: e.key.Kind, Namespace: e.key.Namespace, Name: string(name)}
		if p.touched[key] == nil || !p.touched[key].changed() && key != e.key {
			return key.Name, true
		}
	}
	if p.claimed == nil {
		p.claimed = map[string]*effect{}
		for _, other := range p.order {
			if other.new == nil || !other.changed() {
				continue
			}
			for _, c := range other.new.claims {
				k := string(claimKey(other.key, c.Token))
				if p.claimed[k] == nil {
					p.claimed[k] = other
				}
			}
		}
	}
	if first := p.claimed[string(claimKey(e.key, token))]; first != nil && first != e {
		return first.key.Name, true
	}
	return "", false
}

// link enters a resource into the indexes.
func link(tx *bolt.Tx, key resource.Key, s *stored) error {
	refs, claims := tx.Bucket(bucketRefs), tx.Bucket(bucketClaims)
	for _, r := range s.refs {
		if err := refs.Put(refKey(r.Target, key), nil); err != nil {
			return err
		}
	}
	for _, c := range s.claims {
		if err := claims.Put(claimKey(key, c.Token), []byte(key.Name)); err != nil {
			return err
		}
	}
	return nil
}

// unlink removes a resource from the indexes.
func unlink(tx *bolt.Tx, key resource.Key, s *stored) error {
	refs, claims := tx.Bucket(bucketRefs), tx.Bucket(bucketClaims)
	for _, r := range s.refs {
		if err := refs.Delete(refKey(r.Target, key)); err != nil {
			return err
		}
	}
	for _, c := range s.claims {
		if err := claims.Delete(claimKey(key, c.Token)); err != nil {
			return err
		}
	}
	return nil
}
