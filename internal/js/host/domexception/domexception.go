// Package domexception is the global DOMException: the class of the errors of web
// standards, which scripts tell apart by name, such as "AbortError". It does not
// decide when one is thrown.
package domexception

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// Global returns the global.
func Global() js.Global { return js.Global{Name: "DOMException", New: class} }

//go:embed domexception.js
var source string

var program = sync.OnceValue(func() *goja.Program { return goja.MustCompile("DOMException", source, true) })

type classKey struct{}

func class(vm *js.VM) goja.Value {
	return vm.Value(classKey{}, func(vm *js.VM) any { return native.Eval(vm, program()) }).(goja.Value)
}

// Error is a Go error that scripts see as a DOMException. [js.VM.Throw] throws it
// and [js.Async] rejects with it.
type Error struct {
	name, message string
}

// Errorf returns an error of that name, such as "OperationError".
func Errorf(name, format string, args ...any) *Error {
	return &Error{name, fmt.Sprintf(format, args...)}
}

// Error returns the message.
func (e *Error) Error() string { return e.message }

// Name returns the name.
func (e *Error) Name() string { return e.name }

// Object returns a new DOMException.
func (e *Error) Object(vm *js.VM) *goja.Object { return New(vm, e.name, e.message) }

// New returns a new DOMException.
func New(vm *js.VM, name, message string) *goja.Object {
	obj, err := vm.Runtime().New(class(vm), vm.Runtime().ToValue(message), vm.Runtime().ToValue(name))
	if err != nil {
		vm.Throw(err)
	}
	return obj
}

// Throw throws a new DOMException. It does not return.
func Throw(vm *js.VM, name, format string, args ...any) {
	panic(New(vm, name, fmt.Sprintf(format, args...)))
}
