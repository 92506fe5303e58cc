package native

import (
	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// Coded makes an error of the store one that scripts can tell from others: an Error
// with a property code, such as "not_found", and with fields where fields are wrong.
func Coded(err error) error { return &coded{err} }

type coded struct{ error }

// Unwrap gives the error of the store.
func (e *coded) Unwrap() error { return e.error }

// Object is what js.VM.Error returns for the error.
func (e *coded) Object(vm *js.VM) *goja.Object {
	obj, rt := vm.Error(e.error), vm.Runtime()
	_ = obj.Set("code", string(resource.CodeOf(e.error))) // of new objects, this and the next cannot fail
	if wrong := resource.FieldErrors(e.error); len(wrong) > 0 {
		fields := make([]any, len(wrong))
		for i, f := range wrong {
			field := rt.NewObject()
			_ = field.Set("field", f.Field)
			_ = field.Set("problem", f.Problem)
			if f.Value != "" {
				_ = field.Set("value", f.Value)
			}
			fields[i] = field
		}
		_ = obj.Set("fields", rt.NewArray(fields...))
	}
	return obj
}
