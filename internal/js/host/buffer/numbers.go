package buffer

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// number is how one kind of number stands in bytes.
type number struct {
	name string
	size int // in bytes; 0: an argument
	// read and write convert from and to the bits, of a number of size bytes.
	read  func(bits uint64, size int) any
	write func(f float64) uint64
	// bounds are the least and the greatest that fits; nil where everything does.
	bounds func(size int) (least, greatest float64)
}

var numbers = []number{
	{"UInt8", 1, readUnsigned, writeUnsigned, unsignedBounds},
	{"UInt16", 2, readUnsigned, writeUnsigned, unsignedBounds},
	{"UInt32", 4, readUnsigned, writeUnsigned, unsignedBounds},
	{"UInt", 0, readUnsigned, writeUnsigned, unsignedBounds},
	{"Int8", 1, readSigned, writeSigned, signedBounds},
	{"Int16", 2, readSigned, writeSigned, signedBounds},
	{"Int32", 4, readSigned, writeSigned, signedBounds},
	{"Int", 0, readSigned, writeSigned, signedBounds},
	{"Float", 4, readFloat, writeFloat, nil},
	{"Double", 8, readDouble, math.Float64bits, nil},
}

func readUnsigned(bits uint64, _ int) any { return int64(bits) }

func writeUnsigned(f float64) uint64 { return uint64(f) }

func unsignedBounds(size int) (least, greatest float64) { return 0, math.Ldexp(1, 8*size) - 1 }

func readSigned(bits uint64, size int) any { return int64(bits<<(64-8*size)) >> (64 - 8*size) }

func writeSigned(f float64) uint64 { return uint64(int64(f)) }

func signedBounds(size int) (least, greatest float64) {
	return -math.Ldexp(1, 8*size-1), math.Ldexp(1, 8*size-1) - 1
}

func readFloat(bits uint64, _ int) any { return float64(math.Float32frombits(uint32(bits))) }

func writeFloat(f float64) uint64 { return uint64(math.Float32bits(float32(f))) }

func readDouble(bits uint64, _ int) any { return math.Float64frombits(bits) }

// numberMethods are readUInt8 to writeDoubleBE. Those of whole numbers are also
// spelled Uint.
func numberMethods() map[string]native.Method[*class] {
	all := map[string]native.Method[*class]{}
	for i := range numbers {
		n := &numbers[i]
		for _, end := range []string{"LE", "BE"} {
			name := n.name + end
			if n.size == 1 {
				name = n.name
			}
			for _, name := range []string{name, strings.Replace(name, "UInt", "Uint", 1)} {
				all["read"+name] = native.Method[*class]{Arity: 1, Call: reader("read"+name, n, end == "BE")}
				all["write"+name] = native.Method[*class]{Arity: 2, Call: writer("write"+name, n, end == "BE")}
			}
		}
	}
	return all
}

func reader(name string, n *number, big bool) func(*class, goja.FunctionCall) goja.Value {
	return func(c *class, call goja.FunctionCall) goja.Value {
		b, _ := c.place(name, c.this(call), n.size, call.Argument(0), call.Argument(1))
		var full [8]byte
		copy(full[:], b)
		if big {
			slices.Reverse(full[:len(b)])
		}
		return c.vm.Runtime().ToValue(n.read(binary.LittleEndian.Uint64(full[:]), len(b)))
	}
}

func writer(name string, n *number, big bool) func(*class, goja.FunctionCall) goja.Value {
	return func(c *class, call goja.FunctionCall) goja.Value {
		b, end := c.place(name, c.this(call), n.size, call.Argument(1), call.Argument(2))
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
