package buffer_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/buffer"
	"github.com/dgate-io/caddy-dgate/internal/js/host/encoding"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

var host = hosttest.Host{
	Globals: []js.Global{buffer.Global()},
	Modules: []js.Module{buffer.Module(encoding.Base64()...)},
	Limits:  js.Limits{CPU: time.Minute},
	Prelude: `import * as b from "node:buffer"; const hex = (...a) => Buffer.from(...a).toString("hex");`,
}

func TestFrom(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"text":                 {Code: `return [hex("aü€"), hex("𝄞"), hex(""), hex("a", "utf-8"), hex("a", null)]`, Want: `["61c3bce282ac","f09d849e","","61","61"]`},
		"hex":                  {Code: `return [hex("00fF", "hex"), hex("0aX0", "HEX"), hex("abc", "hex"), hex("xy", "hex")]`, Want: `["00ff","0a","ab",""]`},
		"base64":               {Code: `return ["aGk=", "aGk", "a G\nk", "aGk=ZZ", "_-8", "/+8=", "aGkx*", "a"].map(s => hex(s, "base64"))`, Want: `["6869","6869","6869","6869","ffef","ffef","686931",""]`},
		"base64url":            {Code: `return [hex("_-8", "base64url"), hex("/+8=", "base64url")]`, Want: `["ffef","ffef"]`},
		"latin1":               {Code: `return [hex("\xff\u0141", "latin1"), hex("é", "binary"), hex("é", "ascii")]`, Want: `["ff41","e9","e9"]`},
		"utf16le":              {Code: `return [hex("a𝄞", "utf16le"), hex("a", "ucs2"), hex("\ud800", "utf-16le")]`, Want: `["610034d81edd","6100","00d8"]`},
		"an array":             {Code: `return [hex([1, 256, -1, "7", 1.9, NaN, "x"]), hex({ length: 2, 1: 5 }), hex({ length: -1 })]`, Want: `["0100ff07010000","0005",""]`},
		"a Buffer":             {Code: `const a = Buffer.from("ab"), c = Buffer.from(a); c[0] = 0; return [a.toString(), c.length]`, Want: `["ab",2]`},
		"a typed array":        {Code: `return [hex(new Uint8Array([1, 2])), hex(new Uint16Array([1, 258])), hex(new Uint8ClampedArray([300]))]`, Want: `["0102","0102","ff"]`},
		"an ArrayBuffer":       {Code: `const m = new Uint8Array([1, 2, 3]), a = Buffer.from(m.buffer, 1, 1); m[1] = 9; return [a[0], a.length, hex(m.buffer), hex(m.buffer, 2)]`, Want: `[9,1,"010903","03"]`},
		"beyond a buffer":      {Code: `Buffer.from(new ArrayBuffer(1), 2)`, Err: `RangeError: Start offset 2 is outside the bounds of the buffer`},
		"JSON":                 {Code: `return hex(JSON.parse(JSON.stringify(Buffer.from("hi"))))`, Want: `"6869"`},
		"objects of values":    {Code: `return [hex(new String("hi")), hex({ valueOf: () => [1] })]`, Want: `["6869","01"]`},
		"values, endless":      {Code: `const endless = () => ({ valueOf: endless }); Buffer.from(endless())`, Err: `TypeError: Buffer.from: expected a string, a Buffer, an ArrayBuffer or an array, got Object`},
		"a value's value":      {Code: `Buffer.from({ valueOf: () => ({ valueOf: () => [1] }) })`, Err: `TypeError: Buffer.from: expected a string, a Buffer, an ArrayBuffer or an array, got Object`},
		"a number":             {Code: `Buffer.from(5)`, Err: `TypeError: Buffer.from: expected a string, a Buffer, an ArrayBuffer or an array, got number`},
		"nothing":              {Code: `Buffer.from()`, Err: `TypeError: Buffer.from: expected a string, a Buffer, an ArrayBuffer or an array, got undefined`},
		"an object":            {Code: `Buffer.from({})`, Err: `TypeError: Buffer.from: expected a string, a Buffer, an ArrayBuffer or an array, got Object`},
		"an unknown encoding":  {Code: `Buffer.from("a", "utf7")`, Err: `TypeError: Unknown encoding: utf7, expected utf8, hex, base64, base64url, latin1, ascii or utf16le`},
		"a list without end":   {Code: `Buffer.from({ length: 1e15 })`, Err: `RangeError: Buffer.from: more than 5000000 elements`},
		"by its constructor":   {Code: `return [new Buffer(2).length, new Buffer("ff", "hex")[0], new Buffer([1]).length, Buffer.of(1, 2).toString("hex")]`, Want: `[2,255,1,"0102"]`},
		"a Symbol as encoding": {Code: `try { Buffer.from("a", Symbol("x")) } catch (e) { return e.name }`, Want: `"TypeError"`},
	})
}

