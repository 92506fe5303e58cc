package moduledata

import (
	"context"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Secret implements the host module's source.
func (d *Data) Secret(ctx context.Context, namespace, name string) (value string, ok bool, err error) {
	key := resource.MustKind("secret").KeyOf(namespace, name)
	var stored *resource.Secret
	err = d.view(ctx, func(r *state.Reader) error {
		rec, found, err := lookup(r, key)
		if found && err == nil {
			stored, err = decode[*resource.Secret](rec)
		}
		return err
	})
	if stored == nil || err != nil {
		return "", false, err
	}
	value, err = d.keys.Open(key, "data", stored.Data)
	return value, err == nil, err
}
