declare module "dgate/storage" {
	/**
	 * Keeps a copy of a value, as JSON, for the modules of this namespace on this node. Nodes share
	 * nothing, and a value can go at any time to make room: 64 MiB are kept in all, 8 MiB of one value.
	 *
	 * @param id any text but ""
	 * @param value anything that JSON can hold
	 */
	export function setCache(id: string, value: unknown, options?: CacheOptions | null): void;

	/** A copy of the value that was kept under the id, or null. */
	export function getCache<T = any>(id: string): T | null;

	/** Forgets the value under the id, and tells whether there was one. */
	export function deleteCache(id: string): boolean;

	export interface CacheOptions {
		/** How long to keep the value, in seconds; fractions are fine. Without it the value does not expire. */
		ttl?: number | null;
	}

	const storage: typeof import("dgate/storage");
	export default storage;
}
