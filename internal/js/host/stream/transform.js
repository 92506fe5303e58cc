// TransformStream and the transformations that come with it.
(function ({ ReadableStream, deferred, call, member }, { WritableStream, fail }) {
	class TransformStreamDefaultController {
		#readable;
		#hooks;

		constructor(readable, hooks) {
			this.#readable = readable;
			this.#hooks = hooks;
		}

		get desiredSize() { return this.#readable.desiredSize; }

		enqueue(chunk) {
			this.#hooks.full();
			this.#readable.enqueue(chunk);
		}

		error(e) { this.#hooks.error(e); }

		terminate() {
			this.#readable.close();
			this.#hooks.stop(new TypeError("the transformation has ended"));
		}
	}

	class TransformStream {
		#readable;
		#writable;

		constructor(transformer, writableStrategy, readableStrategy) {
			if (transformer !== undefined && (transformer === null || typeof transformer !== "object")) {
				throw new TypeError("TransformStream: expected an object with start, transform and flush");
			}
			for (const name of ["start", "transform", "flush", "cancel"]) member(transformer, name, "TransformStream");
			let readable;
			let wanted = deferred(); // resolved when there is room for more
			let stopped = false;
			const stop = (e) => {
				stopped = true;
				fail(this.#writable, e);
				wanted.resolve();
			};
			const error = (e) => {
				readable.error(e);
				stop(e);
			};
			const started = deferred();
			this.#readable = new ReadableStream({
				start(c) { readable = c; return started.promise; },
				pull() { wanted.resolve(); },
				async cancel(reason) {
					if (stopped) return;
					try {
						await call(transformer, "cancel", reason);
					} finally {
						stop(reason);
					}
				},
			}, { highWaterMark: 0, ...readableStrategy });
			const controller = new TransformStreamDefaultController(readable, { error, stop, full() { wanted = deferred(); } });
			this.#writable = new WritableStream({
				start() { return started.promise; },
				async write(chunk) {
					await wanted.promise;
					if (stopped) return;
					try {
						if (transformer?.transform) await transformer.transform(chunk, controller);
						else controller.enqueue(chunk);
					} catch (e) {
						error(e);
						throw e;
					}
				},
				async close() {
					try {
						await call(transformer, "flush", controller);
					} catch (e) {
						error(e);
						throw e;
					}
					if (!stopped) readable.close();
				},
				async abort(reason) {
					stopped = true;
					wanted.resolve();
					try {
						await call(transformer, "cancel", reason);
					} finally {
						readable.error(reason);
					}
				},
			}, writableStrategy);
			started.resolve(transformer?.start?.(controller));
		}

		get readable() { return this.#readable; }
		get writable() { return this.#writable; }
		get [Symbol.toStringTag]() { return "TransformStream"; }
	}

	class TextEncoderStream extends TransformStream {
		constructor() {
			const encoder = new TextEncoder();
			let high = ""; // half of a character, that the chunk before ended in
			super({
				transform(chunk, controller) {
					let text = high + chunk;
					const last = text.charCodeAt(text.length - 1);
					high = last >= 0xd800 && last <= 0xdbff ? text.slice(-1) : "";
					if (high) text = text.slice(0, -1);
					if (text) controller.enqueue(encoder.encode(text));
				},
				flush(controller) { if (high) controller.enqueue(encoder.encode("\ufffd")); },
			});
		}

		get encoding() { return "utf-8"; }
	}

	class TextDecoderStream extends TransformStream {
		#decoder;

		constructor(label, options) {
			const decoder = new TextDecoder(label, options);
			super({
				transform(chunk, controller) {
					const text = decoder.decode(chunk, { stream: true });
					if (text) controller.enqueue(text);
				},
				flush(controller) {
					const text = decoder.decode();
					if (text) controller.enqueue(text);
				},
			});
			this.#decoder = decoder;
		}

		get encoding() { return this.#decoder.encoding; }
		get fatal() { return this.#decoder.fatal; }
		get ignoreBOM() { return this.#decoder.ignoreBOM; }
	}

	class CountQueuingStrategy {
		constructor({ highWaterMark }) { this.highWaterMark = highWaterMark; }
		size() { return 1; }
	}

	class ByteLengthQueuingStrategy {
		constructor({ highWaterMark }) { this.highWaterMark = highWaterMark; }
		size(chunk) { return chunk.byteLength; }
	}

	return { TransformStream, TextEncoderStream, TextDecoderStream, CountQueuingStrategy, ByteLengthQueuingStrategy };
})
