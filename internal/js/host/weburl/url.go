// Package weburl has the web's classes URL and URLSearchParams, as globals and as
// the exports of the module "url". Parsing is that of the WHATWG standard, by the
// library whatwg-url. The functions of Node's url module are not here.
package weburl

import (
	"reflect"
	"slices"
	"strings"

	"github.com/dop251/goja"
	"github.com/nlnwa/whatwg-url/url"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Globals returns the globals.
func Globals() []js.Global { return exports() }

// Module is the module "url".
func Module() js.Module { return js.Module{Name: "url", Exports: exports()} }

func exports() []js.Export {
	return []js.Export{
		{Name: "URL", New: func(vm *js.VM) goja.Value { return classesOf(vm).urlClass() }},
		{Name: "URLSearchParams", New: func(vm *js.VM) goja.Value { return classesOf(vm).paramsClass() }},
	}
}

// classes are the two classes on one VM.
type classes struct {
	vm          *js.VM
	url, params *goja.Object // nil until they are named
}

type classesKey struct{}

func classesOf(vm *js.VM) *classes {
	return vm.Value(classesKey{}, func(vm *js.VM) any { return &classes{vm: vm} }).(*classes)
}

// class makes a class whose objects are what construct returns.
func (c *classes) class(name string, construct func(goja.ConstructorCall) goja.DynamicObject, methods map[string]native.Method[*classes]) (class, proto *goja.Object) {
	class = c.vm.Runtime().ToValue(func(call goja.ConstructorCall) *goja.Object {
		obj := c.vm.Runtime().NewDynamicObject(construct(call))
		c.adopt(obj, call.This.Prototype())
		return obj
	}).(*goja.Object)
	proto = class.Get("prototype").(*goja.Object)
	native.Define(c.vm, class, "name", c.vm.Runtime().ToValue(name))
	if err := proto.SetSymbol(goja.SymToStringTag, name); err != nil {
		c.vm.Throw(err)
	}
	for method, m := range methods {
		native.Define(c.vm, proto, method, c.vm.Func(method, m.Arity, func(call goja.FunctionCall) goja.Value {
			if len(call.Arguments) < m.Arity {
				c.vm.ThrowType("%s.%s: not enough arguments, expected %d, got %d", name, method, m.Arity, len(call.Arguments))
			}
			return m.Call(c, call)
		}))
	}
	return class, proto
}

func (c *classes) adopt(obj, proto *goja.Object) {
	if err := obj.SetPrototype(proto); err != nil {
		c.vm.Throw(err)
	}
}

func (c *classes) urlClass() *goja.Object {
	if c.url != nil {
		return c.url
	}
	var proto *goja.Object
	c.url, proto = c.class("URL", func(call goja.ConstructorCall) goja.DynamicObject {
		u, err := c.parse("URL", call.Arguments)
		if err != nil {
			c.invalid(call.Argument(0), err)
		}
		return &webURL{c: c, u: u}
	}, map[string]native.Method[*classes]{
		"toString": {Call: hrefOf}, "toJSON": {Call: hrefOf},
	})
	native.Define(c.vm, c.url, "canParse", c.vm.Func("canParse", 1, func(call goja.FunctionCall) goja.Value {
		_, err := c.parse("URL.canParse", call.Arguments)
		return c.vm.Runtime().ToValue(err == nil)
	}))
	native.Define(c.vm, c.url, "parse", c.vm.Func("parse", 1, func(call goja.FunctionCall) goja.Value {
		u, err := c.parse("URL.parse", call.Arguments)
		if err != nil {
			return goja.Null()
		}
		obj := c.vm.Runtime().NewDynamicObject(&webURL{c: c, u: u})
		c.adopt(obj, proto)
		return obj
	}))
	return c.url
}

// parse reads the arguments url and base.
func (c *classes) parse(what string, args []goja.Value) (*url.Url, error) {
	if len(args) == 0 {
		c.vm.ThrowType("%s: expected a URL as first argument", what)
	}
	base := goja.Undefined()
	if len(args) > 1 {
		base = args[1]
	}
	return parseURL(args[0].String(), base.String(), !goja.IsUndefined(base))
}

// invalid throws what is wrong with a URL.
func (c *classes) invalid(v goja.Value, err error) {
	text := v.String()
	if len(text) > 200 {
		c.vm.ThrowType("Invalid URL: %s…: %v", strings.ToValidUTF8(text[:200], ""), err)
	}
	c.vm.ThrowType("Invalid URL: %s", text)
}

func hrefOf(c *classes, call goja.FunctionCall) goja.Value {
	if obj, ok := call.This.(*goja.Object); ok && obj.ExportType() == reflect.TypeFor[*webURL]() {
		return obj.Get("href")
	}
	c.vm.ThrowType("this method must be called on a URL")
	return nil
}

// webURL is an object of class URL.
type webURL struct {
	c      *classes
	u      *url.Url
	params *params
	obj    *goja.Object // the object over params
}

var _ goja.DynamicObject = (*webURL)(nil)

var urlKeys = []string{"href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "searchParams", "hash"}

// parts are the members of a URL that are text on their own and can be set.
var parts = map[string]struct {
	get func(*url.Url) string
	set func(*url.Url, string)
}{
	"protocol": {(*url.Url).Protocol, (*url.Url).SetProtocol},
	"username": {(*url.Url).Username, (*url.Url).SetUsername},
	"password": {(*url.Url).Password, (*url.Url).SetPassword},
	"host":     {(*url.Url).Host, (*url.Url).SetHost},
	"hostname": {(*url.Url).Hostname, (*url.Url).SetHostname},
	"port":     {(*url.Url).Port, (*url.Url).SetPort},
	"pathname": {(*url.Url).Pathname, (*url.Url).SetPathname},
	"search":   {(*url.Url).Search, (*url.Url).SetSearch},
	"hash":     {(*url.Url).Hash, (*url.Url).SetHash},
}

// Get implements goja.DynamicObject.
func (w *webURL) Get(key string) goja.Value {
	rt := w.c.vm.Runtime()
	switch key {
	case "href":
		return rt.ToValue(w.u.Href(false))
	case "origin":
		return rt.ToValue(origin(w.u))
	case "searchParams":
		if w.obj == nil {
			w.params = &params{c: w.c, list: parse(w.u.Query()), changed: w.u.SetSearch}
			w.obj = w.c.newParams(w.params)
		}
		return w.obj
	}
	if part, ok := parts[key]; ok {
		return rt.ToValue(part.get(w.u))
	}
	return nil
}

// Set implements goja.DynamicObject. As in browsers, a value that does not fit
// changes nothing, except that href must be a URL.
func (w *webURL) Set(key string, v goja.Value) bool {
	if key == "searchParams" || key == "origin" {
		w.c.vm.ThrowType("URL.%s cannot be set", key)
	}
	if !w.Has(key) {
		w.c.vm.ThrowType("URL has no member %q to be set", key)
	}
	text := v.String()
	if key == "href" {
		u, err := parseURL(text, "", false)
		if err != nil {
			w.c.invalid(v, err)
		}
		*w.u = *u
	} else if w.fits(key, text) {
		parts[key].set(w.u, text)
	}
	if w.params != nil && (key == "href" || key == "search") {
		w.params.list = parse(w.u.Query())
	}
	return true
}

// fits tells whether a part stays within bounds.
func (w *webURL) fits(key, text string) bool {
	switch key {
	case "search", "hash":
		return len(text)+len(w.u.Pathname()) <= maxURL
	case "pathname":
		return len(text) <= maxURL && segments(text) == nil
	}
	return len(text) <= maxAuthority
}

// origin is the scheme, host and port of a URL; "null" where that means nothing.
func origin(u *url.Url) string {
	switch u.Scheme() {
	case "http", "https", "ws", "wss", "ftp":
		return u.Protocol() + "//" + u.Host()
	case "blob":
		if inner, err := parseURL(u.Pathname(), "", false); err == nil && (inner.Scheme() == "http" || inner.Scheme() == "https") {
			return origin(inner)
		}
	}
	return "null"
}

// Has implements goja.DynamicObject.
func (w *webURL) Has(key string) bool {
	return slices.Contains(urlKeys, key)
}

// Delete implements goja.DynamicObject.
func (w *webURL) Delete(key string) bool { return !w.Has(key) }

// Keys implements goja.DynamicObject.
func (w *webURL) Keys() []string { return urlKeys }
