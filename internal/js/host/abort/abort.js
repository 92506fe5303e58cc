// Event, EventTarget, AbortSignal and AbortController.
(function (host) {
	class Event {
		#type;
		#init;
		#target = null;
		#prevented = false;
		#stopped = false;

		constructor(type, init) {
			if (arguments.length === 0) throw new TypeError("Event: expected a type");
			this.#type = String(type);
			this.#init = init ?? {};
		}

		get type() { return this.#type; }
		get target() { return this.#target; }
		get currentTarget() { return this.#target; }
		get bubbles() { return !!this.#init.bubbles; }
		get cancelable() { return !!this.#init.cancelable; }
		get defaultPrevented() { return this.#prevented; }
		preventDefault() { if (this.cancelable) this.#prevented = true; }
		stopPropagation() {}
		stopImmediatePropagation() { this.#stopped = true; }
		get [Symbol.toStringTag]() { return "Event"; }

		// deliver gives an event to listeners, one after the other.
		static deliver(event, target, listeners) {
			event.#target = target;
			for (const listener of listeners) {
				if (event.#stopped) break;
				try {
					if (typeof listener === "function") listener.call(target, event);
					else listener.handleEvent(event);
				} catch (e) {
					Promise.reject(e); // nobody is there to catch it: it is logged
				}
			}
			return !event.#prevented;
		}
	}
	const deliver = Event.deliver;
	delete Event.deliver;

	class EventTarget {
		#listeners = [];

		addEventListener(type, listener, options) {
			if (listener == null) return;
			if (typeof listener !== "function" && typeof listener !== "object") throw new TypeError("addEventListener: expected a function");
			const { once = false, signal } = options === null || typeof options !== "object" ? {} : options;
			if (signal?.aborted || this.#listeners.some((l) => l.type === String(type) && l.listener === listener)) return;
			this.#listeners.push({ type: String(type), listener, once });
			signal?.addEventListener("abort", () => this.removeEventListener(type, listener));
		}

		removeEventListener(type, listener) {
			this.#listeners = this.#listeners.filter((l) => l.type !== String(type) || l.listener !== listener);
		}

		dispatchEvent(event) {
			if (!(event instanceof Event)) throw new TypeError("dispatchEvent: expected an Event");
			const due = this.#listeners.filter((l) => l.type === event.type);
			this.#listeners = this.#listeners.filter((l) => !l.once || !due.includes(l));
			const handler = this[`on${event.type}`];
			return deliver(event, this, [...(typeof handler === "function" ? [handler] : []), ...due.map((l) => l.listener)]);
		}

		get [Symbol.toStringTag]() { return "EventTarget"; }
	}

	const secret = {};

	class AbortSignal extends EventTarget {
		#aborted = false;
		#reason = undefined;
		#steps = []; // { call, run, over }: what else is to be done, by the call that wants it
		#room = 16; // how many steps there may be before those that are over are dropped
		onabort = null;

		constructor(key) {
			if (key !== secret) throw new TypeError("Illegal constructor");
			super();
		}

		static abort(reason) {
			const signal = new AbortSignal(secret);
			abort(signal, reason);
			return signal;
		}

		static timeout(milliseconds) {
			if (!(Number(milliseconds) >= 0)) throw new TypeError(`AbortSignal.timeout: ${milliseconds} is no time in milliseconds`);
			const signal = new AbortSignal(secret);
			host.setTimeout(() => abort(signal, host.exception("TimeoutError", "The operation timed out.")), milliseconds);
			return signal;
		}

		static any(signals) {
			const all = [...signals];
			for (const s of all) check(s, "AbortSignal.any");
			const signal = new AbortSignal(secret);
			const aborted = all.find((s) => s.aborted);
			if (aborted) abort(signal, aborted.reason);
			else for (const s of all) listen(s, (reason) => abort(signal, reason));
			return signal;
		}

		static internals() {
			return {
				is: (v) => typeof v === "object" && v !== null && #aborted in v,
				abort(signal, reason = host.exception("AbortError", "The operation was aborted.")) {
					if (signal.#aborted) return;
					signal.#aborted = true;
					signal.#reason = reason;
					for (const { call, run, over } of signal.#steps.splice(0)) if (call === host.call() && !over()) run(reason);
					signal.dispatchEvent(new Event("abort"));
				},
				// listen has run called when the signal is aborted, unless it is over. A signal
				// may outlive the call, so what earlier calls have left is dropped.
				listen(signal, run, over = () => false) {
					const call = host.call();
					if (signal.#steps[0]?.call !== call) signal.#steps = [];
					if (signal.#steps.length >= signal.#room) {
						signal.#steps = signal.#steps.filter((step) => !step.over());
						signal.#room = 16 + 2 * signal.#steps.length;
					}
					signal.#steps.push({ call, run, over });
				},
			};
		}

		get aborted() { return this.#aborted; }
		get reason() { return this.#reason; }
		throwIfAborted() { if (this.#aborted) throw this.#reason; }
		get [Symbol.toStringTag]() { return "AbortSignal"; }
	}
	const { is, abort, listen } = AbortSignal.internals();
	delete AbortSignal.internals;

	const check = (signal, what) => {
		if (!is(signal)) throw new TypeError(`${what}: expected an AbortSignal`);
	};

	class AbortController {
		#signal = new AbortSignal(secret);

		get signal() { return this.#signal; }
		abort(reason) { abort(this.#signal, reason); }
		get [Symbol.toStringTag]() { return "AbortController"; }
	}

	return { Event, EventTarget, AbortSignal, AbortController, is, abort, listen, create: () => new AbortSignal(secret) };
})
