package js

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/dop251/goja"
)

// maxJSONDepth is how deep arrays and objects may nest in a JSON text. goja
// itself has no limit but the Go stack, whose end is that of the process.
const maxJSONDepth = 10000

// SyntaxError is an error that Throw turns into a JavaScript SyntaxError.
type SyntaxError struct {
	Message string
	Offset  int // into the text, in bytes
}

// Error returns the message.
func (e *SyntaxError) Error() string { return e.Message }

// ParseJSON parses a JSON text as JSON.parse does, but builds the objects
// directly, which takes a third of the time. It is Work. The error is a *SyntaxError.
func (vm *VM) ParseJSON(data []byte) (goja.Value, error) {
	// Nothing that is built refers to data: strings are copied.
	return vm.parseJSON(unsafe.String(unsafe.SliceData(data), len(data)))
}

func (vm *VM) parseJSON(text string) (v goja.Value, err error) {
	vm.Work(len(text), func() {
		p := jsonParser{vm: vm, text: text}
		v, err = p.parse()
	})
	return v, err
}

// parse parses the whole text.
func (p *jsonParser) parse() (v goja.Value, err error) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *SyntaxError:
			v, err = nil, x
		default:
			panic(x)
		}
	}()
	p.space()
	v = p.value()
	if p.space(); p.pos < len(p.text) {
		p.fail("after top-level value")
	}
	return v, nil
}

// jsonParser is a recursive-descent parser. Errors are panics with a
// *SyntaxError, which do not leave this file.
type jsonParser struct {
	vm    *VM
	text  string
	pos   int
	depth int
	items []any // elements of the arrays that are being parsed, innermost last
}

// fail reports the character at pos.
func (p *jsonParser) fail(where string) {
	if p.pos >= len(p.text) {
		panic(&SyntaxError{"unexpected end of JSON input", p.pos})
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	panic(&SyntaxError{fmt.Sprintf("invalid character %s %s", strconv.QuoteRune(r), where), p.pos})
}

func (p *jsonParser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (p *jsonParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *jsonParser) value() goja.Value {
	p.vm.checkpoint()
	switch c := p.peek(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		return p.vm.rt.ToValue(p.str(false))
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't':
		return p.literal("true", p.vm.rt.ToValue(true))
	case c == 'f':
		return p.literal("false", p.vm.rt.ToValue(false))
	case c == 'n':
		return p.literal("null", goja.Null())
	}
	p.fail("looking for beginning of value")
	return nil
}

func (p *jsonParser) literal(name string, v goja.Value) goja.Value {
	for i := range len(name) {
		if p.peek() != name[i] {
			p.fail("in literal " + name)
		}
		p.pos++
	}
	return v
}

func (p *jsonParser) enter() {
	p.pos++
	if p.depth++; p.depth > maxJSONDepth {
		panic(&SyntaxError{"JSON nested too deep", p.pos})
	}
	p.space()
}

func (p *jsonParser) array() goja.Value {
	p.enter()
	first := len(p.items)
	if p.peek() == ']' {
		p.pos++
		p.depth--
		return p.vm.rt.NewArray()
	}
	for {
		v := p.value()
		p.items = append(p.items, v)
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
			p.space()
		case ']':
			p.pos++
			p.depth--
			a := p.vm.rt.NewArray(p.items[first:]...)
			clear(p.items[first:])
			p.items = p.items[:first]
			return a
		default:
			p.fail("after array element")
		}
	}
}

func (p *jsonParser) object() goja.Value {
	p.enter()
	obj := p.vm.rt.NewObject()
	if p.peek() == '}' {
		p.pos++
		p.depth--
		return obj
	}
	for {
		if p.peek() != '"' {
			p.fail("looking for beginning of object key string")
		}
		key := p.str(true)
		p.space()
		if p.peek() != ':' {
			p.fail("after object key")
		}
		p.pos++
		p.space()
		v := p.value()
		// Not Set: that would call setters of the prototype, __proto__ first of all.
		_ = obj.DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
			p.space()
		case '}':
			p.pos++
			p.depth--
			return obj
		default:
			p.fail("after object key:value pair")
		}
	}
}

// number parses a number. Integers of up to 15 digits, which floats hold
// exactly, take a shortcut.
func (p *jsonParser) number() goja.Value {
	start := p.pos
	negative := p.peek() == '-'
	if negative {
		p.pos++
	}
	var n int64
	digits := p.pos
	switch c := p.peek(); {
	case c == '0':
		p.pos++
	case '1' <= c && c <= '9':
		for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
			n = n*10 + int64(c-'0')
			p.pos++
		}
	default:
		p.fail("in numeric literal")
	}
	integer := p.pos-digits <= 15
	if p.peek() == '.' {
		integer = false
		p.pos++
		p.digits("after decimal point in numeric literal")
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		integer = false
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		p.digits("in exponent of numeric literal")
	}
	if integer && (n != 0 || !negative) {
		if negative {
			n = -n
		}
		return p.vm.rt.ToValue(n)
	}
	f, err := strconv.ParseFloat(p.text[start:p.pos], 64)
	if err != nil || math.IsInf(f, 0) {
		panic(&SyntaxError{"number " + p.text[start:p.pos] + " is out of range", start})
	}
	return p.vm.rt.ToValue(f)
}

func (p *jsonParser) digits(where string) {
	start := p.pos
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.pos++
	}
	if p.pos == start {
		p.fail(where)
	}
}

// intern returns s as a string that does not refer to a larger text.
func (vm *VM) intern(s string) string {
	if t, ok := vm.interned[s]; ok {
		return t
	}
	t := strings.Clone(s)
	if len(vm.interned) < maxInterned && len(t) <= maxInternedLen {
		if vm.interned == nil {
			vm.interned = map[string]string{}
		}
		vm.interned[t] = t
	}
	return t
}

// newJSONParse returns a JSON.parse that builds objects directly, except with
// a reviver, for which it calls the original.
func (vm *VM) newJSONParse(original goja.Callable) goja.Value {
	return vm.Func("parse", 2, func(call goja.FunctionCall) goja.Value {
		if _, ok := goja.AssertFunction(call.Argument(1)); ok {
			v, err := original(call.This, call.Arguments...)
			if err != nil {
				panic(err)
			}
			return v
		}
		v, err := vm.parseJSON(call.Argument(0).String())
		if err != nil {
			vm.Throw(err)
		}
		return v
	})
}
