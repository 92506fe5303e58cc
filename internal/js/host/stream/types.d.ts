/** How much a stream holds before its source has to wait. */
interface QueuingStrategy<T = any> {
	/** Default: 1. */
	highWaterMark?: number;
	/** What a chunk counts for. Default: 1. */
	size?: (chunk: T) => number;
}
declare var CountQueuingStrategy: { new (options: { highWaterMark: number }): { readonly highWaterMark: number; size(chunk?: any): number } };
declare var ByteLengthQueuingStrategy: { new (options: { highWaterMark: number }): { readonly highWaterMark: number; size(chunk: ArrayBufferView): number } };

interface ReadableStreamDefaultController<T = any> {
	/** How much more the stream wants; null when it has failed. */
	readonly desiredSize: number | null;
	enqueue(chunk: T): void;
	close(): void;
	error(reason?: unknown): void;
}

/** Where a stream has its chunks from. */
interface UnderlyingSource<T = any> {
	start?(controller: ReadableStreamDefaultController<T>): unknown;
	/** Called when the stream wants more, and again when the promise that it returns is fulfilled. */
	pull?(controller: ReadableStreamDefaultController<T>): unknown;
	cancel?(reason?: unknown): unknown;
}

type ReadableStreamReadResult<T> = { done: false; value: T } | { done: true; value?: undefined };

interface ReadableStreamDefaultReader<T = any> {
	readonly closed: Promise<undefined>;
	read(): Promise<ReadableStreamReadResult<T>>;
	cancel(reason?: unknown): Promise<void>;
	releaseLock(): void;
}
declare var ReadableStreamDefaultReader: { readonly prototype: ReadableStreamDefaultReader; new <T = any>(stream: ReadableStream<T>): ReadableStreamDefaultReader<T> };

interface StreamPipeOptions {
	preventClose?: boolean;
	preventAbort?: boolean;
	preventCancel?: boolean;
	signal?: AbortSignal;
}

/** Chunks that come one after the other: Uint8Arrays in bodies. */
interface ReadableStream<T = any> extends AsyncIterable<T> {
	/** Whether it has a reader. */
	readonly locked: boolean;
	getReader(): ReadableStreamDefaultReader<T>;
	cancel(reason?: unknown): Promise<void>;
	/** Two streams of the same chunks. What one has read and the other has not is kept. */
	tee(): [ReadableStream<T>, ReadableStream<T>];
	pipeTo(target: WritableStream<T>, options?: StreamPipeOptions): Promise<void>;
	pipeThrough<U>(pair: { readable: ReadableStream<U>; writable: WritableStream<T> }, options?: StreamPipeOptions): ReadableStream<U>;
	values(options?: { preventCancel?: boolean }): AsyncIterableIterator<T>;
	/** The next chunk, null at the end. */
	read(): Promise<T | null>;
	/** The same as cancel. */
	close(): Promise<void>;
}
declare var ReadableStream: {
	readonly prototype: ReadableStream;
	new <T = any>(source?: UnderlyingSource<T>, strategy?: QueuingStrategy<T>): ReadableStream<T>;
	from<T>(items: AsyncIterable<T> | Iterable<T | Promise<T>>): ReadableStream<T>;
};

interface WritableStreamDefaultController {
	error(reason?: unknown): void;
}

/** Where what is written goes. */
interface UnderlyingSink<T = any> {
	start?(controller: WritableStreamDefaultController): unknown;
	write?(chunk: T, controller: WritableStreamDefaultController): unknown;
	close?(): unknown;
	abort?(reason?: unknown): unknown;
}

interface WritableStreamDefaultWriter<T = any> {
	/** Fulfilled while the stream wants more. */
	readonly ready: Promise<undefined>;
	readonly closed: Promise<undefined>;
	readonly desiredSize: number | null;
	write(chunk?: T): Promise<void>;
	close(): Promise<void>;
	abort(reason?: unknown): Promise<void>;
	releaseLock(): void;
}
declare var WritableStreamDefaultWriter: { readonly prototype: WritableStreamDefaultWriter; new <T = any>(stream: WritableStream<T>): WritableStreamDefaultWriter<T> };

/** Takes chunks, one after the other. */
interface WritableStream<T = any> {
	/** Whether it has a writer. */
	readonly locked: boolean;
	getWriter(): WritableStreamDefaultWriter<T>;
	close(): Promise<void>;
	abort(reason?: unknown): Promise<void>;
}
declare var WritableStream: { readonly prototype: WritableStream; new <T = any>(sink?: UnderlyingSink<T>, strategy?: QueuingStrategy<T>): WritableStream<T> };

interface TransformStreamDefaultController<T = any> {
	readonly desiredSize: number | null;
	enqueue(chunk: T): void;
	error(reason?: unknown): void;
	/** Ends both sides. */
	terminate(): void;
}

interface Transformer<I = any, O = any> {
	start?(controller: TransformStreamDefaultController<O>): unknown;
	/** Default: what comes in goes out. */
	transform?(chunk: I, controller: TransformStreamDefaultController<O>): unknown;
	flush?(controller: TransformStreamDefaultController<O>): unknown;
	cancel?(reason?: unknown): unknown;
}

/**
 * What is written to one side is read from the other, changed on the way.
 *
 * @example
 * const upper = new TransformStream({ transform: (text, out) => out.enqueue(text.toUpperCase()) });
 * return new Response(response.body.pipeThrough(new TextDecoderStream()).pipeThrough(upper));
 */
interface TransformStream<I = any, O = any> {
	readonly readable: ReadableStream<O>;
	readonly writable: WritableStream<I>;
}
declare var TransformStream: {
	readonly prototype: TransformStream;
	new <I = any, O = any>(transformer?: Transformer<I, O>, writable?: QueuingStrategy<I>, readable?: QueuingStrategy<O>): TransformStream<I, O>;
};

/** Makes UTF-8 of text. */
interface TextEncoderStream extends TransformStream<string, Uint8Array> {
	readonly encoding: "utf-8";
}
declare var TextEncoderStream: { readonly prototype: TextEncoderStream; new (): TextEncoderStream };

/** Makes text of bytes. */
interface TextDecoderStream extends TransformStream<ArrayBuffer | ArrayBufferView, string> {
	readonly encoding: string;
	readonly fatal: boolean;
	readonly ignoreBOM: boolean;
}
declare var TextDecoderStream: { readonly prototype: TextDecoderStream; new (encoding?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoderStream };
