package state

import (
	"bytes"
	"iter"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Referrers lists the resources that refer to target, ordered by kind, namespace and name. After
// an error the listing is over.
func (r *Reader) Referrers(target resource.Key) iter.Seq2[resource.Key, error] {
	return func(yield func(resource.Key, error) bool) {
		prefix := refPrefix(target)
		cursor := r.tx.Bucket(bucketRefs).Cursor()
		for k, _ := cursor.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = cursor.Next() {
			source, ok := splitSource(k[len(prefix):])
			if !ok {
				yield(resource.Key{}, damaged(target, errMalformed))
				return
			}
			if !yield(source, nil) {
				return
			}
		}
	}
}
