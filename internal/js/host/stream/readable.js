// ReadableStream and what belongs to it. host.pull and host.cancel work on the
// sources of streams that Go code makes.
(function (host) {
	const asyncIterator = Symbol.asyncIterator ?? Symbol.for("Symbol.asyncIterator");
	const nothing = () => {};

	// quiet has nobody told of a rejection that nobody waits for.
	const quiet = (promise) => (promise.catch(nothing), promise);

	const deferred = () => {
		const d = {};
		d.promise = quiet(new Promise((resolve, reject) => { d.resolve = resolve; d.reject = reject; }));
		return d;
	};

	// call calls a method that may be missing, and returns a promise of its result.
	const call = async (object, name, ...args) => object?.[name]?.(...args);

	const member = (object, name, what) => {
		const fn = object?.[name];
		if (fn != null && typeof fn !== "function") throw new TypeError(`${what}: ${name} is no function`);
	};

	const watermark = (strategy, fallback) => {
		const mark = strategy?.highWaterMark;
		if (mark === undefined) return fallback;
		if (!(Number(mark) >= 0)) throw new RangeError(`highWaterMark is ${mark}, expected a number that is not negative`);
		return Number(mark);
	};

	// weigh is the size of a chunk.
	const weigh = (strategy, chunk) => {
		if (strategy?.size === undefined) return 1;
		const size = Number(strategy.size(chunk));
		if (!(size >= 0 && size < Infinity)) throw new RangeError(`the size of a chunk is ${size}, expected a number that is not negative`);
		return size;
	};

	// State is a stream without what scripts see of it.
	class State {
		state = "readable"; // closed, errored
		error = undefined;
		reader = null; // { requests, closed } of who has it locked
		disturbed = false;
		queue = [];
		total = 0;
		started = false;
		closing = false;
		pulling = false;
		again = false;
		source = undefined; // of Go, if the stream is one of its

		constructor(underlying, strategy) {
			this.underlying = underlying;
			this.strategy = strategy;
			this.mark = watermark(strategy, 1);
			this.controller = new ReadableStreamDefaultController(this);
		}

		start() {
			const started = this.underlying?.start?.(this.controller); // what it throws, the constructor throws
			Promise.resolve(started).then(() => { this.started = true; this.pull(); }, (e) => this.fail(e));
		}

		get desired() {
			return this.state === "errored" ? null : this.state === "closed" ? 0 : this.mark - this.total;
		}

		get wanting() {
			return this.state === "readable" && !this.closing && this.started && (this.reader?.requests.length > 0 || this.desired > 0);
		}

		// pull asks for more, until there is enough or what was asked for takes time.
		pull() {
			while (this.wanting) {
				if (this.pulling) {
					this.again = true;
					return;
				}
				this.pulling = true;
				this.again = false;
				let wait;
				try {
					wait = this.underlying?.pull?.(this.controller);
				} catch (e) {
					this.fail(e);
					return;
				}
				if (typeof wait?.then === "function") {
					Promise.resolve(wait).then(() => this.pulled(), (e) => this.fail(e));
					return;
				}
				this.pulling = false;
				if (!this.again) return;
			}
		}

		pulled() {
			this.pulling = false;
			if (this.again) this.pull();
		}

		enqueue(chunk) {
			if (this.closing || this.state !== "readable") throw new TypeError("enqueue: the stream is closed");
			const request = this.reader?.requests.shift();
			if (request) {
				request.resolve({ value: chunk, done: false });
			} else {
				try {
					const size = weigh(this.strategy, chunk);
					this.queue.push({ chunk, size });
					this.total += size;
				} catch (e) {
					this.fail(e);
					throw e;
				}
			}
			this.pull();
		}

		// close ends the stream when what is queued has been read.
		close() {
			if (this.closing || this.state !== "readable") throw new TypeError("close: the stream is closed");
			this.closing = true;
			if (this.queue.length === 0) this.finish();
		}

		finish() {
			this.state = "closed";
			for (const request of this.reader?.requests.splice(0) ?? []) request.resolve({ value: undefined, done: true });
			this.reader?.closed.resolve();
		}

		fail(error) {
			if (this.state !== "readable") return;
			this.state = "errored";
			this.error = error;
			this.queue = [];
			for (const request of this.reader?.requests.splice(0) ?? []) request.reject(error);
			this.reader?.closed.reject(error);
		}

		// next is the first chunk of the queue, which must have one.
		next() {
			const { chunk, size } = this.queue.shift();
			this.total -= size;
			if (this.closing && this.queue.length === 0) this.finish();
			else this.pull();
			return chunk;
		}

		read() {
			this.disturbed = true;
			if (this.queue.length > 0) return Promise.resolve({ value: this.next(), done: false });
			if (this.state === "closed") return Promise.resolve({ value: undefined, done: true });
			if (this.state === "errored") return Promise.reject(this.error);
			const request = {};
			const promise = new Promise((resolve, reject) => { request.resolve = resolve; request.reject = reject; });
			this.reader.requests.push(request);
			this.pull();
			return promise;
		}

		cancel(reason) {
			this.disturbed = true;
			if (this.state === "closed") return Promise.resolve();
			if (this.state === "errored") return Promise.reject(this.error);
			this.queue = [];
			this.finish();
			return call(this.underlying, "cancel", reason).then(nothing);
		}

		lock() {
			if (this.reader) throw new TypeError("the stream is locked: it has a reader already");
			this.reader = { requests: [], closed: deferred() };
			if (this.state === "closed") this.reader.closed.resolve();
			if (this.state === "errored") this.reader.closed.reject(this.error);
			return this.reader;
		}

		unlock() {
			const { requests, closed } = this.reader;
			const error = new TypeError("the reader has released its lock");
			closed.reject(error); // if it is still pending
			for (const request of requests) request.reject(error);
			this.reader = null;
		}
	}

	class ReadableStreamDefaultController {
		#state;

		constructor(state) {
			if (!(state instanceof State)) throw new TypeError("Illegal constructor");
			this.#state = state;
		}

		get desiredSize() { return this.#state.desired; }
		enqueue(chunk) { this.#state.enqueue(chunk); }
		close() { this.#state.close(); }
		error(e) { this.#state.fail(e); }
	}

	class ReadableStreamDefaultReader {
		#state;
		#lock;
		#closed;

		constructor(stream) {
			this.#state = stateOf(stream, "ReadableStreamDefaultReader");
			this.#lock = this.#state.lock();
			this.#closed = this.#lock.closed.promise;
		}

		get closed() { return this.#closed; }

		async read() { return this.#held("read").read(); }

		async cancel(reason) { return this.#held("cancel").cancel(reason); }

		releaseLock() {
			if (this.#state.reader !== this.#lock) return;
			this.#state.unlock();
			if (this.#state.state !== "readable") this.#closed = quiet(Promise.reject(new TypeError("the reader has released its lock")));
		}

		#held(method) {
			if (this.#state.reader !== this.#lock) throw new TypeError(`${method}: the reader has released its lock`);
			return this.#state;
		}
	}

	class ReadableStream {
		#state;

		constructor(underlying, strategy) {
			if (underlying !== undefined && (underlying === null || typeof underlying !== "object")) {
				throw new TypeError("ReadableStream: expected an object with start, pull and cancel");
			}
			for (const name of ["start", "pull", "cancel"]) member(underlying, name, "ReadableStream");
			member(strategy, "size", "ReadableStream");
			this.#state = new State(underlying, strategy);
			this.#state.start();
		}

		static from(items) {
			const make = items?.[asyncIterator] ?? items?.[Symbol.iterator];
			if (typeof make !== "function") throw new TypeError("ReadableStream.from: expected something that can be iterated");
			const iterator = make.call(items);
			return new ReadableStream({
				async pull(controller) {
					const { value, done } = await iterator.next();
					if (done) controller.close();
					else controller.enqueue(await value);
				},
				async cancel(reason) { await iterator.return?.(reason); },
			}, { highWaterMark: 0 });
		}

		static state(stream) { return typeof stream === "object" && stream !== null && #state in stream ? stream.#state : undefined; }

		get locked() { return this.#state.reader !== null; }

		async cancel(reason) {
			if (this.locked) throw new TypeError("cancel: the stream is locked");
			return this.#state.cancel(reason);
		}

		getReader(options) {
			if (options?.mode !== undefined) throw new TypeError(`getReader: mode ${options.mode} is not supported`);
			return new ReadableStreamDefaultReader(this);
		}

		tee() { return tee(this, false); }

		pipeThrough(pair, options) {
			if (!pair?.readable || !pair?.writable) throw new TypeError("pipeThrough: expected an object with readable and writable");
			quiet(this.pipeTo(pair.writable, options));
			return pair.readable;
		}

		async pipeTo(target, options) {
			if (typeof target?.getWriter !== "function") throw new TypeError("pipeTo: expected a WritableStream");
			if (this.locked || target.locked) throw new TypeError("pipeTo: the stream is locked");
			return pipe(this.getReader(), target.getWriter(), options ?? {});
		}

		values(options) {
			const reader = this.getReader();
			const keep = options?.preventCancel;
			let last = Promise.resolve();
			let over = false;
			const after = (step) => (last = last.then(step, step)); // one at a time
			return {
				next: () => after(async () => {
					if (over) return { value: undefined, done: true };
					try {
						const result = await reader.read();
						over = result.done;
						return result;
					} catch (e) {
						over = true;
						throw e;
					} finally {
						if (over) reader.releaseLock();
					}
				}),
				return: (value) => after(async () => {
					if (!over) {
						over = true;
						const cancelled = keep ? undefined : reader.cancel(value);
						reader.releaseLock();
						await cancelled;
					}
					return { value, done: true };
				}),
				[asyncIterator]() { return this; },
			};
		}

		// read and close are what bodies had before they were streams: read resolves with
		// the next chunk, with null at the end.
		async read() {
			const reader = this.getReader();
			try {
				return (await reader.read()).value ?? null;
			} finally {
				reader.releaseLock();
			}
		}

		close() { return this.cancel(); }

		get [Symbol.toStringTag]() { return "ReadableStream"; }
	}
	Object.defineProperty(ReadableStream.prototype, asyncIterator, {
		value: ReadableStream.prototype.values, writable: true, configurable: true,
	});
	const peek = ReadableStream.state;
	delete ReadableStream.state;

	const stateOf = (stream, what) => {
		const state = peek(stream);
		if (!state) throw new TypeError(`${what}: expected a ReadableStream`);
		return state;
	};

	// tee returns two streams of what a stream has. With copies they share no buffers.
	const tee = (stream, copies) => {
		const reader = stream.getReader();
		const branches = [];
		const reasons = [];
		let reading = false;
		let again = false;
		const pull = async () => {
			if (reading) {
				again = true;
				return;
			}
			reading = true;
			do {
				again = false;
				const { value, done } = await reader.read();
				for (const [i, branch] of branches.entries()) {
					if (i in reasons) continue;
					if (done) branch.close();
					else branch.enqueue(copies && i > 0 && ArrayBuffer.isView(value) ? value.slice() : value);
				}
				if (done) return; // reading stays true
			} while (again);
			reading = false;
		};
		const branch = (i) => new ReadableStream({
			start(controller) { branches[i] = controller; },
			pull,
			cancel(reason) { // one of two need not wait for the other, as it would in the standard
				reasons[i] = reason;
				if (0 in reasons && 1 in reasons) return reader.cancel(reasons);
			},
		}, { highWaterMark: 0 });
		const pair = [branch(0), branch(1)];
		reader.closed.catch((e) => {
			for (const controller of branches) controller.error(e);
		});
		return pair;
	};

	// pipe moves everything from a reader to a writer.
	const pipe = (reader, writer, { preventClose, preventAbort, preventCancel, signal }) => new Promise((resolve, reject) => {
		let over = false;
		let written = Promise.resolve();
		const end = async (...actions) => {
			if (over) return;
			over = true;
			signal?.removeEventListener("abort", abort);
			const [failed, error] = actions.shift();
			let [rejected, reason] = [failed, error];
			for (const action of actions) {
				try {
					await action();
				} catch (e) {
					if (!rejected) [rejected, reason] = [true, e];
				}
			}
			reader.releaseLock();
			writer.releaseLock();
			if (rejected) reject(reason);
			else resolve();
		};
		const stop = (error) => !preventCancel && reader.cancel(error);
		const fail = (error) => !preventAbort && writer.abort(error);
		const abort = () => end([true, signal.reason], () => fail(signal.reason), () => stop(signal.reason));
		if (signal?.aborted) return abort();
		signal?.addEventListener("abort", abort);
		writer.closed.then(
			() => end([true, new TypeError("pipeTo: the target is closed")], () => stop(new TypeError("pipeTo: the target is closed"))),
			(e) => end([true, e], () => stop(e)),
		);
		const broken = (e) => end([true, e], () => written.catch(nothing), () => fail(e));
		reader.closed.catch(broken);
		const step = async () => {
			try {
				for (;;) {
					await writer.ready;
					if (over) return;
					const { value, done } = await reader.read();
					if (over) return;
					if (done) break;
					written = quiet(writer.write(value));
				}
			} catch (e) {
				return; // one of the above tells
			}
			end([false], () => written, () => !preventClose && writer.close());
		};
		step();
	});

	// each gives every chunk to write, waits for what that returns, and returns what
	// done returns.
	const each = async (stream, write, done) => {
		const state = stateOf(stream, "body");
		state.lock();
		state.disturbed = true;
		for (;;) {
			let chunk;
			if (state.queue.length > 0) {
				chunk = state.next();
			} else {
				const result = await state.read();
				if (result.done) return done();
				chunk = result.value;
			}
			try {
				const wait = write(chunk);
				if (wait) await wait;
			} catch (e) {
				quiet(state.cancel(e));
				throw e;
			}
		}
	};

	return {
		ReadableStream, ReadableStreamDefaultReader, tee, each,
		quiet, deferred, call, member, watermark, weigh,
		// of returns a stream of a source of Go's.
		of(source) {
			const stream = new ReadableStream({
				pull(controller) {
					const add = (chunk) => {
						if (chunk === undefined) controller.close();
						else controller.enqueue(chunk);
					};
					const next = host.pull(source);
					return next === undefined ? add() : next.then(add);
				},
				cancel() { host.cancel(source); },
			}, { highWaterMark: 0 });
			peek(stream).source = source;
			return stream;
		},
		// take returns the source of a stream that nothing has been read of, and
		// leaves the stream locked.
		take(stream) {
			const state = peek(stream);
			if (state.source === undefined || state.disturbed || state.reader) return undefined;
			state.disturbed = true;
			state.lock();
			return state.source;
		},
		is: (v) => peek(v) !== undefined,
		disturbed: (stream) => peek(stream).disturbed,
		locked: (stream) => peek(stream).reader !== null,
	};
})
