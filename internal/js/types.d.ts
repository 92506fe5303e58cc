/**
 * Writes to the log of the server, under the name of the hook. A call of a hook writes at most
 * 1000 lines and 256 KiB; a line has at most 16 KiB. log, info, dir and table write at INFO.
 */
interface Console {
	/** Text may have %s, %d, %i, %f, %j, %o and %O, which take the next value. */
	log(...values: unknown[]): void;
	info(...values: unknown[]): void;
	debug(...values: unknown[]): void;
	warn(...values: unknown[]): void;
	error(...values: unknown[]): void;
	/** Writes values and where the script is, at DEBUG. */
	trace(...values: unknown[]): void;
	dir(value?: unknown, options?: object): void;
	dirxml(value?: unknown): void;
	table(value?: unknown): void;
	/** Writes values, at ERROR, unless the condition is true. */
	assert(condition?: unknown, ...values: unknown[]): void;
	/** Writes how often it was called with this label, in this call of the hook. */
	count(label?: string): void;
	countReset(label?: string): void;
	/** Starts a clock. */
	time(label?: string): void;
	/** Writes how long the clock has run. */
	timeLog(label?: string, ...values: unknown[]): void;
	/** Writes how long the clock has run, and ends it. */
	timeEnd(label?: string): void;
	/** Indents the lines that follow, until groupEnd. */
	group(...values: unknown[]): void;
	groupCollapsed(...values: unknown[]): void;
	groupEnd(): void;
}
declare var console: Console;

declare module "console" {
	export const log: Console["log"];
	export const info: Console["info"];
	export const debug: Console["debug"];
	export const warn: Console["warn"];
	export const error: Console["error"];
	export const trace: Console["trace"];
	export const dir: Console["dir"];
	export const dirxml: Console["dirxml"];
	export const table: Console["table"];
	export const assert: Console["assert"];
	export const count: Console["count"];
	export const countReset: Console["countReset"];
	export const time: Console["time"];
	export const timeLog: Console["timeLog"];
	export const timeEnd: Console["timeEnd"];
	export const group: Console["group"];
	export const groupCollapsed: Console["groupCollapsed"];
	export const groupEnd: Console["groupEnd"];
	const console: Console;
	export default console;
}
declare module "node:console" {
	export * from "console";
	export { default } from "console";
}

declare var process: {
	/** The environment variables that the option env allows. */
	readonly env: { readonly [name: string]: string | undefined };
	/** The name of the host. */
	readonly host: string;
};

/** Imports a module of the route, or one that is built in. */
declare function require(name: string): any;

/** The global scope. */
declare var self: typeof globalThis;
/** The global scope. */
declare var global: typeof globalThis;

/** Calls fn when the running code is through. */
declare function queueMicrotask(fn: () => void): void;
/** Calls fn after a delay in milliseconds, unless the hook has ended before. At most 10,000 wait at a time. */
declare function setTimeout(fn: (nothing: void) => void, delay?: number): number;
declare function setTimeout<A extends unknown[]>(fn: (...args: A) => void, delay?: number, ...args: A): number;
/** Calls fn again and again, with a delay in milliseconds in between. */
declare function setInterval(fn: (nothing: void) => void, delay?: number): number;
declare function setInterval<A extends unknown[]>(fn: (...args: A) => void, delay?: number, ...args: A): number;
declare function setImmediate(fn: (nothing: void) => void): number;
declare function setImmediate<A extends unknown[]>(fn: (...args: A) => void, ...args: A): number;
declare function clearTimeout(id?: number): void;
declare function clearInterval(id?: number): void;
declare function clearImmediate(id?: number): void;
