/** The class of what dgate.fail throws. */
interface GoError extends Error {}
declare var GoError: { readonly prototype: GoError; new (message?: string): GoError; (message?: string): GoError };

declare module "dgate" {
	/** Throws a GoError. */
	export function fail(message?: string): never;
	/** Waits, and the whole hook with it: a number of seconds, or a duration such as "200ms". Ends early, with an error, when the client has gone. */
	export function sleep(time: number | string): void;
	/** A promise that is fulfilled after a number of seconds, or a duration such as "200ms". */
	export function asyncSleep(time: number | string): Promise<void>;
	/**
	 * Calls fn with 0, 1, 2, … until what it returns is truthy, at most count times, and returns
	 * that, or null. What the last call throws is thrown. If fn returns promises, so does retry.
	 */
	export function retry<T>(count: number, fn: (attempt: number) => Promise<T>): Promise<T | null>;
	export function retry<T>(count: number, fn: (attempt: number) => T): T | null;

	const httpModule: typeof import("dgate/http");
	const cryptoModule: typeof import("dgate/crypto");
	const stateModule: typeof import("dgate/state");
	const secretModule: typeof import("dgate/secret");
	const storageModule: typeof import("dgate/storage");
	const utilModule: typeof import("dgate/util");
	const expModule: typeof import("dgate/exp");
	const xModule: typeof import("dgate/x");
	export {
		httpModule as http, cryptoModule as crypto, stateModule as state, secretModule as secret,
		storageModule as storage, utilModule as util, expModule as exp, xModule as x,
	};

	const dgate: typeof import("dgate");
	export default dgate;
}
/** Empty, as it was in the original. */
declare module "dgate/exp" {
	const nothing: {};
	export default nothing;
}
/** Empty, as it was in the original. */
declare module "dgate/x" {
	const nothing: {};
	export default nothing;
}
