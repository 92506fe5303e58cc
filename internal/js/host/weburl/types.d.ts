/** A URL, parsed as browsers do. Setting a member to what does not fit changes nothing. */
interface URL {
	/** All of it. Setting this to what is no URL throws a TypeError. */
	href: string;
	readonly origin: string;
	/** The scheme, with its colon. */
	protocol: string;
	username: string;
	password: string;
	/** hostname, and port if it is not that of the scheme. */
	host: string;
	hostname: string;
	port: string;
	pathname: string;
	/** The query with its ?, or "". */
	search: string;
	/** The query as a list; changes of either show in the other. */
	readonly searchParams: URLSearchParams;
	/** The fragment with its #, or "". */
	hash: string;
	toString(): string;
	toJSON(): string;
}
declare var URL: {
	readonly prototype: URL;
	/** Throws a TypeError if url is no URL, alone or as a reference from base. */
	new (url: string | URL, base?: string | URL): URL;
	/** Like new URL, but null instead of an error. */
	parse(url: string | URL, base?: string | URL): URL | null;
	canParse(url: string | URL, base?: string | URL): boolean;
};

/** The parameters of a query, in their order. */
interface URLSearchParams extends Iterable<[string, string]> {
	readonly size: number;
	/** The first value of a name, or null. */
	get(name: string): string | null;
	getAll(name: string): string[];
	has(name: string, value?: string): boolean;
	append(name: string, value: string | number | boolean): void;
	/** Puts one value in the place of all of a name. */
	set(name: string, value: string | number | boolean): void;
	delete(name: string, value?: string): void;
	/** Sorts by name; values of one name stay in their order. */
	sort(): void;
	forEach(fn: (value: string, name: string, params: URLSearchParams) => void, thisArg?: unknown): void;
	keys(): IterableIterator<string>;
	values(): IterableIterator<string>;
	entries(): IterableIterator<[string, string]>;
	/** The query, without ?. */
	toString(): string;
}
declare var URLSearchParams: {
	readonly prototype: URLSearchParams;
	/** A query, pairs of name and value, or an object. */
	new (init?: string | Iterable<readonly [string, string | number | boolean]> | Record<string, string | number | boolean> | URLSearchParams): URLSearchParams;
};

declare module "url" {
	const urlClass: typeof globalThis.URL;
	const paramsClass: typeof globalThis.URLSearchParams;
	export { urlClass as URL, paramsClass as URLSearchParams };
}
declare module "node:url" {
	export * from "url";
}
