/** How text stands for bytes. */
type BufferEncoding = "utf8" | "utf-8" | "hex" | "base64" | "base64url" | "latin1" | "binary" | "ascii" | "utf16le" | "utf-16le" | "ucs2" | "ucs-2";

/** Bytes, with text encodings and binary numbers. All that a Uint8Array can do works too. */
interface Buffer extends Uint8Array<ArrayBuffer> {
	/** The text that the bytes from start to end stand for. Default encoding: utf8. */
	toString(encoding?: BufferEncoding, start?: number, end?: number): string;
	/** What JSON.stringify writes; Buffer.from reads it. */
	toJSON(): { type: "Buffer"; data: number[] };
	equals(other: Uint8Array): boolean;
	/** -1, 0 or 1: the order of this Buffer and target. */
	compare(target: Uint8Array, targetStart?: number, targetEnd?: number, sourceStart?: number, sourceEnd?: number): -1 | 0 | 1;
	/** Writes as many whole characters as there is room for, and returns how many bytes that were. */
	write(text: string, encoding?: BufferEncoding): number;
	write(text: string, offset: number, encoding?: BufferEncoding): number;
	write(text: string, offset: number, length: number, encoding?: BufferEncoding): number;
	/** Copies into target, and returns how many bytes were copied. */
	copy(target: Uint8Array, targetStart?: number, sourceStart?: number, sourceEnd?: number): number;
	/** Repeats a value from offset to end. */
	fill(value: string | number | Uint8Array, offset?: number, end?: number, encoding?: BufferEncoding): this;
	fill(value: string, encoding: BufferEncoding): this;
	/** A Buffer over the same memory, as subarray is, and not a copy. */
	slice(start?: number, end?: number): Buffer;
	subarray(start?: number, end?: number): Buffer;
	indexOf(value: string | number | Uint8Array, from?: number | BufferEncoding, encoding?: BufferEncoding): number;
	lastIndexOf(value: string | number | Uint8Array, from?: number | BufferEncoding, encoding?: BufferEncoding): number;
	includes(value: string | number | Uint8Array, from?: number | BufferEncoding, encoding?: BufferEncoding): boolean;
	/** Reverses each pair of bytes. */
	swap16(): this;
	/** Reverses each group of four bytes. */
	swap32(): this;
	/** Reverses each group of eight bytes. */
	swap64(): this;

	readUInt8(offset?: number): number;
	readUInt16LE(offset?: number): number;
	readUInt16BE(offset?: number): number;
	readUInt32LE(offset?: number): number;
	readUInt32BE(offset?: number): number;
	/** Reads a number of 1 to 6 bytes. */
	readUIntLE(offset: number, byteLength: number): number;
	/** Reads a number of 1 to 6 bytes. */
	readUIntBE(offset: number, byteLength: number): number;
	readUint8(offset?: number): number;
	readUint16LE(offset?: number): number;
	readUint16BE(offset?: number): number;
	readUint32LE(offset?: number): number;
	readUint32BE(offset?: number): number;
	/** Reads a number of 1 to 6 bytes. */
	readUintLE(offset: number, byteLength: number): number;
	/** Reads a number of 1 to 6 bytes. */
	readUintBE(offset: number, byteLength: number): number;
	readInt8(offset?: number): number;
	readInt16LE(offset?: number): number;
	readInt16BE(offset?: number): number;
	readInt32LE(offset?: number): number;
	readInt32BE(offset?: number): number;
	/** Reads a number of 1 to 6 bytes. */
	readIntLE(offset: number, byteLength: number): number;
	/** Reads a number of 1 to 6 bytes. */
	readIntBE(offset: number, byteLength: number): number;
	readFloatLE(offset?: number): number;
	readFloatBE(offset?: number): number;
	readDoubleLE(offset?: number): number;
	readDoubleBE(offset?: number): number;

	/** Like all that write numbers: throws a RangeError if the value does not fit, and returns the offset behind it. */
	writeUInt8(value: number, offset?: number): number;
	writeUInt16LE(value: number, offset?: number): number;
	writeUInt16BE(value: number, offset?: number): number;
	writeUInt32LE(value: number, offset?: number): number;
	writeUInt32BE(value: number, offset?: number): number;
	writeUIntLE(value: number, offset: number, byteLength: number): number;
	writeUIntBE(value: number, offset: number, byteLength: number): number;
	writeUint8(value: number, offset?: number): number;
	writeUint16LE(value: number, offset?: number): number;
	writeUint16BE(value: number, offset?: number): number;
	writeUint32LE(value: number, offset?: number): number;
	writeUint32BE(value: number, offset?: number): number;
	writeUintLE(value: number, offset: number, byteLength: number): number;
	writeUintBE(value: number, offset: number, byteLength: number): number;
	writeInt8(value: number, offset?: number): number;
	writeInt16LE(value: number, offset?: number): number;
	writeInt16BE(value: number, offset?: number): number;
	writeInt32LE(value: number, offset?: number): number;
	writeInt32BE(value: number, offset?: number): number;
	writeIntLE(value: number, offset: number, byteLength: number): number;
	writeIntBE(value: number, offset: number, byteLength: number): number;
	writeFloatLE(value: number, offset?: number): number;
	writeFloatBE(value: number, offset?: number): number;
	writeDoubleLE(value: number, offset?: number): number;
	writeDoubleBE(value: number, offset?: number): number;
}

interface BufferConstructor extends Omit<Uint8ArrayConstructor, "from" | "of" | "prototype"> {
	readonly prototype: Buffer;
	/** The bytes of a text. Characters that an encoding has no meaning for end hexadecimal text, and are skipped in base64. */
	from(text: string, encoding?: BufferEncoding): Buffer;
	/** A Buffer over the memory of an ArrayBuffer. */
	from(memory: ArrayBufferLike, byteOffset?: number, length?: number): Buffer;
	/** A copy of bytes, or of the low bytes of numbers. */
	from(bytes: ArrayLike<number> | { type: "Buffer"; data: number[] } | { valueOf(): string | ArrayLike<number> }): Buffer;
	of(...bytes: number[]): Buffer;
	/** Bytes that are 0, or repeat a value. At most as many as the heap limit. */
	alloc(size: number, fill?: string | number | Uint8Array, encoding?: BufferEncoding): Buffer;
	/** Like alloc: memory is always cleared. */
	allocUnsafe(size: number): Buffer;
	/** Like alloc: memory is always cleared. */
	allocUnsafeSlow(size: number): Buffer;
	/** The bytes of all, one behind the other, cut or filled up to a length. */
	concat(list: Iterable<Uint8Array>, length?: number): Buffer;
	/** How many bytes a text takes. */
	byteLength(text: string | ArrayBufferLike | ArrayBufferView, encoding?: BufferEncoding): number;
	/** -1, 0 or 1: the order of two Buffers, for sort. */
	compare(a: Uint8Array, b: Uint8Array): -1 | 0 | 1;
	isBuffer(value: unknown): value is Buffer;
	isEncoding(name: unknown): name is BufferEncoding;
}

declare var Buffer: BufferConstructor;

declare module "buffer" {
	const buffer: typeof globalThis.Buffer;
	export { buffer as Buffer };
	/** The greatest sizes, in bytes and in UTF-16 units. */
	export const constants: { readonly MAX_LENGTH: number; readonly MAX_STRING_LENGTH: number };
	/** The greatest size, in bytes. */
	export const kMaxLength: number;
	const atobOfText: typeof globalThis.atob;
	const btoaOfText: typeof globalThis.btoa;
	export { atobOfText as atob, btoaOfText as btoa };
}
declare module "node:buffer" {
	export * from "buffer";
}
