package js

import (
	"strings"

	"github.com/dop251/goja"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// consoleLevels are the methods of console that write a line, and at which level.
var consoleLevels = map[string]zapcore.Level{
	"log": zapcore.InfoLevel, "info": zapcore.InfoLevel, "debug": zapcore.DebugLevel,
	"trace": zapcore.DebugLevel, "warn": zapcore.WarnLevel, "error": zapcore.ErrorLevel,
}

// newConsole makes console. Its methods write to the VM's logger, formatted
// as util.format does; those for grouping, counting and timing do nothing.
func newConsole(vm *VM) goja.Value {
	var methods []Export
	for _, name := range []string{"log", "info", "debug", "warn", "error", "trace"} {
		methods = append(methods, Export{name, func(vm *VM) goja.Value { return newLogMethod(vm, name, consoleLevels[name]) }})
	}
	return vm.Lazy(methods)
}

func newLogMethod(vm *VM, name string, level zapcore.Level) goja.Value {
	return vm.Func(name, 0, func(call goja.FunctionCall) goja.Value {
		if entry := vm.log.Check(level, ""); entry != nil {
			entry.Message = vm.Format(call.Arguments)
			entry.Write(vm.consoleFields()...)
		}
		return goja.Undefined()
	})
}

// consoleFields says where a line comes from.
func (vm *VM) consoleFields() []zap.Field {
	if vm.run.hook == "" {
		return nil
	}
	return []zap.Field{zap.String("hook", vm.run.hook)}
}

// Format puts values into a line as console.log does: if the first is a
// string, its %s, %d, %i, %f, %j, %o and %O take the next values; what is left
// is appended, strings as they are and the rest as Inspect writes it.
func (vm *VM) Format(args []goja.Value) string {
	var b strings.Builder
	if len(args) > 0 {
		if s, ok := args[0].(goja.String); ok {
			args = vm.formatVerbs(&b, s.String(), args[1:])
		} else {
			b.WriteString(vm.Inspect(args[0]))
			args = args[1:]
		}
	}
	for _, v := range args {
		if b.Len() > maxLine {
			break
		}
		b.WriteByte(' ')
		if s, ok := v.(goja.String); ok {
			b.WriteString(s.String())
		} else {
			b.WriteString(vm.Inspect(v))
		}
	}
	return truncate(b.String(), maxLine)
}
