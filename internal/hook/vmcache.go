package hook

import (
	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

type (
	method  = native.Method[*vmCache]
	members = native.Members[*vmCache]
)

// vmCache is what the views of all requests on one VM share: the native functions
// behind their methods, each made when a script first uses it.
type vmCache struct {
	vm *js.VM
	rt *goja.Runtime

	ctx, request, response, upstream, query, record members

	empty           goja.Value
	queryProto      *goja.Object // adds Symbol.iterator, which dynamic objects cannot have themselves
	callableRequest *goja.Object
}

type vmCacheKey struct{}

func cacheOf(vm *js.VM) *vmCache {
	return vm.Value(vmCacheKey{}, newVMCache).(*vmCache)
}

func newVMCache(vm *js.VM) any {
	rt := vm.Runtime()
	return &vmCache{
		vm: vm, rt: rt,
		ctx:      members{Table: ctxMethods},
		request:  members{Table: requestMethods},
		response: members{Table: responseMethods},
		upstream: members{Table: upstreamMethods},
		query:    members{Table: queryMethods},
		record:   members{Table: recordMethods},
		empty:    rt.ToValue(""),
	}
}

// current is the frame of the hook that runs now; it throws when none does.
func (c *vmCache) current() *frame {
	f, ok := c.vm.Scope().(*frame)
	if !ok || f.late.begun() {
		c.vm.ThrowType("request is finished")
	}
	return f
}

// str is a JavaScript string; the empty one is shared.
func (c *vmCache) str(s string) goja.Value {
	if s == "" {
		return c.empty
	}
	return c.rt.ToValue(s)
}
