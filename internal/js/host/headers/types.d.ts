/** Headers to begin with: other headers, pairs of name and value, or an object. */
type HeadersInit = Headers | Iterable<readonly [string, string]> | Record<string, string | number | boolean | readonly string[]>;

/** Headers of HTTP. Names are in lower case and sorted; asking for one takes any case. */
interface Headers extends Iterable<[string, string]> {
	/** The values of a name, joined by ", ", or null. */
	get(name: string): string | null;
	/** Puts one value in the place of all of a name. */
	set(name: string, value: string | number | boolean): void;
	append(name: string, value: string | number | boolean): void;
	delete(name: string): void;
	has(name: string): boolean;
	/** Every Set-Cookie header by itself. */
	getSetCookie(): string[];
	forEach(fn: (value: string, name: string, headers: Headers) => void, thisArg?: unknown): void;
	keys(): IterableIterator<string>;
	values(): IterableIterator<string>;
	/** Every value of a name by itself. */
	values(name: string): string[];
	entries(): IterableIterator<[string, string]>;
	/** A copy. */
	clone(): Headers;
	/** The same as append. */
	add(name: string, value: string | number | boolean): void;
	/** The same as delete. */
	del(name: string): void;
}
declare var Headers: { readonly prototype: Headers; new (init?: HeadersInit | null): Headers };
