package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Digest identifies what [Load] reads, content of payload files included. It is empty if there is
// nothing, or something is wrong, which Load will report. It does not depend on the environment,
// so that a configuration can be adapted elsewhere, and gives away nothing of it.
func Digest(patterns []string) string {
	objs, err := Load(patterns, nil)
	if err != nil || len(objs) == 0 {
		return ""
	}
	h := sha256.New()
	for _, obj := range objs {
		data, err := resource.Encode(obj.Object)
		if err != nil {
			return ""
		}
		item, _ := json.Marshal([]string{obj.Key().Kind, string(data)}) // strings
		h.Write(item)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
