package adminext

import (
	"encoding/json"
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// namespace puts an absent namespace right. It is the only place that does.
func (c *call) namespace(given string) (string, error) {
	if given == "" {
		given = c.app.DefaultNamespace()
	}
	if given == "" {
		return "", resource.ValidationError(resource.Invalid("namespace", "", "is required"))
	}
	return given, nil
}

// get answers with one resource.
func (c *call) get(key resource.Key) (*reply, error) {
	pre, err := parsePreconditions(c.r.Header)
	if err != nil {
		return nil, err
	}
	record, err := c.read(key)
	if err != nil {
		return nil, err
	}
	unchanged, err := pre.read(record.Version)
	if err != nil {
		return nil, err
	}
	rep := emptyReply(http.StatusNotModified)
	if !unchanged {
		obj, err := record.Object()
		if err != nil {
			return nil, err
		}
		if rep, err = objectReply(http.StatusOK, obj, nil); err != nil {
			return nil, err
		}
	}
	rep.header.Set("ETag", etag(record.Version))
	return rep, nil
}

// read finds one resource.
func (c *call) read(key resource.Key) (record state.Record, err error) {
	if c.kind.CheckKey(key) != nil {
		return record, notFound(c.kind) // and not looked up: it is no name
	}
	err = c.db.View(func(r *state.Reader) error {
		c.index = r.Index()
		var found bool
		if record, found, err = r.Get(key); err == nil && !found {
			err = notFound(c.kind)
		}
		return err
	})
	return record, err
}

// list reads the resources of the kind in one namespace, or in all for "". Unless all are wanted,
// the namespace must exist.
func (c *call) list(namespace string) ([]json.RawMessage, error) {
	data := []json.RawMessage{} // an empty list is [], not null
	err := c.db.View(func(r *state.Reader) error {
		c.index = r.Index()
		if namespace != "" {
			if _, found, err := r.Get(resource.Key{Kind: "namespace", Name: namespace}); err != nil {
				return err
			} else if !found {
				return refuse(http.StatusBadRequest, resource.NotFound, "namespace not found: %s", namespace)
			}
		}
		for record, err := range r.List(c.kind.Name, namespace) {
			if err != nil {
				return err
			}
			obj, err := record.Object()
			if err != nil {
				return err
			}
			one, err := resource.Marshal(obj)
			if err != nil {
				return err
			}
			data = append(data, one)
		}
		return nil
	})
	return data, err
}

// put stores an object whose key is complete.
func (c *call) put(obj resource.Object) (change.Result, error) {
	cond, err := c.condition(obj.Key())
	if err != nil {
		return change.Result{}, err
	}
	result, err := c.app.Writer().Put(c.r.Context(), obj, cond)
	c.index = max(c.index, result.Index)
	return result, err
}

// remove deletes a resource whose key is complete.
func (c *call) remove(key resource.Key) error {
	cond, err := c.condition(key)
	if err != nil {
		return err
	}
	result, err := c.app.Writer().Delete(c.r.Context(), key, cond)
	c.index = max(c.index, result.Index)
	return err
}

// condition is what the headers of a write demand.
func (c *call) condition(key resource.Key) (state.Condition, error) {
	pre, err := parsePreconditions(c.r.Header)
	if err != nil {
		return state.Condition{}, err
	}
	return pre.write(func() (uint64, error) {
		record, err := c.read(key)
		if err != nil && resource.CodeOf(err) != resource.NotFound {
			return 0, err
		}
		return record.Version, nil
	})
}

// decode reads the object in the body.
func (c *call) decode(mode resource.Mode) (resource.Object, error) {
	body, err := readBody(c.w, c.r, c.kind)
	if err != nil {
		return nil, err
	}
	return resource.Decode(c.kind, body, mode)
}

// objectReply answers with one resource in the envelope.
func objectReply(status int, obj resource.Object, warnings []string) (*reply, error) {
	data, err := resource.Marshal(obj)
	if err != nil {
		return nil, err
	}
	return dataReply(status, json.RawMessage(data), warnings), nil
}
