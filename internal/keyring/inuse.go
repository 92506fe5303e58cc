package keyring

import (
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// users finds, for each data key that encrypts something, a stored resource with such a field. It
// reads every resource that can have one.
func users(db *state.DB) (map[string]resource.Key, error) {
	found := map[string]resource.Key{}
	err := db.View(func(r *state.Reader) error {
		for _, kind := range resource.All {
			if !slices.ContainsFunc(kind.Fields, func(f resource.Field) bool { return f.Secret }) {
				continue
			}
			for rec, err := range r.List(kind.Name, "") {
				if err != nil {
					return err
				}
				obj, err := rec.Object()
				if err != nil {
					return err
				}
				for _, field := range resource.SecretFields(obj) {
					if s, ok := parseSealed(*field.Value); ok {
						found[s.dataKey] = rec.Key
					}
				}
			}
		}
		return nil
	})
	return found, err
}
