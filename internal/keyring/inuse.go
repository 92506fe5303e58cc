package keyring

import (
	"bytes"
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
		for rec, err := range r.List(state.File, "") {
			if err != nil {
				return err
			}
			if text, ok := bytes.CutPrefix(rec.Data, sealedFile); ok {
				if s, ok := parseSealed(string(text)); ok {
					found[s.dataKey] = rec.Key
				}
			}
		}
		return nil
	})
	return found, err
}

// sealedFile is what a value of the certificate storage begins with if a sealed value follows; see
// package certstore.
var sealedFile = []byte("s")
