declare namespace DGate {
	/** What can be sent as a body. */
	type Bytes = string | ArrayBuffer | ArrayBufferView;

	/** What a hook is called with: the request, its answer, and where it was routed. */
	interface Context {
		/** Identifies the request. It is all that JSON.stringify shows. */
		readonly id: string;
		/**
		 * The request. Called it returns it; its fields can also be read and set directly, as in
		 * ctx.request.method.
		 */
		readonly request: (() => IncomingRequest) & RequestFields;
		/** The answer that a script gives itself; null in responseModifier, which has upstream(). */
		response(): OutgoingResponse;
		/** The upstream's answer in responseModifier, null in other hooks. */
		upstream(): Upstream;
		/** The parameters of the request's query, the same object as request().query. */
		query(): Query;
		/** The service of the route, or null. */
		service(): Named<Service> | null;
		/** The route, or null where there is none. */
		route(): Named<Route>;
		/** The namespace, or null where there is none. */
		namespace(): Named<Namespace>;
		/** A parameter of the route's path, unescaped; "*" is what the wildcard matched. "" if there is none. */
		pathParam(name: string): string;
		/** All parameters of the route's path. */
		pathParams(): Record<string, string>;
		/** All parameters of the route's path. */
		readonly params: Record<string, string>;
		/** What set has kept for this request, or null. */
		get(key: string): any;
		/**
		 * Keeps a value for later hooks of this request: a primitive, plain object, array, Date, ArrayBuffer
		 * or typed array. It is copied.
		 */
		set(key: string, value: any): void;

		/** The first value of a parameter of the query, or null. */
		queryParam(name: string): string | null;
		/** Short for response().status. */
		status(code: number | string): OutgoingResponse;
		/** Short for response().status. */
		setStatus(code: number | string): OutgoingResponse;
		/** Sets a header of the answer. */
		setHeader(name: string, value: any): void;
		/** Short for response().json. */
		json(value: any): OutgoingResponse;
		/** Short for response().send. */
		send(body?: Bytes): OutgoingResponse;
		/** Short for response().send. */
		write(body?: Bytes): OutgoingResponse;
		/** Short for response().redirect. */
		redirect(url: string, status?: number): void;

		/** Properties of your own last as long as the request, as JSON between its hooks. */
		[property: string]: any;
	}

	/** The ctx of the method fetch of a default export. */
	interface WorkerContext extends Context {
		/**
		 * Lets a promise be finished after the answer, within the time of a hook. The request and the
		 * other members of ctx are gone by then.
		 */
		waitUntil(promise: any): void;
		/** Does nothing: there is nothing to pass through to. */
		passThroughOnException(): void;
	}

	/** A default export in the form of a Worker: a requestHandler by another name. */
	interface Worker<Env = Record<string, string>> {
		/** Answers a request. env has the environment variables that the server allows. */
		fetch(request: Request, env: Env, ctx: WorkerContext): MaybePromise<Response>;
	}

	/** A service, route or namespace as hooks see it: everything has a value, and nothing can be changed. */
	type Named<Kind> = Readonly<Required<Kind>> & {
		/** The name. */
		getName(): string;
	};

	/** The request of the client. What a script changes is what the upstream gets. */
	interface IncomingRequest extends RequestFields {
		/** Properties of your own last as long as the request, as JSON between its hooks. */
		[property: string]: any;
	}

