package moduledata

import (
	"context"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/js/host/secret"
	hoststate "github.com/dgate-io/caddy-dgate/internal/js/host/state"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Data is what modules read and write.
type Data struct {
	writer func(context.Context) (*change.Writer, error)
	keys   Opener
}

// Opener decrypts fields of resources.
type Opener interface {
	// Open decrypts what is stored of a field. The error does not contain the value.
	Open(key resource.Key, field, sealed string) (string, error)
}

// New makes the Data of a node. writer returns what writes to its store; it is called
// for reading, too, and may open the store first, within the context.
func New(writer func(context.Context) (*change.Writer, error), keys Opener) *Data {
	return &Data{writer, keys}
}

// view reads the local state.
func (d *Data) view(ctx context.Context, fn func(*state.Reader) error) error {
	w, err := d.writer(ctx)
	if err != nil {
		return err
	}
	db := w.Store.DB()
	if db == nil {
		return resource.Errorf(resource.NoLeader, "the store is not open yet")
	}
	return db.View(fn)
}

// lookup reads a record. A key that cannot exist is not looked up.
func lookup(r *state.Reader, key resource.Key) (state.Record, bool, error) {
	if resource.MustKind(key.Kind).CheckKey(key) != nil {
		return state.Record{}, false, nil
	}
	return r.Get(key)
}

// decode reads the resource in a record.
func decode[T resource.Object](rec state.Record) (obj T, err error) {
	found, err := rec.Object()
	if err != nil {
		return obj, err
	}
	return found.(T), nil
}

// put stores a resource and returns it as it is stored.
func put[T resource.Object](ctx context.Context, d *Data, obj T, cond state.Condition) (stored T, err error) {
	w, err := d.writer(ctx)
	if err != nil {
		return stored, err
	}
	result, err := w.Put(ctx, obj, cond)
	if err != nil {
		return stored, err
	}
	return result.Object.(T), nil
}

// remove removes a resource.
func (d *Data) remove(ctx context.Context, key resource.Key, cond state.Condition) error {
	w, err := d.writer(ctx)
	if err != nil {
		return err
	}
	_, err = w.Delete(ctx, key, cond)
	return err
}

var (
	_ hoststate.Store = (*Data)(nil)
	_ secret.Source   = (*Data)(nil)
)
