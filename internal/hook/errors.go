package hook

import (
	"errors"
	"net"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// causeValue is what errorHandler gets as its second argument. An error that is not a script's has
// the status that the client would get, if it knows one (method HTTPStatus).
func (f *frame) causeValue(cause error) goja.Value {
	var script *js.Error
	if !errors.As(cause, &script) {
		obj := f.vm.Error(errors.New(causeText(cause)))
		if s, ok := errors.AsType[interface {
			error
			HTTPStatus() int
		}](cause); ok {
			_ = obj.Set("status", s.HTTPStatus()) // an Error of the language takes it
		}
		return obj
	}
	if script.Value != nil && script == f.s.failed && f.vm == f.s.failedOn { // the pointer tells that it is the very error
		return script.Value
	}
	name, message, named := strings.Cut(script.Message, ": ")
	if !named || !strings.HasSuffix(name, "Error") || strings.ContainsAny(name, " \t") {
		name, message = "Error", script.Message
	}
	obj := f.vm.Error(errors.New(message))
	if name != "Error" {
		_ = obj.Set("name", name) // an Error of the language takes it
	}
	return obj
}

// causeText is the message of an error that is not a script's. What went wrong on
// the network is told without the layers around it, as scripts have always seen it.
func causeText(cause error) string {
	if op, ok := errors.AsType[*net.OpError](cause); ok {
		return op.Error()
	}
	if cause == nil {
		return "unknown error"
	}
	return cause.Error()
}
