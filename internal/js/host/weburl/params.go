package weburl

import (
	"encoding/hex"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// params is an object of class URLSearchParams.
type params struct {
	c       *classes
	list    []param
	changed func(query string) // tells the URL it belongs to, if any
}

type param struct{ name, value string }

var _ goja.DynamicObject = (*params)(nil)

// Get implements goja.DynamicObject.
func (p *params) Get(key string) goja.Value {
	if key == "size" {
		return p.c.vm.Runtime().ToValue(len(p.list))
	}
	return nil
}

// Set implements goja.DynamicObject: there is nothing to set.
func (p *params) Set(string, goja.Value) bool { return false }

// Has implements goja.DynamicObject.
func (p *params) Has(key string) bool { return key == "size" }

// Delete implements goja.DynamicObject.
func (p *params) Delete(key string) bool { return key != "size" }

// Keys implements goja.DynamicObject.
func (p *params) Keys() []string { return nil }

// parse reads a query, as forms are encoded.
func parse(query string) []param {
	var list []param
	for part := range strings.SplitSeq(query, "&") {
		if part != "" {
			name, value, _ := strings.Cut(part, "=")
			list = append(list, param{unescape(name), unescape(value)})
		}
	}
	return list
}

// unescape decodes percent-encoding; what is not encoded well stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s):
			if one, err := hex.AppendDecode(b, []byte(s[i+1:i+3])); err == nil {
				b = one
				i += 2
				continue
			}
			b = append(b, '%')
		default:
			b = append(b, s[i])
		}
	}
	return native.UTF8(b)
}

// escaper makes what Go does of forms what browsers do of them.
var escaper = strings.NewReplacer("%2A", "*", "~", "%7E")

func escape(s string) string { return escaper.Replace(url.QueryEscape(s)) }

func (p *params) String() string {
	var b strings.Builder
	for i, q := range p.list {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(q.name) + "=" + escape(q.value))
	}
	return b.String()
}

func (p *params) update(list []param) goja.Value {
	p.list = list
	if p.changed != nil {
		p.changed(p.String())
	}
	return goja.Undefined()
}

func (c *classes) paramsClass() *goja.Object {
	if c.params != nil {
		return c.params
	}
	class, proto := c.class("URLSearchParams", func(call goja.ConstructorCall) goja.DynamicObject {
		return &params{c: c, list: c.paramsFrom(call.Argument(0))}
	}, paramsMethods)
	if err := proto.SetSymbol(goja.SymIterator, proto.Get("entries")); err != nil {
		c.vm.Throw(err)
	}
	c.params = class
	return class
}

// newParams makes an object of the class.
func (c *classes) newParams(p *params) *goja.Object {
	proto, _ := c.paramsClass().Get("prototype").(*goja.Object)
	obj := c.vm.Runtime().NewDynamicObject(p)
	c.adopt(obj, proto)
	return obj
}

// paramsFrom reads what the constructor takes: text, pairs, or an object.
func (c *classes) paramsFrom(v goja.Value) []param {
	obj, ok := v.(*goja.Object)
	if !ok {
		if goja.IsUndefined(v) {
			return nil
		}
		return parse(strings.TrimPrefix(v.String(), "?"))
	}
	if obj.ExportType() == reflect.TypeFor[*params]() {
		return slices.Clone(c.paramsOf(v).list)
	}
	var list []param
	if it := obj.GetSymbol(goja.SymIterator); native.Missing(it) {
		for _, name := range obj.Keys() {
			list = append(list, param{name, obj.Get(name).String()})
		}
		return list
	}
	c.vm.Runtime().ForOf(obj, func(item goja.Value) bool {
		pair, ok := item.(*goja.Object)
		if !ok || native.Missing(pair.Get("length")) || pair.Get("length").ToInteger() != 2 {
			c.vm.ThrowType("URLSearchParams: expected pairs of name and value")
		}
		list = append(list, param{pair.Get("0").String(), pair.Get("1").String()})
		return true
	})
	return list
}

// paramsOf finds the object that a method was called on.
func (c *classes) paramsOf(this goja.Value) *params {
	if obj, ok := this.(*goja.Object); ok && obj.ExportType() == reflect.TypeFor[*params]() {
		if p, ok := obj.Export().(*params); ok {
			return p
		}
	}
	c.vm.ThrowType("this method must be called on a URLSearchParams")
	return nil
}

