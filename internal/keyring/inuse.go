package keyring

import (
	"bytes"
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// users finds, for each data key that encrypts something, a stored resource with such a field, or a
// file of the certificate storage. It reads every one that can have it.
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
		return filesUsing(r, found)
	})
	return found, err
}

// filesUsing finds those of the certificate storage, whose data is a byte that says what follows,
// and what follows.
func filesUsing(r *state.Reader, found map[string]resource.Key) error {
	for rec, err := range r.List(state.File, "") {
		if err != nil {
			return err
		}
		if len(rec.Data) == 0 {
			continue
		}
		if s, ok := parseSealed(string(rec.Data[1:])); ok {
			found[s.dataKey] = rec.Key
		}
	}
	return nil
}

// sealedFile is what a value of the certificate storage begins with if a sealed value follows; see
// package certstore.
var sealedFile = []byte("s")
