declare module "dgate/state" {
	/**
	 * Reads a document, or null if there is none. Reading takes what this node has stored and does
	 * not wait for other nodes; what this node has written is seen at once.
	 *
	 * The promise is rejected with `collection not found: …` for a collection that does not exist.
	 *
	 * @example
	 * const link = await getDocument<{ url: string }>(ctx.pathParam("id"), "links");
	 */
	export function getDocument<T = any>(id: string, collection: string, options?: ReadOptions | null): Promise<Document<T> | null>;

	/**
	 * Reads documents of a collection, ordered by the bytes of their ids. Together they must not be
	 * larger than the limit of what a script may buffer (`body`, 10 MiB by default).
	 */
	export function getDocuments<T = any>(query: DocumentQuery): Promise<Document<T>[]>;

	/**
	 * Stores a document, in place of the one with the same id if there is one. When the promise is
	 * fulfilled, with the document as it is stored now, it is replicated, and this node reads it.
	 * Await it: writing that a hook has not waited for may not take place.
	 *
	 * The promise is rejected with a {@link StateError}: its `code` is `validation_failed` if the
	 * data do not match the schema of the collection.
	 *
	 * @example
	 * // creates it, and is rejected with code precondition_failed if it exists
	 * await addDocument({ id, collection: "links", data: { url } }, { ifVersion: 0 });
	 */
	export function addDocument<T = any>(document: NewDocument<T>, options?: WriteOptions | null): Promise<Document<T>>;

	/** Removes a document, and gives back what it was given. That there is none is no error. */
	export function deleteDocument<K extends DocumentKey>(document: K, options?: WriteOptions | null): Promise<K>;

	/** Reads a collection. The promise is rejected with code `not_found` if it does not exist. */
	export function getCollection(name: string, options?: ReadOptions | null): Promise<Collection>;

	/**
	 * Stores a collection, in place of the one with the same name if there is one: what is left out
	 * gets its default. While it holds documents, its schema and type cannot change.
	 */
	export function addCollection(collection: NewCollection): Promise<Collection>;

	/** Removes a collection, which must hold no documents, and gives back what it was given. */
	export function deleteCollection<C extends { name: string }>(collection: C): Promise<C>;

	/** What identifies a document in the namespace of the module. */
	export interface DocumentKey {
		/** Up to 256 bytes, without control characters. */
		id: string;
		collection: string;
		/** Only the module's own namespace can be written to. */
		namespace?: string | null;
	}

	export interface NewDocument<T = any> extends DocumentKey {
		/** Anything that JSON can hold, up to 1 MiB, that matches the schema of the collection. */
		data: T;
	}

	export interface Document<T = any> {
		id: string;
		/** When it was first stored, as an RFC 3339 time; `new Date(createdAt)` reads it. */
		createdAt: string;
		/** When it last changed. */
		updatedAt: string;
		/** Grows with each change of the document. */
		version: number;
		namespace: string;
		collection: string;
		data: T;
	}

	export interface NewCollection {
		name: string;
		/** A JSON Schema that the data of all documents must match. Without one any JSON is valid. */
		schema?: object | boolean | null;
		/** private (the default): for the modules of this namespace; public: modules of all may read. */
		visibility?: "private" | "public" | null;
		type?: "document" | null;
		tags?: string[] | null;
	}

	export interface Collection {
		name: string;
		createdAt: string;
		updatedAt: string;
		version: number;
		namespace: string;
		schema?: any;
		type: string;
		visibility: "private" | "public";
		tags: string[];
	}

	export interface DocumentQuery extends ReadOptions {
		collection: string;
		/** How many documents to return at most, up to 1000. Default: 100. */
		limit?: number | null;
		/** How many documents to leave out at the beginning. Default: 0. */
		offset?: number | null;
	}

	export interface ReadOptions {
		/** The namespace of the collection, which must be public if that is another one than the module's. */
		namespace?: string | null;
	}

	export interface WriteOptions {
		/**
		 * Write only if the document has this version; 0 means only if there is none. Else the promise
		 * is rejected with code `precondition_failed`. Without it the last one to write wins.
		 */
		ifVersion?: number | null;
	}

	/** What promises of this module are rejected with. */
	export interface StateError extends Error {
		code: "not_found" | "validation_failed" | "precondition_failed" | "conflict" | "in_use" | "unauthorized"
			| "too_large" | "no_leader" | "overloaded" | "outcome_unknown" | "index_timeout" | "internal" | (string & {});
		/** What is wrong in the data or the schema, if that is it. */
		fields?: { field: string; problem: string; value?: string }[];
	}

	const state: typeof import("dgate/state");
	export default state;
}