func TestStatics(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"alloc":                {Code: `return [Buffer.alloc(3).toJSON().data, Buffer.alloc(5, "ab").toString(), Buffer.alloc(2, 7)[1], Buffer.alloc(3, "/w==", "base64")[2], Buffer.alloc(2, "")[0]]`, Want: `[[0,0,0],"ababa",7,255,0]`},
		"allocUnsafe":          {Code: `return [Buffer.allocUnsafe(4).length, Buffer.allocUnsafeSlow(4)[3]]`, Want: `[4,0]`},
		"alloc of too much":    {Code: `Buffer.alloc(2 ** 40)`, Err: `RangeError: Buffer.alloc: the size 1.099511627776e+12 is out of range, expected 0 to 268435456`},
		"alloc of less":        {Code: `Buffer.alloc(-1)`, Err: `RangeError: Buffer.alloc: the size -1 is out of range, expected 0 to 268435456`},
		"alloc of NaN":         {Code: `Buffer.alloc(NaN)`, Err: `RangeError: Buffer.alloc: the size NaN is out of range, expected 0 to 268435456`},
		"alloc of text":        {Code: `Buffer.allocUnsafe("5")`, Err: `TypeError: Buffer.allocUnsafe: expected a size in bytes, got string`},
		"new, of too much":     {Code: `new Buffer(2 ** 40)`, Err: `RangeError: Uint8Array: more than 268435456 bytes`},
		"concat":               {Code: `const l = [Buffer.from("ab"), new Uint8Array([99])]; return [Buffer.concat(l).toString(), Buffer.concat(l, 2).toString(), Buffer.concat(l, 4).length, Buffer.concat([]).length]`, Want: `["abc","ab",4,0]`},
		"concat of text":       {Code: `Buffer.concat(["a"])`, Err: `TypeError: Buffer.concat: expected a Buffer or a Uint8Array, got string`},
		"concat of no list":    {Code: `Buffer.concat(5)`, Err: `TypeError: Buffer.concat: expected an array of Buffers, got number`},
		"concat of too much":   {Code: `const m = Buffer.alloc(1 << 20); Buffer.concat(Array(300).fill(m))`, Err: `RangeError: Buffer.concat: the size 2.69484032e+08 is out of range, expected 0 to 268435456`},
		"byteLength":           {Code: `return [Buffer.byteLength("aü"), Buffer.byteLength("ff", "hex"), Buffer.byteLength(Buffer.alloc(3)), Buffer.byteLength(new ArrayBuffer(4))]`, Want: `[3,1,3,4]`},
		"byteLength of others": {Code: `Buffer.byteLength(5)`, Err: `TypeError: Buffer.byteLength: expected a Buffer or a Uint8Array, got number`},
		"compare":              {Code: `return [Buffer.compare(Buffer.from("a"), Buffer.from("b")), [Buffer.from("b"), Buffer.from("a")].sort(Buffer.compare).join("")]`, Want: `[-1,"ab"]`},
		"isBuffer":             {Code: `return [Buffer.isBuffer(Buffer.alloc(1)), Buffer.isBuffer(new Uint8Array(1)), Buffer.isBuffer("a"), Buffer.isBuffer()]`, Want: `[true,false,false,false]`},
		"isEncoding":           {Code: `return ["utf8", "UTF-8", "hex", "base64url", "utf7", 5].map(e => Buffer.isEncoding(e))`, Want: `[true,true,true,true,false,false]`},
		"the module":           {Code: `return [b.Buffer === Buffer, b.default.Buffer === Buffer, b.kMaxLength, b.constants.MAX_STRING_LENGTH, b.atob(b.btoa("a"))]`, Want: `[true,true,268435456,33554432,"a"]`},
		"what it is":           {Code: `const x = Buffer.from("a"); return [x instanceof Uint8Array, x instanceof Buffer, Buffer.name, x.constructor === Buffer, Object.keys(x), ArrayBuffer.isView(x), Object.prototype.toString.call(x)]`, Want: `[true,true,"Buffer",true,["0"],true,"[object Uint8Array]"]`},
		"methods are extended": {Code: `Buffer.prototype.own = function () { return this.length }; return Buffer.alloc(3).own()`, Want: `3`},
		"a subclass":           {Code: `class X extends Buffer { twice() { return this.length * 2 } } return new X(4).twice()`, Want: `8`},
	})
}

