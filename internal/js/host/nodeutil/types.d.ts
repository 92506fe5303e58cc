declare module "util" {
	/** Puts values into text as console.log does: %s, %d, %i, %f, %j, %o and %O take the next one. */
	export function format(...values: unknown[]): string;
	/** A value for people to read, down to a depth of 4, and at most 16 KiB. */
	export const inspect: {
		(value: unknown, options?: { depth?: number | null }): string;
		(value: unknown, showHidden?: boolean, depth?: number | null): string;
		readonly custom: unique symbol;
	};
	export const types: {
		isArrayBuffer(value: unknown): value is ArrayBuffer;
		isDate(value: unknown): value is Date;
		isMap(value: unknown): value is Map<unknown, unknown>;
		isNativeError(value: unknown): value is Error;
		isPromise(value: unknown): value is Promise<unknown>;
		isProxy(value: unknown): boolean;
		isRegExp(value: unknown): value is RegExp;
		isSet(value: unknown): value is Set<unknown>;
		isTypedArray(value: unknown): boolean;
		isUint8Array(value: unknown): value is Uint8Array;
	};
	/** Makes a function that takes a callback, (error, value) => void, last into one that returns a promise. */
	export const promisify: {
		(fn: (...args: any[]) => void): (...args: any[]) => Promise<any>;
		readonly custom: unique symbol;
	};
	/** Makes one constructor inherit from another; classes do that better. */
	export function inherits(constructor: Function, parent: Function): void;
	const encoderClass: typeof globalThis.TextEncoder;
	const decoderClass: typeof globalThis.TextDecoder;
	export { encoderClass as TextEncoder, decoderClass as TextDecoder };
}
declare module "node:util" {
	export * from "util";
}
