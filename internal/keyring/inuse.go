package keyring

import (
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// user finds a stored resource with a field that one of the data keys encrypts; nil if there is
// none.
func user(db *state.DB, dataKeys ...string) (found *resource.Key, err error) {
	err = db.View(func(r *state.Reader) error {
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
					if s, ok := parseSealed(*field.Value); ok && slices.Contains(dataKeys, s.dataKey) {
						found = &rec.Key
						return nil
					}
				}
			}
		}
		return nil
	})
	return found, err
}