	/** What a request has. */
	interface RequestFields {
		/** The method, in upper case. Can be set, to anything but CONNECT. */
		method: string;
		/** The path, unescaped. Can be set; it must begin with / and have no query. */
		path: string;
		/** The headers. */
		readonly headers: HeaderView;
		/** The parameters of the query. Can be set, to text, an object or URLSearchParams. */
		get query(): Query;
		set query(value: Query | URLSearchParams | Record<string, any> | string | null);
		/** The host, with the port if the client has sent one. Can be set; the upstream then gets that one. */
		host: string;
		/** The IP address of the client, as trusted proxies report it. */
		readonly remoteAddress: string;
		/** The protocol, such as "HTTP/1.1". */
		readonly proto: string;
		/** The length of the body in bytes, -1 if it is not known. */
		readonly contentLength: number;
		/** How the client is connected; undefined without TLS. JSON.stringify leaves it out. */
		readonly tls?: RequestTLS;
		/** The body as text. Can be set. */
		body: any;
		/** The whole body. It can be read again, and is still sent on. Throws if it is larger than the limit. */
		readBody(): ArrayBuffer;
		/** The body as JSON. */
		readJson(): any;
		/** Replaces the body. */
		writeBody(body: Bytes): void;
		/** Replaces the body by JSON, and sets its type. */
		writeJson(value: any): void;
	}

	/** The TLS connection of a client. */
	interface RequestTLS {
		/** The version, "tls1.2" or "tls1.3". */
		readonly version: string;
		/** The cipher suite, such as "TLS_AES_128_GCM_SHA256". */
		readonly cipher: string;
		/** The name that the client has asked for, "" if it has not. */
		readonly sni: string;
		/** The protocol that was agreed on: "http/1.1", "h2", "h3", or "". */
		readonly proto: string;
		/** The certificate of the client, if it has one and it was verified; otherwise null. */
		readonly client: ClientCertificate | null;
	}

	/** A certificate that a client has proved to have, of an authority that the site trusts. */
	interface ClientCertificate {
		/** The subject, such as "CN=alice,O=example". */
		readonly subject: string;
		/** The issuer, likewise. */
		readonly issuer: string;
		/** The names, mail addresses, IP addresses and URIs that it is for. */
		readonly sans: string[];
		/** The SHA-256 of the certificate, as hexadecimal digits. */
		readonly fingerprint: string;
		/** The serial number, as hexadecimal digits. */
		readonly serial: string;
	}

	/** The answer that a script gives itself. Once it has sent something, the upstream is not called. */
	interface OutgoingResponse {
		/** The headers, until something is sent. */
		readonly headers: HeaderView;
		/** Whether something was sent. */
		readonly headersSent: boolean;
		/** The status, from 200 to 599. Can be set until something is sent. */
		statusCode: number;
		/** Values of your own that last as long as the request, as JSON between its hooks. */
		locals: Record<string, any>;
		/** Chooses the status, from 200 to 599. */
		status(code: number | string): this;
		/** Sends text or bytes; may be called again. */
		send(body?: Bytes): this;
		/** The same as send. */
		end(body?: Bytes): this;
		/** Sends JSON, of type application/json. */
		json(value: any): this;
		/** Sets a cookie. */
		cookie(name: string, value: any, options?: CookieOptions): this;
		/** A cookie of the request, or null. */
		getCookie(name: string): Cookie | null;
		/** The cookies of the request. */
		getCookies(): Cookie[];
		/** Sets the header Location. */
		location(url: string): this;
		/** Redirects with 307, the status given, or a status from 300 to 399 that was chosen before. Relative URLs are resolved. */
		redirect(url: string, status?: number): void;
		redirect(status: number, url: string): void;
		/** Redirects with 301. */
		redirectPermanent(url: string): void;
		/** Properties of your own last as long as the request, as JSON between its hooks. */
		[property: string]: any;
	}

