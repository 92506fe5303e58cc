package headers

import (
	"net/http"
	"strings"

	"github.com/dop251/goja"
	"golang.org/x/net/http/httpguts"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// maxNames bounds how many spellings of names one VM remembers.
const maxNames = 512

// cache is what all views of one VM share.
type cache struct {
	vm      *js.VM
	members native.Members[*cache]
	proto   *goja.Object
	names   map[string]string // as written by scripts → canonical
	empty   goja.Value
	class   *native.Made // nil until the class Headers is asked for
	last    *View        // the one whose method was last looked up: most likely the next this
}

type cacheKey struct{}

func cacheOf(vm *js.VM) *cache {
	return vm.Value(cacheKey{}, func(vm *js.VM) any {
		return &cache{
			vm:      vm,
			members: native.Members[*cache]{Table: methods},
			names:   make(map[string]string, 16),
			empty:   vm.Runtime().ToValue(""),
		}
	}).(*cache)
}

// Forget makes the VM keep no reference to the views it has seen. Call it when a
// call has ended, so that an idle VM does not hold on to the last request.
func Forget(vm *js.VM) { cacheOf(vm).last = nil }

// prototype adds what dynamic objects cannot have themselves: Symbol.iterator.
func (c *cache) prototype() *goja.Object {
	if c.proto != nil {
		return c.proto
	}
	proto := c.vm.Runtime().NewObject()
	it := native.Iterator(c.vm, func(call goja.FunctionCall) goja.Value { return entries(c, call) })
	if err := proto.SetSymbol(goja.SymIterator, it); err != nil {
		c.vm.Throw(err)
	}
	c.proto = proto
	return proto
}

// canonical is http.CanonicalHeaderKey that remembers.
func (c *cache) canonical(name string) string {
	if known, ok := c.names[name]; ok {
		return known
	}
	canonical := http.CanonicalHeaderKey(name)
	if len(c.names) < maxNames && len(name) < 256 {
		c.names[strings.Clone(name)] = canonical
	}
	return canonical
}

// name checks and canonicalises the name of a header that is to be set.
func (c *cache) name(what, name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		c.vm.ThrowType("%s: %q is not a valid name of a header", what, name)
	}
	return c.canonical(name)
}

// Name checks and canonicalises the name of a header that is to be set. what
// stands in front of the message when it throws.
func Name(vm *js.VM, what string, v goja.Value) string {
	return cacheOf(vm).name(what, v.String())
}

// Value is a value as it may stand in a header: text in one line. It throws for a
// symbol, which has no text.
func Value(vm *js.VM, v goja.Value) string {
	refuseSymbol(vm, v)
	return Line(native.Text(v))
}

func refuseSymbol(vm *js.VM, v goja.Value) {
	if _, symbol := v.(*goja.Symbol); symbol {
		vm.ThrowType("a symbol cannot be the value of a header")
	}
}

// Line replaces the control characters of s by spaces.
func Line(s string) string {
	if httpguts.ValidHeaderFieldValue(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// values turns an assigned value into values: an array becomes one per item.
func (c *cache) values(v goja.Value) []string {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Array" {
		return []string{Value(c.vm, v)}
	}
	var values []string
	c.vm.Runtime().ForOf(obj, func(item goja.Value) bool {
		values = append(values, Value(c.vm, item))
		return true
	})
	return values
}

// From reads headers that a script gives: other headers, pairs of name and value
// in anything that can be iterated, or an object of names and values. what stands in front of the message when it throws.
func From(vm *js.VM, what string, v goja.Value) http.Header {
	h := make(http.Header)
	if native.Missing(v) {
		return h
	}
	c := cacheOf(vm)
	if view, ok := c.view(v); ok {
		view.check()
		return view.h.Clone()
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		vm.ThrowType("%s: expected an object of headers, got %s", what, native.TypeName(v))
	}
	if !native.Missing(obj.GetSymbol(goja.SymIterator)) {
		vm.Runtime().ForOf(obj, func(item goja.Value) bool {
			pair, ok := item.(*goja.Object)
			if !ok || native.Missing(pair.Get("0")) || native.Missing(pair.Get("1")) {
				vm.ThrowType("%s: expected pairs of name and value", what)
			}
			name := c.name(what, pair.Get("0").String())
			h[name] = append(h[name], Value(vm, pair.Get("1")))
			return true
		})
		return h
	}
	for _, key := range obj.Keys() {
		name := c.name(what, key)
		h[name] = append(h[name], c.values(obj.Get(key))...)
	}
	return h
}
