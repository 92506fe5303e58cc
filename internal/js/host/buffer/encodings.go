package buffer

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// encoding is how text stands for bytes.
type encoding struct {
	names  []string
	decode func(goja.String) []byte        // text to bytes; what makes no sense ends it, or is skipped
	encode func(*js.VM, []byte) goja.Value // bytes to text
	width  float64                         // UTF-16 units of text per byte, at most
	// char is how many bytes a character takes, of which no part is written; 0 if that varies.
	char int
}

// encodings begin with the one that is meant where none is named, which is UTF-8.
var encodings = []encoding{
	{[]string{"utf8", "utf-8"}, func(s goja.String) []byte { return []byte(s.String()) }, inGo(native.UTF8), 1, 0},
	{[]string{"hex"}, fromHex, inGo(hex.EncodeToString), 2, 1},
	{[]string{"base64"}, fromBase64, inGo(base64.StdEncoding.EncodeToString), 1.4, 1},
	{[]string{"base64url"}, fromBase64, inGo(base64.RawURLEncoding.EncodeToString), 1.4, 1},
	{[]string{"latin1", "binary"}, lowBytes, units(0xff), 1, 1},
	{[]string{"ascii"}, lowBytes, units(0x7f), 1, 1},
	{[]string{"utf16le", "utf-16le", "ucs2", "ucs-2"}, toUTF16, fromUTF16, 0.5, 2},
}

// find is the encoding of a name, or nil.
func find(name goja.Value) *encoding {
	lower := strings.ToLower(name.String())
	for i := range encodings {
		if slices.Contains(encodings[i].names, lower) {
			return &encodings[i]
		}
	}
	return nil
}

// encodingOf is the encoding that a script has named; UTF-8 if it has not.
func (c *class) encodingOf(v goja.Value) *encoding {
	if native.Missing(v) {
		return &encodings[0]
	}
	e := find(v)
	if e == nil {
		c.vm.ThrowType("Unknown encoding: %s, expected utf8, hex, base64, base64url, latin1, ascii or utf16le", v)
	}
	return e
}

// encode is the bytes that text stands for.
func (c *class) encode(v, name goja.Value) []byte {
	s, ok := v.ToString().(goja.String)
	if !ok {
		c.vm.ThrowType("Buffer: expected a string, got %s", native.TypeName(v))
	}
	return c.encodingOf(name).decode(s)
}

// inGo makes a function for scripts of one that makes a string of bytes.
func inGo(fn func([]byte) string) func(*js.VM, []byte) goja.Value {
	return func(vm *js.VM, b []byte) goja.Value { return vm.Runtime().ToValue(fn(b)) }
}

func lowBytes(s goja.String) []byte {
	b := make([]byte, s.Length())
	for i := range b {
		b[i] = byte(s.CharAt(i))
	}
	return b
}

// units makes a character of the low bits of each byte.
func units(mask byte) func(*js.VM, []byte) goja.Value {
	return func(_ *js.VM, b []byte) goja.Value {
		units := make([]uint16, len(b))
		for i, x := range b {
			units[i] = uint16(x & mask)
		}
		return goja.StringFromUTF16(units)
	}
}

func toUTF16(s goja.String) []byte {
	b := make([]byte, 0, 2*s.Length())
	for i := range s.Length() {
		b = binary.LittleEndian.AppendUint16(b, s.CharAt(i))
	}
	return b
}

func fromUTF16(_ *js.VM, b []byte) goja.Value {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return goja.StringFromUTF16(units)
}

// fromHex decodes up to the first character that is no hexadecimal digit.
func fromHex(s goja.String) []byte {
	digits := s.String()
	b := make([]byte, len(digits)/2)
	n, _ := hex.Decode(b, []byte(digits[:len(digits)/2*2]))
	return b[:n]
}

// fromBase64 decodes both alphabets, up to the first '='; other characters are skipped.
func fromBase64(s goja.String) []byte {
	digits := s.String()
	if i := strings.IndexByte(digits, '='); i >= 0 {
		digits = digits[:i]
	}
	digits = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '+', r == '/':
			return r
		}
		return -1
	}, digits)
	if len(digits)%4 == 1 { // six bits are no byte
		digits = digits[:len(digits)-1]
	}
	b, _ := base64.RawStdEncoding.DecodeString(digits) // nothing is left that it could not decode
	return b
}
