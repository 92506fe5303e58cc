// Package state is the module "dgate/state": documents and collections. Reading
// takes no goroutine, its promise is settled when it is returned; writing waits
// until the change is replicated and can be read on this node.
//
// The package checks what scripts hand in, and turns documents into objects and
// back. Where documents are, whose they are and what is valid is up to the [Store].
package state

import (
	"context"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// How many documents one call returns.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Module returns the module.
func Module(store Store) js.Module {
	m := module{store}
	function := func(name string, arity int, fn func(*arguments) goja.Value) js.Export {
		return native.Function(name, arity, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			a := &arguments{vm: vm, what: name, namespace: native.Namespace(vm, name), call: call}
			return a.promise(fn)
		})
	}
	return js.Module{Name: "dgate/state", Exports: []js.Export{
		function("getDocument", 2, m.getDocument),
		function("getDocuments", 1, m.getDocuments),
		function("addDocument", 1, m.addDocument),
		function("deleteDocument", 1, m.deleteDocument),
		function("getCollection", 1, m.getCollection),
		function("addCollection", 1, m.addCollection),
		function("deleteCollection", 1, m.deleteCollection),
	}}
}

type module struct{ store Store }

// getDocument is getDocument(id, collection, {namespace}): the document, or null.
func (m module) getDocument(a *arguments) goja.Value {
	key := Key{ID: a.name(0, "id of a document"), Collection: a.name(1, "name of a collection")}
	key.Namespace = a.options(2).text("namespace", a.namespace)
	var doc Document
	var ok bool
	a.read(func(ctx context.Context) (err error) {
		doc, ok, err = m.store.Document(ctx, a.namespace, key)
		return err
	})
	if !ok {
		return goja.Null()
	}
	return documentObject(a.vm, doc)
}

// getDocuments is getDocuments({collection, limit, offset, namespace}): an array.
func (m module) getDocuments(a *arguments) goja.Value {
	q := a.object(0, "{ collection, limit, offset }")
	page := Page{
		Collection: q.required("collection"),
		Namespace:  q.text("namespace", a.namespace),
		Limit:      q.integer("limit", defaultLimit, maxLimit),
		Offset:     q.integer("offset", 0, maxInteger),
		MaxBytes:   a.vm.Limits().Body,
	}
	var docs []Document
	a.read(func(ctx context.Context) (err error) {
		docs, err = m.store.Documents(ctx, a.namespace, page)
		return err
	})
	list := make([]any, len(docs))
	for i, doc := range docs {
		list[i] = documentObject(a.vm, doc)
	}
	return a.vm.Runtime().NewArray(list...)
}

// addDocument is addDocument({id, collection, data}, {ifVersion}): the document as it is stored.
func (m module) addDocument(a *arguments) goja.Value {
	o := a.object(0, "{ id, collection, data }")
	doc := Document{Key: o.key(a.namespace), Data: o.json("data")}
	if doc.Data == nil {
		a.vm.ThrowType("addDocument: data is required: any value that JSON can hold")
	}
	cond := a.options(1).condition()
	return write(a, func(ctx context.Context) (Document, error) {
		return m.store.PutDocument(ctx, doc, cond)
	}, documentObject)
}

// deleteDocument is deleteDocument({id, collection}, {ifVersion}): what it was given.
func (m module) deleteDocument(a *arguments) goja.Value {
	o := a.object(0, "{ id, collection }")
	key, cond := o.key(a.namespace), a.options(1).condition()
	return write(a, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, m.store.DeleteDocument(ctx, key, cond)
	}, func(*js.VM, struct{}) goja.Value { return o.obj })
}

// getCollection is getCollection(name, {namespace}): the collection.
func (m module) getCollection(a *arguments) goja.Value {
	name := a.name(0, "name of a collection")
	namespace := a.options(1).text("namespace", a.namespace)
	var c Collection
	a.read(func(ctx context.Context) (err error) {
		c, err = m.store.Collection(ctx, a.namespace, namespace, name)
		return err
	})
	return collectionObject(a.vm, c)
}

// addCollection is addCollection({name, schema, type, visibility, tags}): the collection as it is stored.
func (m module) addCollection(a *arguments) goja.Value {
	o := a.object(0, "{ name, schema, visibility }")
	o.own(a.namespace)
	c := Collection{
		Namespace: a.namespace, Name: o.required("name"), Schema: o.json("schema"),
		Type: o.text("type", ""), Visibility: o.text("visibility", ""), Tags: o.texts("tags"),
	}
	return write(a, func(ctx context.Context) (Collection, error) {
		return m.store.PutCollection(ctx, c)
	}, collectionObject)
}

// deleteCollection is deleteCollection({name}): what it was given.
func (m module) deleteCollection(a *arguments) goja.Value {
	o := a.object(0, "{ name }")
	o.own(a.namespace)
	name := o.required("name")
	return write(a, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, m.store.DeleteCollection(ctx, a.namespace, name)
	}, func(*js.VM, struct{}) goja.Value { return o.obj })
}

// read reads from the store on this goroutine, without counting the time as computing.
func (a *arguments) read(from func(context.Context) error) {
	ctx := a.vm.Context()
	var err error
	a.vm.Blocking(func() { err = from(ctx) })
	if err != nil {
		a.vm.Throw(native.Coded(err))
	}
}

// write changes the store on a goroutine of its own, and is a promise of the result.
func write[T any](a *arguments, work func(context.Context) (T, error), convert func(*js.VM, T) goja.Value) goja.Value {
	return js.Async(a.vm, func(ctx context.Context) (T, error) {
		v, err := work(ctx)
		if err != nil {
			err = native.Coded(err)
		}
		return v, err
	}, convert)
}

// promise is what fn returns, or a promise of that. It is rejected with what fn throws.
func (a *arguments) promise(fn func(*arguments) goja.Value) goja.Value {
	var v goja.Value
	thrown := a.vm.Runtime().Try(func() { v = fn(a) })
	if thrown == nil && native.IsPromise(v) {
		return v
	}
	promise, resolve, reject := a.vm.NewPromise()
	if thrown != nil {
		reject(thrown.Value())
	} else {
		resolve(v)
	}
	return promise
}
