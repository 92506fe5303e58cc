package native

import "github.com/dgate-io/caddy-dgate/internal/js"

// Namespace names the namespace that the running script belongs to, for the
// function called what, which keeps data per namespace. Outside of a hook there is
// none: then it throws.
func Namespace(vm *js.VM, what string) string {
	scope := vm.Scope()
	switch {
	case scope == nil && vm.Call() != 0:
		vm.ThrowType("%s is not available while a module is being loaded: call it in a hook", what)
	case scope == nil:
		vm.ThrowType("request is finished")
	}
	if of, ok := scope.(interface{ Namespace() string }); ok && of.Namespace() != "" {
		return of.Namespace()
	}
	vm.ThrowType("%s is not available: this script belongs to no namespace", what)
	return ""
}
