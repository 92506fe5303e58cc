package original

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// pageSize is how many documents are asked for at once.
const pageSize = 500

// documents reads the documents of a collection.
func (r *reader) documents(ctx context.Context, collection resource.Key) error {
	kind := resource.MustKind("document")
	list, err := r.server.documents(ctx, collection, swapped)
	if err == nil && len(list) == 0 {
		list, err = r.server.documents(ctx, collection, straight)
	}
	for _, raw := range list {
		if obj := r.take(kind, raw, collection.Namespace); obj != nil {
			r.found.Objects = append(r.found.Objects, obj)
		}
	}
	return r.refused(collection, "documents", err)
}

// paging says how to ask for pageSize documents behind others.
type paging func(behind int) (limit, offset int)

// swapped is for the releases: they take limit and offset for each other, and answer one less.
func swapped(behind int) (limit, offset int) { return behind, pageSize + 1 }

// straight is for servers on which that has been put right.
func straight(behind int) (limit, offset int) { return pageSize, behind }

func (s Server) documents(ctx context.Context, collection resource.Key, ask paging) (all []json.RawMessage, err error) {
	for {
		limit, offset := ask(len(all))
		var body struct{ Documents []json.RawMessage }
		err := s.get(ctx, []string{"document"}, url.Values{
			"namespace": {collection.Namespace}, "collection": {collection.Name},
			"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)},
		}, &body)
		all = append(all, body.Documents...)
		if err != nil || len(body.Documents) < pageSize {
			return all, err
		}
	}
}