	/** The answer of the upstream, in responseModifier. */
	interface Upstream {
		/** The headers. */
		readonly headers: HeaderView;
		/** The status, from 200 to 599. Can be set. */
		statusCode: number;
		/** The status and its text, such as "200 OK". */
		readonly statusText: string;
		/** The trailers that have been announced. */
		readonly trailer: HeaderView;
		/** The protocol, such as "HTTP/1.1". */
		readonly protocol: string;
		/** Whether the body has been decompressed on its way. */
		readonly uncompressed: boolean;
		/** The length of the body in bytes, -1 if it is not known. */
		readonly contentLength: number;
		/** How the body is transferred, for example ["chunked"]. */
		readonly transferEncoding: string[];
		/** The body as text. Reading it waits for it. Can be set. */
		body: any;
		/** The whole body, decompressed. It can be read again, and is still sent on. */
		readBody(): Promise<ArrayBuffer>;
		/** The body as JSON. */
		readJson(): Promise<any>;
		/** Replaces the body. */
		writeBody(body: Bytes): this;
		/** Replaces the body by JSON, and sets its type. */
		writeJson(value: any): this;
		/** Changes the status. */
		status(code: number | string): this;
		/** Turns the answer into a redirect with 307, or the status given or chosen before. */
		redirect(url: string, status?: number): void;
		redirect(status: number, url: string): void;
		/** Turns the answer into a redirect with 301. */
		redirectPermanent(url: string): void;
		/** The parameters of the query that the upstream was asked with. */
		query(): Query;
		/** The cookies that the upstream sets. */
		cookie(): Cookie[];
	}

	/** The parameters of a query, in order. A parameter is also a property, with its first value. */
	interface Query extends Iterable<[string, string]> {
		/** The first value, "" if there is none. */
		get(name: string): string;
		/** All values. */
		getAll(name: string): string[];
		/** The values of a name, or all there are. */
		values(name?: string): string[];
		/** Sets the only value. */
		set(name: string, value: any): void;
		/** Adds a value. */
		add(name: string, value: any): void;
		/** Adds a value. */
		append(name: string, value: any): void;
		/** Removes all values. */
		del(name: string): void;
		/** Removes all values. */
		delete(name: string): void;
		/** Whether there is a value. */
		has(name: string): boolean;
		/** The names, each once. */
		keys(): string[];
		/** Names and values. */
		entries(): [string, string][];
		/** Calls a function for each value. */
		forEach(callback: (value: string, name: string, query: Query) => void, thisArg?: any): void;
		/** The query as text, sorted by name. */
		encode(): string;
		/** The query as text, in order. */
		toString(): string;
		/** The names with their first values. */
		toJSON(): Record<string, string>;
		/** The first value of a parameter. */
		[name: string]: any;
	}

	/** The headers of a message, names in any case. A header is also a property, with its values joined. */
	interface HeaderView extends Iterable<[string, string]> {
		/** The first value, "" if there is none. */
		get(name: string): string;
		/** Sets the only value. */
		set(name: string, value: any): void;
		/** Adds a value. */
		add(name: string, value: any): void;
		/** Adds a value. */
		append(name: string, value: any): void;
		/** Removes the header. */
		del(name: string): void;
		/** Removes the header. */
		delete(name: string): void;
		/** Whether there is a value. */
		has(name: string): boolean;
		/** The values of a header, or of all. */
		values(name?: string): string[];
		/** The names, sorted. */
		keys(): string[];
		/** Names and values, those of a name joined except for Set-Cookie. */
		entries(): [string, string][];
		/** Calls a function for each of the entries. */
		forEach(callback: (value: string, name: string, headers: HeaderView) => void, thisArg?: any): void;
		/** A copy, which belongs to no message. */
		clone(): HeaderView;
		/** The values of Set-Cookie. */
		getSetCookie(): string[];
		/** The values of a header, joined. */
		[name: string]: any;
	}

	/** Options of response().cookie. */
	interface CookieOptions {
		domain?: string;
		path?: string;
		/** Seconds; 0 or less removes the cookie. */
		maxAge?: number;
		/** When the cookie ends: a Date, the text of a time, or milliseconds since 1970. */
		expires?: Date | string | number;
		secure?: boolean;
		httpOnly?: boolean;
		partitioned?: boolean;
		/** "lax", "strict" or "none", in any case; true means strict. */
		sameSite?: string | boolean;
	}

	/** A cookie of a request or of an upstream's answer. */
	interface Cookie {
		name: string;
		value: string;
		path: string;
		domain: string;
		/** Seconds; 0 if there is none, -1 for one that is to be removed. */
		maxAge: number;
		secure: boolean;
		httpOnly: boolean;
		/** "lax", "strict", "none" or "". */
		sameSite: string;
		expires: Date | null;
	}
}
