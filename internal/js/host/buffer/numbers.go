package buffer

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// number is how a number stands in bytes. Its size is that of the bytes it is given.
type number struct {
	read  func(bits uint64, size int) any
	write func(f float64) uint64
	// lowest and highest are what fits; nil where everything does.
	bounds func(size int) (lowest, highest float64)
}

var unsigned = &number{
	read:   func(bits uint64, _ int) any { return int64(bits) },
	write:  func(f float64) uint64 { return uint64(f) },
	bounds: func(size int) (float64, float64) { return 0, math.Ldexp(1, 8*size) - 1 },
}

var signed = &number{
	read:   func(bits uint64, size int) any { return int64(bits<<(64-8*size)) >> (64 - 8*size) },
	write:  func(f float64) uint64 { return uint64(int64(f)) },
	bounds: func(size int) (float64, float64) { return -math.Ldexp(1, 8*size-1), math.Ldexp(1, 8*size-1) - 1 },
}

var single = &number{
	read:  func(bits uint64, _ int) any { return float64(math.Float32frombits(uint32(bits))) },
	write: func(f float64) uint64 { return uint64(math.Float32bits(float32(f))) },
}

var double = &number{
	read:  func(bits uint64, _ int) any { return math.Float64frombits(bits) },
	write: math.Float64bits,
}

// numberMethods are readUInt8 to writeDoubleBE. Those of whole numbers are also
// spelled Uint, and UInt and Int without a size take it as an argument.
func numberMethods() map[string]native.Method[*class] {
	all := map[string]native.Method[*class]{}
	for _, kind := range []struct {
		name   string
		size   int // 0: an argument
		number *number
	}{
		{"UInt8", 1, unsigned}, {"UInt16", 2, unsigned}, {"UInt32", 4, unsigned}, {"UInt", 0, unsigned},
		{"Int8", 1, signed}, {"Int16", 2, signed}, {"Int32", 4, signed}, {"Int", 0, signed},
		{"Float", 4, single}, {"Double", 8, double},
	} {
		for _, end := range []string{"LE", "BE"} {
			name := kind.name + end
			if kind.size == 1 {
				name = kind.name
			}
			for _, name := range []string{name, strings.Replace(name, "UInt", "Uint", 1)} {
				all["read"+name] = native.Method[*class]{Arity: 1, Call: reader("read"+name, kind.number, kind.size, end == "BE")}
				all["write"+name] = native.Method[*class]{Arity: 2, Call: writer("write"+name, kind.number, kind.size, end == "BE")}
			}
		}
	}
	return all
}

func reader(name string, n *number, size int, big bool) func(*class, goja.FunctionCall) goja.Value {
	return func(c *class, call goja.FunctionCall) goja.Value {
		b, _ := c.place(name, c.this(call), size, call.Argument(0), call.Argument(1))
		var full [8]byte
		copy(full[:], b)
		if big {
			slices.Reverse(full[:len(b)])
		}
		return c.vm.Runtime().ToValue(n.read(binary.LittleEndian.Uint64(full[:]), len(b)))
	}
}

func writer(name string, n *number, size int, big bool) func(*class, goja.FunctionCall) goja.Value {
	return func(c *class, call goja.FunctionCall) goja.Value {
		b, end := c.place(name, c.this(call), size, call.Argument(1), call.Argument(2))
		f := call.Argument(0).ToFloat()
		if n.bounds != nil {
			if f = math.Trunc(f); f != f {
				f = 0
			}
			if low, high := n.bounds(len(b)); f < low || f > high {
				c.outOfRange("%s: the value %v is out of range, expected %.0f to %.0f", name, call.Argument(0), low, high)
			}
		}
		var full [8]byte
		binary.LittleEndian.PutUint64(full[:], n.write(f))
		if big {
			slices.Reverse(full[:len(b)])
		}
		copy(b, full[:])
		return c.vm.Runtime().ToValue(end)
	}
}

// place is the bytes of a number at an offset, and where they end.
func (c *class) place(name string, b []byte, size int, offset, length goja.Value) ([]byte, int) {
	if size == 0 {
		n := length.ToFloat()
		if n != math.Trunc(n) || n < 1 || n > 6 {
			c.outOfRange("%s: the size %v is out of range, expected 1 to 6 bytes", name, length)
		}
		size = int(n)
	}
	at := 0.0
	if !native.Missing(offset) {
		at = offset.ToFloat()
	}
	if at != math.Trunc(at) || at < 0 || at+float64(size) > float64(len(b)) {
		c.outOfRange("%s: the offset %v is out of range, expected an integer from 0 to %d", name, at, len(b)-size)
	}
	return b[int(at) : int(at)+size], int(at) + size
}
