// WritableStream and what belongs to it.
(function ({ quiet, deferred, call, member, watermark, weigh }) {
	// State is a stream without what scripts see of it.
	class State {
		state = "writable"; // closed, errored
		error = undefined;
		writer = null; // { ready, closed } of who has it locked
		queue = [];
		total = 0;
		started = false;
		writing = null; // the promise of what the sink is doing
		closing = null;

		constructor(sink, strategy) {
			this.sink = sink;
			this.strategy = strategy;
			this.mark = watermark(strategy, 1);
			this.controller = new WritableStreamDefaultController(this);
		}

		start() {
			const started = this.sink?.start?.(this.controller); // what it throws, the constructor throws
			Promise.resolve(started).then(() => { this.started = true; this.advance(); }, (e) => this.fail(e));
		}

		get desired() {
			return this.state === "errored" ? null : this.state === "closed" ? 0 : this.mark - this.total;
		}

		// refuse returns why nothing can be written, if so.
		refuse(method) {
			if (this.state === "errored") return this.error;
			if (this.state === "closed" || this.closing) return new TypeError(`${method}: the stream is closed`);
		}

		write(chunk) {
			let error = this.refuse("write");
			let size = 0;
			if (!error) {
				try {
					size = weigh(this.strategy, chunk);
				} catch (e) {
					this.fail(error = e);
				}
			}
			if (this.state === "errored" || error) return Promise.reject(error);
			const done = deferred();
			this.queue.push({ chunk, size, done });
			this.total += size;
			this.pressure();
			this.advance();
			return done.promise;
		}

		close() {
			const error = this.refuse("close");
			if (error) return Promise.reject(error);
			this.closing = deferred();
			this.writer?.ready.resolve();
			this.advance();
			return this.closing.promise;
		}

		// pressure has the writer wait, or go on.
		pressure() {
			if (!this.writer || this.closing || this.state !== "writable") return;
			if (this.desired > 0) this.writer.ready.resolve();
			else if (this.writer.free) this.writer.ready = deferred();
			this.writer.free = this.desired > 0;
		}

		// advance does what comes next, if nothing is being done.
		advance() {
			if (!this.started || this.writing || this.state !== "writable") return;
			const next = this.queue[0];
			if (next) {
				this.writing = call(this.sink, "write", next.chunk, this.controller).then(() => {
					this.writing = null;
					next.done.resolve();
					if (this.state !== "writable") return;
					this.queue.shift();
					this.total -= next.size;
					this.pressure();
					this.advance();
				}, (e) => { this.writing = null; next.done.reject(e); this.fail(e); });
			} else if (this.closing) {
				this.writing = call(this.sink, "close").then(() => {
					this.writing = null;
					if (this.state !== "writable") return;
					this.state = "closed";
					this.closing.resolve();
					this.writer?.closed.resolve();
				}, (e) => { this.writing = null; this.fail(e); });
			}
		}

		fail(error) {
			if (this.state !== "writable") return;
			this.state = "errored";
			this.error = error;
			for (const { done } of this.queue.splice(this.writing ? 1 : 0)) done.reject(error); // that being written has an end of its own
			this.closing?.reject(error);
			if (this.writer) {
				if (this.writer.free) this.writer.ready = deferred();
				this.writer.ready.reject(error);
				this.writer.closed.reject(error);
			}
		}

		async abort(reason) {
			if (this.state !== "writable") return;
			this.fail(reason);
			await this.writing;
			await call(this.sink, "abort", reason);
		}

		lock() {
			if (this.writer) throw new TypeError("the stream is locked: it has a writer already");
			this.writer = { ready: deferred(), closed: deferred(), free: this.desired > 0 };
			if (this.writer.free || this.closing || this.state === "closed") this.writer.ready.resolve();
			if (this.state === "closed") this.writer.closed.resolve();
			if (this.state === "errored") {
				this.writer.ready.reject(this.error);
				this.writer.closed.reject(this.error);
			}
			return this.writer;
		}
	}

	class WritableStreamDefaultController {
		#state;

		constructor(state) {
			if (!(state instanceof State)) throw new TypeError("Illegal constructor");
			this.#state = state;
		}

		error(e) { this.#state.fail(e); }
	}

	class WritableStreamDefaultWriter {
		#state;
		#lock;

		constructor(stream) {
			this.#state = stateOf(stream, "WritableStreamDefaultWriter");
			this.#lock = this.#state.lock();
		}

		get ready() { return this.#lock.ready.promise; }
		get closed() { return this.#lock.closed.promise; }
		get desiredSize() { return this.#held("desiredSize").desired; }
		async write(chunk) { return this.#held("write").write(chunk); }
		async close() { return this.#held("close").close(); }
		async abort(reason) { return this.#held("abort").abort(reason); }

		releaseLock() {
			if (this.#state.writer !== this.#lock) return;
			const error = new TypeError("the writer has released its lock");
			for (const name of ["ready", "closed"]) {
				this.#lock[name] = deferred();
				this.#lock[name].reject(error);
			}
			this.#state.writer = null;
		}

		#held(method) {
			if (this.#state.writer !== this.#lock) throw new TypeError(`${method}: the writer has released its lock`);
			return this.#state;
		}
	}

	class WritableStream {
		#state;

		constructor(sink, strategy) {
			if (sink !== undefined && (sink === null || typeof sink !== "object")) {
				throw new TypeError("WritableStream: expected an object with start, write, close and abort");
			}
			for (const name of ["start", "write", "close", "abort"]) member(sink, name, "WritableStream");
			member(strategy, "size", "WritableStream");
			this.#state = new State(sink, strategy);
			this.#state.start();
		}

		static state(stream) { return typeof stream === "object" && stream !== null && #state in stream ? stream.#state : undefined; }

		get locked() { return this.#state.writer !== null; }
		getWriter() { return new WritableStreamDefaultWriter(this); }

		async abort(reason) {
			if (this.locked) throw new TypeError("abort: the stream is locked");
			return this.#state.abort(reason);
		}

		async close() {
			if (this.locked) throw new TypeError("close: the stream is locked");
			return this.#state.close();
		}

		get [Symbol.toStringTag]() { return "WritableStream"; }
	}
	const peek = WritableStream.state;
	delete WritableStream.state;

	const stateOf = (stream, what) => {
		const state = peek(stream);
		if (!state) throw new TypeError(`${what}: expected a WritableStream`);
		return state;
	};

	return { WritableStream, WritableStreamDefaultWriter, fail: (stream, error) => peek(stream).fail(error) };
})
