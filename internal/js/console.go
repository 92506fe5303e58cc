package js

import (
	"fmt"
	"strings"
	"time"

	"github.com/dop251/goja"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// maxLines is how many lines one call of a hook may write to the console.
	maxLines = 1000
	// maxLogged is how many bytes that may be.
	maxLogged = 256 << 10
)

// consoleMethods are the methods of console. Each is given the arguments.
var consoleMethods = map[string]func(c *console, args []goja.Value){
	"log":   func(c *console, args []goja.Value) { c.log(zapcore.InfoLevel, args) },
	"info":  func(c *console, args []goja.Value) { c.log(zapcore.InfoLevel, args) },
	"debug": func(c *console, args []goja.Value) { c.log(zapcore.DebugLevel, args) },
	"warn":  func(c *console, args []goja.Value) { c.log(zapcore.WarnLevel, args) },
	"error": func(c *console, args []goja.Value) { c.log(zapcore.ErrorLevel, args) },
	"trace": (*console).trace,
	"dir":   (*console).dir, "dirxml": (*console).dir, "table": (*console).dir,
	"assert": func(c *console, args []goja.Value) {
		if len(args) == 0 || !args[0].ToBoolean() {
			c.write(zapcore.ErrorLevel, func() string { return "Assertion failed" + after(": ", c.vm.Format(args[min(1, len(args)):])) })
		}
	},
	"count": func(c *console, args []goja.Value) {
		label := labelOf(args)
		if c.counts == nil {
			c.counts = map[string]int{}
		}
		c.counts[label]++
		c.write(zapcore.InfoLevel, func() string { return fmt.Sprintf("%s: %d", label, c.counts[label]) })
	},
	"countReset": func(c *console, args []goja.Value) { delete(c.counts, labelOf(args)) },
	"time": func(c *console, args []goja.Value) {
		if c.clocks == nil {
			c.clocks = map[string]time.Time{}
		}
		c.clocks[labelOf(args)] = time.Now()
	},
	"timeLog": (*console).elapsed,
	"timeEnd": func(c *console, args []goja.Value) {
		c.elapsed(args[:min(1, len(args))])
		delete(c.clocks, labelOf(args))
	},
	"group": (*console).group, "groupCollapsed": (*console).group,
	"groupEnd": func(c *console, _ []goja.Value) { c.indent = strings.TrimSuffix(c.indent, "  ") },
}

// console is what the console of one VM remembers, of one call only.
type console struct {
	vm     *VM
	call   uint64
	lines  int
	bytes  int
	indent string
	counts map[string]int
	clocks map[string]time.Time
}

type consoleKey struct{}

// newConsole makes console. Its methods write to the VM's logger, formatted as
// util.format does. What a call writes beyond a bound is dropped, so that a script
// that logs in a loop does not fill a disk.
func newConsole(vm *VM) goja.Value {
	var methods []Export
	for _, name := range consoleNames {
		methods = append(methods, Export{name, newConsoleMethod(name)})
	}
	return vm.Lazy(methods)
}

// Console returns the methods of console, for a module of that name.
func Console() []Export {
	var methods []Export
	for _, name := range consoleNames {
		methods = append(methods, Export{name, func(vm *VM) goja.Value {
			return vm.rt.Get("console").(*goja.Object).Get(name)
		}})
	}
	return methods
}

var consoleNames = []string{
	"log", "info", "debug", "warn", "error", "trace", "dir", "dirxml", "table", "assert",
	"count", "countReset", "time", "timeLog", "timeEnd", "group", "groupCollapsed", "groupEnd",
}

func newConsoleMethod(name string) func(*VM) goja.Value {
	return func(vm *VM) goja.Value {
		return vm.Func(name, 0, func(call goja.FunctionCall) goja.Value {
			c := vm.Value(consoleKey{}, func(vm *VM) any { return &console{vm: vm} }).(*console)
			if c.call != vm.call {
				*c = console{vm: vm, call: vm.call}
			}
			consoleMethods[name](c, call.Arguments)
			return goja.Undefined()
		})
	}
}

// log writes values as Format puts them.
func (c *console) log(level zapcore.Level, args []goja.Value) {
	c.write(level, func() string { return c.vm.Format(args) })
}

// write writes a line, which is made only if somebody wants it.
func (c *console) write(level zapcore.Level, line func() string) {
	if c.lines > maxLines {
		return
	}
	entry := c.vm.log.Check(level, "")
	if entry == nil {
		return
	}
	entry.Message = line()
	if c.indent != "" {
		entry.Message = c.indent + strings.ReplaceAll(entry.Message, "\n", "\n"+c.indent)
	}
	c.lines++
	if c.bytes += len(entry.Message); c.lines > maxLines || c.bytes > maxLogged {
		c.lines = maxLines + 1
		c.vm.log.Warn(fmt.Sprintf("the console takes %d lines and %d KiB of a call; the rest is dropped", maxLines, maxLogged>>10), c.vm.consoleFields()...)
		return
	}
	entry.Write(c.vm.consoleFields()...)
}

// consoleFields says where a line comes from.
func (vm *VM) consoleFields() []zap.Field {
	if vm.run.hook == "" {
		return nil
	}
	return []zap.Field{zap.String("hook", vm.run.hook)}
}

// trace writes values and where the script is.
func (c *console) trace(args []goja.Value) {
	c.write(zapcore.DebugLevel, func() string {
		stack := c.vm.newError("Error", "").Get("stack").String()
		_, stack, _ = strings.Cut(cleanStack(stack), "\n") // the message
		_, stack, _ = strings.Cut(stack, "\n")             // this function
		return strings.TrimRight("Trace"+after(": ", c.vm.Format(args))+"\n"+stack, "\n")
	})
}

// dir writes one value.
func (c *console) dir(args []goja.Value) {
	c.write(zapcore.InfoLevel, func() string {
		if len(args) == 0 {
			return "undefined"
		}
		return c.vm.Inspect(args[0])
	})
}

// elapsed writes how long ago time was called with a label.
func (c *console) elapsed(args []goja.Value) {
	label := labelOf(args)
	start, ok := c.clocks[label]
	if !ok {
		c.write(zapcore.WarnLevel, func() string { return fmt.Sprintf("there is no time of label %q", label) })
		return
	}
	d := time.Since(start)
	c.write(zapcore.InfoLevel, func() string {
		return fmt.Sprintf("%s: %.3fms", label, float64(d.Microseconds())/1000) + after(" ", c.vm.Format(args[min(1, len(args)):]))
	})
}

// maxIndent is how deep groups are shown.
const maxIndent = 40

func (c *console) group(args []goja.Value) {
	if len(args) > 0 {
		c.log(zapcore.InfoLevel, args)
	}
	if len(c.indent) < maxIndent {
		c.indent += "  "
	}
}

func labelOf(args []goja.Value) string {
	if len(args) == 0 || goja.IsUndefined(args[0]) {
		return "default"
	}
	return truncate(args[0].String(), 1000)
}

// after puts a separator before text, if there is any.
func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}
