package adminext

import (
	"encoding/json"
	"strconv"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Bounds of a listing. Documents are up to 1 MiB, so a page is bounded in bytes too.
const (
	defaultLimit = 100
	maxLimit     = 1000
	maxPageSize  = 64 << 20
)

// page is a part of a collection.
type page struct {
	limit, offset int
	data          []json.RawMessage
}

// page reads the part of a collection that the query asks for.
func (c *call) page(of resource.Key) (p page, err error) {
	if p.limit, err = c.number("limit", defaultLimit); err != nil {
		return p, err
	}
	if p.offset, err = c.number("offset", 0); err != nil {
		return p, err
	}
	if p.limit > maxLimit {
		return p, resource.Errorf(resource.BadRequest, "limit must not be more than %d", maxLimit)
	}
	p.data = []json.RawMessage{}
	size := 0
	err = c.eachDocument(of, p.offset, p.limit, func(record state.Record) error {
		obj, err := record.Object()
		if err != nil {
			return err
		}
		one, err := resource.Marshal(obj)
		if err != nil {
			return err
		}
		if size += len(one); size > maxPageSize {
			return resource.Errorf(resource.TooLarge, "these documents have more than %d MiB; ask for fewer with limit", maxPageSize>>20)
		}
		p.data = append(p.data, one)
		return nil
	})
	return p, err
}

// eachDocument calls take with documents of the collection that a key is in.
func (c *call) eachDocument(of resource.Key, offset, limit int, take func(state.Record) error) error {
	prefix := resource.InThatCollection(c.kind.KeyValues(of)[1])
	return c.db.View(func(r *state.Reader) error {
		c.index = r.Index()
		if limit == 0 {
			return nil
		}
		for record, err := range r.Page(c.r.Context(), c.kind.Name, of.Namespace, prefix, offset) {
			if err != nil {
				return err
			}
			if err := take(record); err != nil {
				return err
			}
			if limit--; limit == 0 {
				break
			}
		}
		return nil
	})
}

// number reads a number of the query.
func (c *call) number(name string, absent int) (int, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, resource.Errorf(resource.BadRequest, "%s must be an integer", name)
	case n < 0:
		return 0, resource.Errorf(resource.BadRequest, "%s must not be negative", name)
	}
	return n, nil
}
