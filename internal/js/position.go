package js

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// maxFrames is how many lines of a stack are kept.
const maxFrames = 20

// framePC is the offset into goja's byte code that ends a frame.
var framePC = regexp.MustCompile(`:(\d+):(\d+)\(\d+\)`)

// framePosition finds file, line and column in a line of a stack.
var framePosition = regexp.MustCompile(`^\s*at (?:.* \()?(([^()\s]+):(\d+):(\d+))\)?$`)

// thrown makes an error of a value that a script has thrown or rejected with.
// frames may be nil; then the position is looked for in the value's stack.
// Reading the value runs script, which may break a limit: then the error is about that.
func (vm *VM) thrown(v goja.Value, frames []goja.StackFrame, kind Kind) *Error {
	e := &Error{Kind: kind, Value: v}
	if err := vm.protect(func() { vm.describe(e, v) }); err != nil {
		if _, ok := errors.AsType[*goja.Exception](err); !ok {
			return vm.failure(err, kind)
		}
		e.Message = "exception that cannot be read"
	}
	if e.Line == 0 {
		vm.locate(e, frames)
	}
	if c := vm.causeOf(v); c != nil {
		e.Err = c.err
		if limit, ok := errors.AsType[*LimitError](c.err); ok {
			e.Kind = limit.Kind
		}
		if e.Line == 0 {
			vm.locate(e, c.caller)
		}
	}
	return e
}

// describe fills in message and stack.
func (vm *VM) describe(e *Error, v goja.Value) {
	obj, ok := v.(*goja.Object)
	if !ok || obj.ClassName() != "Error" {
		e.Message = vm.Inspect(v)
		return
	}
	e.Message = truncate(obj.String(), maxLine)
	if stack, ok := obj.Get("stack").(goja.String); ok {
		vm.parseStack(e, cleanStack(stack.String()))
	}
}

// cleanStack removes what only goja's authors can use.
func cleanStack(s string) string { return framePC.ReplaceAllString(s, ":$1:$2") }

// parseStack takes the frames out of the text of a stack, and the position of
// the first that is in a module. Where an error has a class of its own, calls of
// super come first, which say nothing about where it was made.
func (vm *VM) parseStack(e *Error, stack string) {
	var frames []string
	inside := true // of the constructors
	for line := range strings.Lines(stack) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "at ") {
			continue
		}
		if len(frames) < maxFrames {
			frames = append(frames, line)
		}
		if e.Line != 0 && !inside {
			continue
		}
		m := framePosition.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		inside = inside && slices.Contains(vm.prog.supers, m[1])
		if _, ok := vm.prog.files[m[2]]; ok {
			e.File = m[2]
			e.Line, _ = strconv.Atoi(m[3])
			e.Column, _ = strconv.Atoi(m[4])
		}
	}
	e.Stack = strings.Join(frames, "\n")
}

// locate fills in position and stack from frames.
func (vm *VM) locate(e *Error, frames []goja.StackFrame) {
	var lines []string
	for i := range frames {
		f := &frames[i]
		pos := f.Position()
		if _, ok := vm.prog.files[pos.Filename]; ok && e.Line == 0 {
			e.File, e.Line, e.Column = pos.Filename, pos.Line, pos.Column
		}
		if len(lines) == maxFrames {
			break
		}
		if pos.Filename == "" {
			lines = append(lines, "at "+f.FuncName()+" (native)")
		} else {
			lines = append(lines, "at "+f.FuncName()+" ("+pos.String()+")")
		}
	}
	if e.Stack == "" {
		e.Stack = strings.Join(lines, "\n")
	}
}

// causeOf returns what is known of a value that Error has made.
func (vm *VM) causeOf(v goja.Value) *cause {
	if obj, ok := v.(*goja.Object); ok {
		for i := range vm.causes {
			if vm.causes[i].obj == obj {
				return &vm.causes[i]
			}
		}
	}
	return nil
}

// caller returns the top of the stack: a native function and what has called it.
func (vm *VM) caller() []goja.StackFrame {
	return vm.rt.CaptureCallStack(2, make([]goja.StackFrame, 0, 2))
}

// calledAt remembers what has called the function that has failed with obj.
func (vm *VM) calledAt(obj *goja.Object, caller []goja.StackFrame) {
	if c := vm.causeOf(obj); c != nil && c.caller == nil {
		c.caller = caller
	}
}

// cause is a Go error and the object that a script sees of it.
type cause struct {
	obj    *goja.Object
	err    error
	caller []goja.StackFrame // of what has failed later; may be nil
}

// maxCauses is how many Go errors of a call are remembered.
const maxCauses = 32

// remember keeps the Go error behind obj until the call ends.
func (vm *VM) remember(obj *goja.Object, err error) {
	if len(vm.causes) < maxCauses && vm.active {
		vm.causes = append(vm.causes, cause{obj: obj, err: err})
	}
}
