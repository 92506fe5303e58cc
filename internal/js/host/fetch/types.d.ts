/** What can be sent as a body. Streams are of bytes or text. */
type BodyInit = string | ArrayBuffer | ArrayBufferView | URLSearchParams | ReadableStream | number | boolean;

/** What Request and Response have in common. A body can be read once. */
interface Body {
	readonly headers: Headers;
	/** The body as a stream, null if there is none. */
	readonly body: ReadableStream<Uint8Array> | null;
	readonly bodyUsed: boolean;
	/** The whole body. It is rejected if that is larger than what a script may buffer (`body`, 10 MiB by default); streams have no limit. */
	text(): Promise<string>;
	json<T = any>(): Promise<T>;
	arrayBuffer(): Promise<ArrayBuffer>;
	bytes(): Promise<Uint8Array>;
}

interface RequestInit {
	/** Default: GET. Only DELETE, GET, HEAD, OPTIONS, POST and PUT may be written in lower case, too: a patch is no PATCH. */
	method?: string;
	/** A Host in it is sent in place of the URL's, unless it is the one that the request of this hook has come with. */
	headers?: HeadersInit;
	body?: BodyInit | null;
	/** What to do with redirects. Default: follow, at most 20. */
	redirect?: "follow" | "manual" | "error";
	/** The same as redirect. */
	redirects?: "follow" | "manual" | "error";
	/** Aborts the request, and reading its answer. */
	signal?: AbortSignal | null;
	/** How long the request may take, reading its answer included: milliseconds, or a duration such as "2s". */
	timeout?: number | string;
	/** Streams are always sent while they are made; nothing has to be said. */
	duplex?: "half";
	[ignored: string]: any;
}

/** A request: one to send, or, as the argument of the method fetch of a default export, one that has come in. */
interface Request extends Body {
	readonly method: string;
	readonly url: string;
	readonly redirect: "follow" | "manual" | "error";
	readonly signal: AbortSignal;
	/** A copy. Both can be read; what only one has read is kept. */
	clone(): Request;
	/** Properties of your own. */
	[property: string]: any;
}
declare var Request: { readonly prototype: Request; new (input: string | URL | Request, init?: RequestInit): Request };

interface ResponseInit {
	/** From 200 to 599. Default: 200. */
	status?: number;
	statusText?: string;
	headers?: HeadersInit;
}

/** The answer to a request: what fetch resolves with, and what a hook may return to answer. */
interface Response extends Body {
	readonly status: number;
	/** Of an answer with its number, as in "200 OK". */
	readonly statusText: string;
	/** Whether the status is from 200 to 299. */
	readonly ok: boolean;
	/** Where it came from after redirects; "" if a script has made it. */
	readonly url: string;
	readonly redirected: boolean;
	readonly type: "basic" | "default" | "error";
	/** How long fetch has waited for it, in seconds. */
	readonly _debug_time?: number;
	/** A copy. Both can be read; what only one has read is kept. */
	clone(): Response;
	/** Properties of your own. */
	[property: string]: any;
}
declare var Response: {
	readonly prototype: Response;
	/**
	 * @example
	 * return new Response("not here", { status: 404, headers: { "cache-control": "no-store" } });
	 */
	new (body?: BodyInit | null, init?: ResponseInit | Response): Response;
	/** A response with a value as JSON. */
	json(value: any, init?: ResponseInit): Response;
	/** A redirect; the URL may be relative. Default status: 302. */
	redirect(url: string | URL, status?: number): Response;
	/** A response that cannot be answered with. */
	error(): Response;
};

/**
 * Sends a request. The promise is fulfilled when the head of the answer is there, whatever its
 * status is, and rejected if there is none. Gzip is decoded. The request ends with the hook, unless
 * the hook returns its answer.
 */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;

declare module "dgate/http" {
	export const fetch: typeof globalThis.fetch;

	const http: typeof import("dgate/http");
	export default http;
}
