package state

import (
	"bytes"
	"encoding/binary"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// The buckets of state.db.
//
//	meta       "state" -> meta
//	resources  one bucket per kind: namespace 0 name -> stored
//	refs       target kind 0 namespace 0 name 0 source kind 0 namespace 0 name -> nothing
//	claims     kind 0 namespace 0 token -> name of the owner
//	ids        command id -> outcome           (the last dedupeWindow commands)
//	idorder    index -> command id
//	chunks     sha256 -> chunk
//	chunkorder index -> sha256
//
// refs and claims are derived and not part of snapshots.
var (
	bucketMeta       = []byte("meta")
	bucketResources  = []byte("resources")
	bucketRefs       = []byte("refs")
	bucketClaims     = []byte("claims")
	bucketIDs        = []byte("ids")
	bucketIDOrder    = []byte("idorder")
	bucketChunks     = []byte("chunks")
	bucketChunkOrder = []byte("chunkorder")

	allBuckets = [][]byte{
		bucketMeta, bucketResources, bucketRefs, bucketClaims,
		bucketIDs, bucketIDOrder, bucketChunks, bucketChunkOrder,
	}
)

// join makes a key of parts, which have no zero bytes, or at least the last one not.
func join(parts ...string) []byte {
	n := len(parts)
	for _, p := range parts {
		n += len(p)
	}
	b := make([]byte, 0, n)
	for i, p := range parts {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, p...)
	}
	return b
}

// itemKey is the key of a resource in the bucket of its kind.
func itemKey(k resource.Key) []byte { return join(k.Namespace, k.Name) }

// splitItemKey undoes itemKey.
func splitItemKey(kind string, b []byte) (resource.Key, bool) {
	namespace, name, ok := bytes.Cut(b, []byte{0})
	return resource.Key{Kind: kind, Namespace: string(namespace), Name: string(name)}, ok
}

// refPrefix is the beginning of the keys of all references to target.
func refPrefix(target resource.Key) []byte {
	return join(target.Kind, target.Namespace, target.Name, "")
}

// refKey is the key of one reference.
func refKey(target, source resource.Key) []byte {
	return join(target.Kind, target.Namespace, target.Name, source.Kind, source.Namespace, source.Name)
}

// claimKey is the key of a claim of a resource.
func claimKey(k resource.Key, token string) []byte { return join(k.Kind, k.Namespace, token) }

func indexKey(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }
