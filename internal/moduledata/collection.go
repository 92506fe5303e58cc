package moduledata

import (
	"context"

	hoststate "github.com/dgate-io/caddy-dgate/internal/js/host/state"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// readable reads the record of a collection that modules of the namespace reader may read. It is
// decoded only for modules of other namespaces: schemas can be large.
func readable(r *state.Reader, reader string, key resource.Key) (state.Record, error) {
	rec, ok, err := lookup(r, key)
	switch {
	case err != nil:
		return rec, err
	case !ok:
		return rec, resource.Errorf(resource.NotFound, "collection not found: %s", key.Name)
	case key.Namespace == reader:
		return rec, nil
	}
	c, err := decode[*resource.Collection](rec)
	if err == nil && c.Visibility != resource.Public {
		err = resource.Errorf(resource.Unauthorized, "collection %s of namespace %s is private", key.Name, key.Namespace)
	}
	return rec, err
}

func collectionKey(namespace, name string) resource.Key {
	return resource.MustKind("collection").KeyOf(namespace, name)
}

// Collection implements the host module's store.
func (d *Data) Collection(ctx context.Context, reader, namespace, name string) (hoststate.Collection, error) {
	var rec state.Record
	err := d.view(ctx, func(r *state.Reader) (err error) {
		rec, err = readable(r, reader, collectionKey(namespace, name))
		return err
	})
	if err != nil {
		return hoststate.Collection{}, err
	}
	c, err := decode[*resource.Collection](rec)
	if err != nil {
		return hoststate.Collection{}, err
	}
	return collection(c), nil
}

// PutCollection implements the host module's store.
func (d *Data) PutCollection(ctx context.Context, c hoststate.Collection) (hoststate.Collection, error) {
	stored, err := put(ctx, d, &resource.Collection{
		Name: c.Name, Namespace: c.Namespace, Schema: c.Schema, Visibility: c.Visibility, Type: c.Type, Tags: c.Tags,
	}, state.Condition{})
	if err != nil {
		return hoststate.Collection{}, err
	}
	return collection(stored), nil
}

// DeleteCollection implements the host module's store.
func (d *Data) DeleteCollection(ctx context.Context, namespace, name string) error {
	return d.remove(ctx, collectionKey(namespace, name), state.Condition{})
}

func collection(c *resource.Collection) hoststate.Collection {
	return hoststate.Collection{
		Namespace: c.Namespace, Name: c.Name, Schema: c.Schema, Type: c.Type, Visibility: c.Visibility, Tags: c.Tags,
		Meta: hoststate.Meta(c.Meta),
	}
}