func TestMethods(t *testing.T) {
	host.Run(t, map[string]hosttest.Case{
		"toString":            {Code: `const x = Buffer.from("hëllo"); return [String(x), x + "", x.toString("utf8", 1, 3), x.toString("hex"), x.toString("base64"), x.toString("latin1", 0, 3), x.toString("ascii", 0, 3), x.toString(undefined, 4), x.toString("utf8", 5, 2), x.toLocaleString()]`, Want: `["hëllo","hëllo","ë","68c3ab6c6c6f","aMOrbGxv","hÃ«","hC+","lo","","hëllo"]`},
		"toString, base64url": {Code: `return [Buffer.from([255, 239]).toString("base64url"), Buffer.from([255, 239]).toString("base64")]`, Want: `["_-8","/+8="]`},
		"toString, utf16le":   {Code: `return Buffer.from("a𝄞", "utf16le").toString("utf16le") === "a𝄞"`, Want: `true`},
		"toString of no text": {Code: `return [Buffer.from([0xe2, 0x82, 0x41]).toString(), Buffer.from([0xff, 0xff]).toString()]`, Want: `["�A","��"]`},
		"toString, too long":  {Code: `Buffer.alloc(20 << 20).toString("hex")`, Err: `RangeError: toString: the text would be longer than 33554432`},
		"toString of another": {Code: `Buffer.prototype.toString.call("abc")`, Err: `TypeError: this method: expected a Buffer or a Uint8Array, got string`},
		"toJSON":              {Code: `return Buffer.from([1, 2])`, Want: `{"type":"Buffer","data":[1,2]}`},
		"equals":              {Code: `return [Buffer.from("a").equals(Buffer.from("a")), Buffer.from("a").equals(new Uint8Array([98]))]`, Want: `[true,false]`},
		"equals text":         {Code: `Buffer.from("a").equals("a")`, Err: `TypeError: equals: expected a Buffer or a Uint8Array, got string`},
		"compare":             {Code: `const x = Buffer.from("abc"); return [x.compare(Buffer.from("abd")), x.compare(Buffer.from("xbc"), 1, 3, 1, 3), x.compare(Buffer.from("a"))]`, Want: `[-1,0,1]`},
		"write":               {Code: `const x = Buffer.alloc(4); return [x.write("ab"), x.write("c", 2), x.write("ff", 3, "hex"), x.toString("latin1"), x.write("xyz", 1, 1), x.toString("latin1"), x.write("€€"), x.write("long text")]`, Want: `[2,1,1,"abcÿ",1,"axcÿ",3,4]`},
		"write, utf16le":      {Code: `const x = Buffer.alloc(3); return x.write("ab", "utf16le")`, Want: `2`},
		"write beyond":        {Code: `Buffer.alloc(2).write("a", 3)`, Err: `RangeError: write: the offset 3 is out of range, expected 0 to 2`},
		"write of a number":   {Code: `Buffer.alloc(2).write(5)`, Err: `TypeError: write: expected a string, got number`},
		"slice":               {Code: `const x = Buffer.from("abcd"), y = x.slice(1, -1); y[0] = 120; return [y.toString(), x.toString(), Buffer.isBuffer(y), x.subarray(2).toString(), Buffer.isBuffer(x.subarray(1))]`, Want: `["xc","axcd",true,"cd",true]`},
		"copy":                {Code: `const x = Buffer.from("abc"), y = Buffer.alloc(4); return [x.copy(y, 2), y.toString("latin1", 2), x.copy(y, 0, 1, 2), y[0], x.copy(x, 1), x.toString()]`, Want: `[2,"ab",1,98,2,"aab"]`},
		"copy to text":        {Code: `Buffer.from("a").copy("b")`, Err: `TypeError: copy: expected a Buffer or a Uint8Array, got string`},
		"indexOf":             {Code: `const x = Buffer.from("abcabc"); return [x.indexOf("b"), x.indexOf("b", 2), x.indexOf(99), x.indexOf(Buffer.from("ca")), x.indexOf("z"), x.indexOf("c", -1), x.indexOf("6162", "hex"), x.lastIndexOf("b"), x.lastIndexOf("b", 3), x.lastIndexOf("a", -6), x.lastIndexOf("a", -9)]`, Want: `[1,4,2,2,-1,5,0,4,1,0,-1]`},
		"includes":            {Code: `return [Buffer.from("abc").includes("bc"), Buffer.from("abc").includes(1), Buffer.from("abc").includes("a", 1)]`, Want: `[true,false,false]`},
		"fill":                {Code: `const x = Buffer.alloc(5); return [x.fill("ab").toString(), x.fill("z", 1, 3).toString(), x.fill(0x41).toString(), x.fill("42", "hex").toString(), x.fill(Buffer.from("xy"), 3).toString(), x.fill(0) === x]`, Want: `["ababa","azzba","AAAAA","BBBBB","BBBxy",true]`},
		"swap":                {Code: `return [2, 4, 8].map(n => Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])["swap" + 8 * n]().toString("hex"))`, Want: `["0201040306050807","0403020108070605","0807060504030201"]`},
		"swap of odd":         {Code: `Buffer.alloc(3).swap16()`, Err: `RangeError: swap16: the size 3 is not a multiple of 16 bits`},
		"iteration":           {Code: `return [[...Buffer.from("ab")], [...Buffer.from("ab").entries()], Buffer.from("ab").map(x => x + 1).toString()]`, Want: `[[97,98],[[0,97],[1,98]],"bc"]`},
	})
}

