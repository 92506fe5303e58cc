package state

import (
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// documentObject is a document as scripts see it.
func documentObject(vm *js.VM, doc Document) goja.Value {
	b := builder{vm, vm.Runtime().NewObject()}
	b.set("id", doc.ID)
	b.meta(doc.Meta)
	b.set("namespace", doc.Namespace)
	b.set("collection", doc.Collection)
	b.json("data", doc.Data)
	return b.obj
}

// collectionObject is a collection as scripts see it.
func collectionObject(vm *js.VM, c Collection) goja.Value {
	b := builder{vm, vm.Runtime().NewObject()}
	b.set("name", c.Name)
	b.meta(c.Meta)
	b.set("namespace", c.Namespace)
	if c.Schema != nil {
		b.json("schema", c.Schema)
	}
	b.set("type", c.Type)
	b.set("visibility", c.Visibility)
	b.set("tags", native.Strings(vm, c.Tags))
	return b.obj
}

// builder sets the properties of a new object, which cannot fail.
type builder struct {
	vm  *js.VM
	obj *goja.Object
}

func (b builder) set(name string, v any) { _ = b.obj.Set(name, v) }

// json sets a property to what a JSON text says.
func (b builder) json(name string, data []byte) {
	v, err := b.vm.ParseJSON(data)
	if err != nil {
		b.vm.Throw(err)
	}
	b.set(name, v)
}

// meta sets what the store adds. The version is a number of the language below 2^53, as raft's indexes are.
func (b builder) meta(m Meta) {
	b.set("createdAt", m.CreatedAt.UTC().Format(time.RFC3339Nano))
	b.set("updatedAt", m.UpdatedAt.UTC().Format(time.RFC3339Nano))
	b.set("version", int64(m.Version))
}
