declare module "dgate/crypto" {
	/** Text, as UTF-8, or bytes. */
	type Data = string | ArrayBuffer | ArrayBufferView;
	/** How a digest is written; without one it is an ArrayBuffer. The raw ones have no padding. */
	type Encoding = "hex" | "base64" | "b64" | "base64raw" | "b64raw" | "base64url" | "b64url" | "base64rawurl" | "b64rawurl";
	/** A hash function, in any case, with or without dashes. */
	type Algorithm = "md5" | "sha1" | "sha224" | "sha256" | "sha384" | "sha512" | "sha512-224" | "sha512-256" | (string & {});
	interface Digest {
		(data: Data): ArrayBuffer;
		(data: Data, encoding: Encoding): string;
	}
	/** What createHash and createHmac return. */
	interface Hasher {
		/** Adds data, and returns the Hasher. */
		update(data: Data): this;
		/** The digest of all data so far; more may follow. */
		digest(): ArrayBuffer;
		digest(encoding: Encoding): string;
	}

	export const md5: Digest;
	export const sha1: Digest;
	export const sha224: Digest;
	export const sha256: Digest;
	export const sha384: Digest;
	export const sha512: Digest;
	export const sha512_224: Digest;
	export const sha512_256: Digest;
	export function createHash(algorithm: Algorithm): Hasher;
	export function createHmac(algorithm: Algorithm, key: Data): Hasher;
	export function hmac(algorithm: Algorithm, key: Data, data: Data): ArrayBuffer;
	export function hmac(algorithm: Algorithm, key: Data, data: Data, encoding: Encoding): string;
	/** The names of the hash functions. */
	export function getHashes(): string[];
	/** From 1 to 1,048,576 random bytes. */
	export function randomBytes(size: number): ArrayBuffer;
	/** A random integer n, min <= n < max; min is 0 if it is left out. */
	export function randomInt(max: number): number;
	export function randomInt(min: number, max: number): number;
	/** A random UUID, version 4. */
	export function randomUUID(): string;
	export function hexEncode(data: Data): string;
	/** Whether two are the same, in a time that does not tell where they differ. */
	export function timingSafeEqual(a: Data, b: Data): boolean;
}
