package moduledata

import (
	"context"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Secret implements the host module's source.
func (d *Data) Secret(ctx context.Context, namespace, name string) (value string, ok bool, err error) {
	key := resource.MustKind("secret").KeyOf(namespace, name)
	var rec state.Record
	err = d.view(ctx, func(r *state.Reader) (err error) {
		rec, ok, err = lookup(r, key)
		return err
	})
	if !ok || err != nil {
		return "", false, err
	}
	stored, err := decode[*resource.Secret](rec)
	if err != nil {
		return "", false, err
	}
	value, err = d.keys.Open(key, "data", stored.Data)
	return value, err == nil, err
}
