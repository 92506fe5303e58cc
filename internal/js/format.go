package js

import (
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// Format puts values into a line as console.log does: if the first is a
// string, its %s, %d, %i, %f, %j, %o and %O take the next values; what is left
// is appended, strings as they are and the rest as Inspect writes it. What is
// longer than 16 KiB is cut off.
func (vm *VM) Format(args []goja.Value) string { return vm.FormatUpTo(args, maxLine) }

// FormatUpTo is Format with another limit, in bytes.
func (vm *VM) FormatUpTo(args []goja.Value, limit int) string {
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
		if b.Len() > limit {
			break
		}
		b.WriteByte(' ')
		if s, ok := v.(goja.String); ok {
			b.WriteString(s.String())
		} else {
			b.WriteString(vm.Inspect(v))
		}
	}
	return truncate(b.String(), limit)
}

// formatVerbs writes a format string, and returns the values it has not used.
func (vm *VM) formatVerbs(b *strings.Builder, format string, args []goja.Value) []goja.Value {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		verb := format[i]
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 || !strings.ContainsRune("sdifjoOc", rune(verb)) {
			b.WriteByte('%')
			b.WriteByte(verb)
			continue
		}
		b.WriteString(vm.formatVerb(verb, args[0]))
		args = args[1:]
	}
	return args
}

func (vm *VM) formatVerb(verb byte, v goja.Value) string {
	switch verb {
	case 's':
		if obj, ok := v.(*goja.Object); ok {
			return vm.Inspect(obj)
		}
		return v.String()
	case 'd', 'i', 'f':
		if _, ok := v.(*goja.Object); ok {
			return "NaN"
		}
		if _, ok := v.(*goja.Symbol); ok {
			return "NaN"
		}
		if verb == 'd' {
			return v.ToNumber().String()
		}
		f := v.ToFloat()
		if verb == 'i' && f == f {
			return strconv.FormatInt(int64(f), 10)
		}
		return vm.rt.ToValue(f).String()
	case 'j':
		data, err := vm.Stringify(v)
		switch {
		case err != nil:
			return "[Circular]"
		case data == nil:
			return "undefined"
		}
		return string(data)
	case 'c': // CSS in browsers
		return ""
	}
	return vm.Inspect(v)
}
