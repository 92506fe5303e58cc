// Package util is the module "dgate/util": small helpers over the objects that
// hooks are given. It reaches nothing that a script could not reach itself.
package util

import (
	"strings"
	"sync"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Module returns the module.
func Module() js.Module {
	return js.Module{Name: "dgate/util", Exports: []js.Export{{Name: "readWriteBody", New: readWriteBody}}}
}

// source is readWriteBody(message, change): it reads the body of ctx.upstream() or
// ctx.request(), gives its text to change, writes what that returns, and is a
// promise of it.
const source = `(function (text, check) {
	return async function readWriteBody(message, change) {
		check(message, change);
		const changed = await change(text(await message.readBody()));
		message.writeBody(changed);
		return changed;
	};
})`

// program is source, compiled once per process.
var program = sync.OnceValue(func() *goja.Program { return goja.MustCompile("dgate/util", source, true) })

func readWriteBody(vm *js.VM) goja.Value {
	v, err := vm.Runtime().RunProgram(program())
	if err != nil {
		vm.Throw(err)
	}
	text := vm.Func("text", 1, func(call goja.FunctionCall) goja.Value {
		data, _ := vm.Bytes(call.Argument(0))
		return vm.Runtime().ToValue(strings.ToValidUTF8(string(data), "\ufffd"))
	})
	check := vm.Func("check", 2, func(call goja.FunctionCall) goja.Value {
		message, ok := call.Argument(0).(*goja.Object)
		if !ok || message.Get("readBody") == nil || message.Get("writeBody") == nil {
			vm.ThrowType("readWriteBody: expected ctx.upstream() or ctx.request(), got %s", native.TypeName(call.Argument(0)))
		}
		native.Callback(vm, "readWriteBody", call.Argument(1))
		return goja.Undefined()
	})
	return native.Invoke(native.Callback(vm, "readWriteBody", v), goja.Undefined(), text, check)
}