func TestNumbers(t *testing.T) {
	tests := map[string]hosttest.Case{
		"sizes of 1 to 6":     {Code: `const x = Buffer.alloc(6); return [x.writeUIntBE(0x123456, 0, 3), x.toString("hex"), x.readUIntBE(0, 3), x.readUIntLE(0, 3), x.writeIntLE(-2, 0, 6), x.readIntLE(0, 6), x.readIntBE(0, 6)]`, Want: `[3,"123456000000",1193046,5649426,6,-2,-1099511627777]`},
		"fractions":           {Code: `const x = Buffer.alloc(8); return [x.writeFloatBE(1.5), x.readFloatBE(), x.toString("hex", 0, 4), x.writeDoubleLE(Math.PI), x.readDoubleLE() === Math.PI, x.writeFloatLE(Infinity), x.readFloatLE(0) === Infinity]`, Want: `[4,1.5,"3fc00000",8,true,4,true]`},
		"both spellings":      {Code: `const x = Buffer.from([1, 2]); return [x.readUint8(1), x.readUInt8(1), x.readUint16LE() === x.readUInt16LE()]`, Want: `[2,2,true]`},
		"whole, of fractions": {Code: `const x = Buffer.alloc(1); x.writeInt8(-1.9); return x[0]`, Want: `255`},
		"beyond the end":      {Code: `Buffer.alloc(3).readUInt32LE()`, Err: `RangeError: readUInt32LE: the offset 0 is out of range, expected an integer from 0 to -1`},
		"before the start":    {Code: `Buffer.alloc(3).readInt8(-1)`, Err: `RangeError: readInt8: the offset -1 is out of range, expected an integer from 0 to 2`},
		"between two":         {Code: `Buffer.alloc(3).readInt8(0.5)`, Err: `RangeError: readInt8: the offset 0.5 is out of range, expected an integer from 0 to 2`},
		"a size of 7":         {Code: `Buffer.alloc(9).readUIntLE(0, 7)`, Err: `RangeError: readUIntLE: the size 7 is out of range, expected 1 to 6 bytes`},
		"a value too large":   {Code: `Buffer.alloc(1).writeUInt8(256)`, Err: `RangeError: writeUInt8: the value 256 is out of range, expected 0 to 255`},
		"a value too small":   {Code: `Buffer.alloc(2).writeInt16BE(-32769)`, Err: `RangeError: writeInt16BE: the value -32769 is out of range, expected -32768 to 32767`},
	}
	for name, values := range map[string][]int64{"UInt8": {0, 200}, "UInt16": {0, 40000}, "UInt32": {0, 4000000000}, "Int8": {-128, 127}, "Int16": {-32768, 5}, "Int32": {-2147483648, 7}} {
		for _, end := range []string{"LE", "BE"} {
			method := name + end
			if name == "UInt8" || name == "Int8" {
				method = name
			}
			want, _ := json.Marshal(values)
			tests["there and back, "+name+end] = hosttest.Case{
				Code: `const x = Buffer.alloc(9); return ` + string(want) + `.map(v => { x.write` + method + `(v, 3); return x.read` + method + `(3) })`,
				Want: string(want),
			}
		}
	}
	host.Run(t, tests)
}

// FuzzText decodes text in every encoding, and compares with strict decoders.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "aGk=", "00ff", "_-8", "a€𝄞", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Skip()
		}
		got, err := host.Eval(t, `const s = `+string(quoted)+`, from = (e) => Buffer.from(s, e).toString("hex");
			if (Buffer.from(Buffer.from(s).toString("latin1"), "latin1").toString("hex") !== hex(s)) throw new Error("latin1");
			if (Buffer.from(Buffer.from(s).toString("base64"), "base64").toString("hex") !== hex(s)) throw new Error("base64");
			if (s.isWellFormed() && Buffer.from(Buffer.from(s, "utf16le").toString("utf16le"), "utf16le").toString("hex") !== from("utf16le")) throw new Error("utf16le");
			return [from("hex"), from("base64")]`)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var out [2]string
		if err := json.Unmarshal([]byte(got), &out); err != nil {
			t.Fatal(err)
		}
		if want, err := hex.DecodeString(text); err == nil && out[0] != hex.EncodeToString(want) {
			t.Errorf("hex of %s: %s", strconv.Quote(text), out[0])
		}
		if want, err := base64.StdEncoding.DecodeString(text); err == nil && out[1] != hex.EncodeToString(want) {
			t.Errorf("base64 of %s: %s", strconv.Quote(text), out[1])
		}
	})
}
