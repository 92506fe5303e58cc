package adminext

import (
	"errors"
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// item are the endpoints of one resource under a path of its own.
var item = methods{
	http.MethodGet:    {run: getItem},
	http.MethodPut:    {run: putItem},
	http.MethodDelete: {run: deleteItem},
}

func getItem(c *call) (*reply, error) { return c.get(c.kind.KeyOf(c.key...)) }

func putItem(c *call) (*reply, error) {
	obj, err := c.decodeItem()
	if err != nil {
		return nil, err
	}
	result, err := c.put(obj)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if result.Created {
		status = http.StatusCreated
	}
	rep, err := objectReply(status, result.Object, result.Warnings)
	if err != nil {
		return nil, err
	}
	rep.header.Set("ETag", etag(result.Object.Metadata().Version))
	return rep, nil
}

func deleteItem(c *call) (*reply, error) {
	key := c.kind.KeyOf(c.key...)
	if c.kind.CheckKey(key) != nil {
		return nil, notFound(c.kind)
	}
	if err := c.remove(key); err != nil {
		return nil, err
	}
	return emptyReply(http.StatusNoContent), nil
}

// decodeItem reads the body as the resource of the path. That of a document is its data.
func (c *call) decodeItem() (resource.Object, error) {
	if c.kind.Scope == resource.InCollection {
		return c.decodeData(c.kind.KeyOf(c.key...))
	}
	obj, err := c.decode(resource.Strict)
	if err != nil {
		return nil, err
	}
	return obj, c.adopt(obj)
}

// adopt gives an object the key of the path. What the body says about it must agree.
func (c *call) adopt(obj resource.Object) error {
	var errs []error
	for i, value := range c.kind.KeyValues(obj.Key()) {
		if value != "" && value != c.key[i] {
			errs = append(errs, resource.Invalid(c.kind.KeyFields()[i], value, "is not the one in the path"))
		}
	}
	obj.SetKey(c.kind.KeyOf(c.key...))
	return resource.ValidationError(errors.Join(errs...))
}
