package state

import (
	"bytes"
	"context"
	"iter"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Level gives the names of a kind that begin with prefix, each up to the first slash after it: what a
// directory has in it. A name may come twice, once with things below it and once without. What is below is not
// read, however much it is. It ends with the error of ctx if ctx does.
func (r *Reader) Level(ctx context.Context, kind, namespace, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		bucket := r.tx.Bucket(bucketResources).Bucket([]byte(kind))
		if bucket == nil {
			return
		}
		beginning, cursor := join(namespace, prefix), bucket.Cursor()
		for k, _ := cursor.Seek(beginning); k != nil && bytes.HasPrefix(k, beginning); {
			if ctx.Err() != nil {
				yield("", context.Cause(ctx))
				return
			}
			key, ok := splitItemKey(kind, k)
			if !ok {
				yield("", damaged(resource.Key{Kind: kind}, errMalformed))
				return
			}
			slash := bytes.IndexByte(k[len(beginning):], '/')
			if slash < 0 {
				if !yield(key.Name, nil) {
					return
				}
				k, _ = cursor.Next()
				continue
			}
			end := len(beginning) + slash
			if !yield(prefix+string(k[len(beginning):end]), nil) {
				return
			}
			k, _ = cursor.Seek(append(bytes.Clone(k[:end]), '/'+1))
		}
	}
}