// each makes a method that returns an iterator with an item per parameter, as they
// are now.
func each(item func(*classes, param) any) native.Method[*classes] {
	return native.Method[*classes]{Call: func(c *classes, call goja.FunctionCall) goja.Value {
		var items []any
		for _, q := range c.paramsOf(call.This).list {
			items = append(items, item(c, q))
		}
		list := c.vm.Runtime().NewArray(items...)
		return native.Invoke(native.Callback(c.vm, "Array.prototype.values", list.Get("values")), list)
	}}
}

// Inspect implements js.Inspected.
func (p *params) Inspect() goja.Value {
	pairs := make([]any, len(p.list))
	for i, q := range p.list {
		pairs[i] = p.c.vm.Runtime().NewArray(q.name, q.value)
	}
	return p.c.vm.Runtime().NewArray(pairs...)
}

// matches makes a test for parameters of a name and, if a second argument says so,
// a value.
func matches(call goja.FunctionCall) func(param) bool {
	name := call.Argument(0).String()
	if v := call.Argument(1); !goja.IsUndefined(v) {
		value := v.String()
		return func(q param) bool { return q.name == name && q.value == value }
	}
	return func(q param) bool { return q.name == name }
}

var paramsMethods = map[string]native.Method[*classes]{
	"get": {Arity: 1, Call: func(c *classes, call goja.FunctionCall) goja.Value {
		name := call.Argument(0).String()
		for _, q := range c.paramsOf(call.This).list {
			if q.name == name {
				return c.vm.Runtime().ToValue(q.value)
			}
		}
		return goja.Null()
	}},
	"getAll": {Arity: 1, Call: func(c *classes, call goja.FunctionCall) goja.Value {
		var values []string
		name := call.Argument(0).String()
		for _, q := range c.paramsOf(call.This).list {
			if q.name == name {
				values = append(values, q.value)
			}
		}
		return native.Strings(c.vm, values)
	}},
	"has": {Arity: 1, Call: func(c *classes, call goja.FunctionCall) goja.Value {
		return c.vm.Runtime().ToValue(slices.ContainsFunc(c.paramsOf(call.This).list, matches(call)))
	}},
	"append": {Arity: 2, Call: func(c *classes, call goja.FunctionCall) goja.Value {
		p := c.paramsOf(call.This)
		return p.update(append(p.list, param{call.Argument(0).String(), call.Argument(1).String()}))
	}},
	"set": {Arity: 2, Call: func(c *classes, call goja.FunctionCall) goja.Value {
		p, q := c.paramsOf(call.This), param{call.Argument(0).String(), call.Argument(1).String()}
		same := func(other param) bool { return other.name == q.name }
		at := slices.IndexFunc(p.list, same)
		if at < 0 {
			at = len(p.list)
		}
		return p.update(slices.Insert(slices.DeleteFunc(p.list, same), at, q))
	}},
	"delete": {Arity: 1, Call: func(c *classes, call goja.FunctionCall) goja.Value {
		p := c.paramsOf(call.This)
		return p.update(slices.DeleteFunc(p.list, matches(call)))
	}},
	"sort": {Call: func(c *classes, call goja.FunctionCall) goja.Value {
		p := c.paramsOf(call.This)
		slices.SortStableFunc(p.list, func(a, b param) int {
			return slices.Compare(utf16.Encode([]rune(a.name)), utf16.Encode([]rune(b.name)))
		})
		return p.update(p.list)
	}},
	"forEach": {Arity: 1, Call: func(c *classes, call goja.FunctionCall) goja.Value {
		p, rt := c.paramsOf(call.This), c.vm.Runtime()
		fn := native.Callback(c.vm, "URLSearchParams.forEach", call.Argument(0))
		for _, q := range slices.Clone(p.list) {
			native.Invoke(fn, call.Argument(1), rt.ToValue(q.value), rt.ToValue(q.name), call.This)
		}
		return goja.Undefined()
	}},
	"keys":    each(func(_ *classes, q param) any { return q.name }),
	"values":  each(func(_ *classes, q param) any { return q.value }),
	"entries": each(func(c *classes, q param) any { return c.vm.Runtime().NewArray(q.name, q.value) }),
	"toString": {Call: func(c *classes, call goja.FunctionCall) goja.Value {
		return c.vm.Runtime().ToValue(c.paramsOf(call.This).String())
	}},
}
