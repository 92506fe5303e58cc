package adminext

import (
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// v1Collection are the endpoints of the original DGate for a kind as a whole.
var v1Collection = methods{
	http.MethodGet:    {run: listV1},
	http.MethodPut:    {run: putV1},
	http.MethodDelete: {run: deleteBodyV1},
}

// v1One are its endpoints for one resource, with the rest of the key in the query.
func v1One(kind *resource.Kind) methods {
	m := methods{http.MethodGet: {run: getV1}}
	if quirkOf(kind.Name).byPath {
		m[http.MethodDelete] = endpoint{run: deleteOneV1}
	}
	return m
}

// everywhere is the namespace that stands for all of them in a listing.
const everywhere = "*"

func listV1(c *call) (*reply, error) {
	namespace, err := c.scope()
	if err != nil {
		return nil, err
	}
	return c.listReply(http.StatusOK, namespace, nil)
}

// scope is the namespace that a listing is about, "" for all.
func (c *call) scope() (string, error) {
	if c.kind.Scope == resource.Global {
		return "", nil
	}
	given := c.r.URL.Query().Get("namespace")
	if given == everywhere || given == "" && c.app.DefaultNamespace() == "" && quirkOf(c.kind.Name).listsAll {
		return "", nil
	}
	return c.namespace(given)
}

func (c *call) listReply(status int, namespace string, warnings []string) (*reply, error) {
	data, err := c.list(namespace)
	if err != nil {
		return nil, err
	}
	return jsonReply(status, listBody{len(data), data, status, warnings}), nil
}

// putV1 stores the object in the body, and answers with all of its kind and namespace.
func putV1(c *call) (*reply, error) {
	obj, err := c.decode(resource.Lenient)
	if err != nil {
		return nil, err
	}
	if err := c.complete(obj); err != nil {
		return nil, err
	}
	result, err := c.put(obj)
	if err != nil {
		return nil, asV1(err, http.StatusBadRequest)
	}
	return c.listReply(http.StatusCreated, obj.Key().Namespace, result.Warnings)
}

// complete puts an absent namespace of an object right.
func (c *call) complete(obj resource.Object) error {
	if c.kind.Scope == resource.Global {
		return nil
	}
	key := obj.Key()
	namespace, err := c.namespace(key.Namespace)
	key.Namespace = namespace
	obj.SetKey(key)
	return err
}

// deleteBodyV1 removes what the body names.
func deleteBodyV1(c *call) (*reply, error) {
	obj, err := c.decode(resource.Lenient)
	if err != nil {
		return nil, err
	}
	if err := c.complete(obj); err != nil {
		return nil, err
	}
	return c.deleteV1(obj.Key())
}

func deleteOneV1(c *call) (*reply, error) {
	key, err := c.keyV1()
	if err != nil {
		return nil, err
	}
	return c.deleteV1(key)
}

func (c *call) deleteV1(key resource.Key) (*reply, error) {
	quirk := quirkOf(c.kind.Name)
	if err := c.remove(key); err != nil {
		return nil, asV1(err, quirk.absent)
	}
	return emptyReply(quirk.deleted), nil
}

func getV1(c *call) (*reply, error) {
	key, err := c.keyV1()
	if err != nil {
		return nil, err
	}
	return c.get(key)
}

// keyV1 takes the last value of the key from the path and the others from the query.
func (c *call) keyV1() (resource.Key, error) {
	fields := c.kind.KeyFields()
	values := make([]string, len(fields))
	values[len(fields)-1] = c.key[0]
	for i, f := range fields[:len(fields)-1] {
		values[i] = c.r.URL.Query().Get(f)
	}
	key := c.kind.KeyOf(values...)
	if c.kind.Scope == resource.Global {
		return key, nil
	}
	var err error
	key.Namespace, err = c.namespace(key.Namespace)
	return key, err
}

// asV1 gives the error of a write the status that the original DGate gave it, where that is absent
// for what does not exist.
func asV1(err error, absent int) error {
	if resource.CodeOf(err) == resource.NotFound {
		return &statusError{absent, err}
	}
	return err
}
