// Package secret is the module "dgate/secret": what operators have stored as
// secrets, for the modules of the same namespace. It writes no secrets, and keeps
// none.
package secret

import (
	"context"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Source is where secrets are.
type Source interface {
	// Secret returns the secret of a namespace, in the clear; false if there is none. It works on
	// what this node has stored and does not wait for others. The error never contains the secret.
	Secret(ctx context.Context, namespace, name string) (value string, ok bool, err error)
}

// Module returns the module.
func Module(src Source) js.Module {
	return js.Module{Name: "dgate/secret", Exports: []js.Export{
		native.Function("getSecret", 1, func(vm *js.VM, call goja.FunctionCall) goja.Value {
			return getSecret(vm, src, call.Argument(0))
		}),
	}}
}

// getSecret is getSecret(name): the secret, or null.
func getSecret(vm *js.VM, src Source, name goja.Value) goja.Value {
	if !goja.IsString(name) {
		vm.ThrowType("getSecret: expected the name of a secret, a string, got %s", native.TypeName(name))
	}
	namespace, ctx := native.Namespace(vm, "getSecret"), vm.Context()
	var value string
	var ok bool
	var err error
	vm.Blocking(func() { value, ok, err = src.Secret(ctx, namespace, name.String()) })
	switch {
	case err != nil:
		vm.Throw(native.Coded(err))
	case !ok:
		return goja.Null()
	}
	return vm.Runtime().ToValue(value)
}
