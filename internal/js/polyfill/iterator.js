if (typeof Iterator === "undefined") {
	const proto = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
	const callable = (fn) => {
		if (typeof fn !== "function") throw new TypeError(String(fn) + " is not a function");
	};
	const count = (n) => {
		n = Math.trunc(Number(n));
		if (!(n >= 0)) throw new RangeError("must be a number that is not negative");
		return n;
	};
	// each reads an iterator by its next method alone, as these functions do, and closes it if left early.
	const each = function* (it) {
		const next = it.next;
		let done = false;
		try {
			for (;;) {
				const r = next.call(it);
				if (r.done) {
					done = true;
					return;
				}
				yield r.value;
			}
		} finally {
			if (!done && it.return) it.return();
		}
	};
	const methods = {
		map(fn) {
			callable(fn);
			return (function* (it) {
				let i = 0;
				for (const v of each(it)) yield fn(v, i++);
			})(this);
		},
		filter(fn) {
			callable(fn);
			return (function* (it) {
				let i = 0;
				for (const v of each(it)) if (fn(v, i++)) yield v;
			})(this);
		},
		take(n) {
			n = count(n);
			return (function* (it) {
				let left = n;
				if (left === 0) {
					if (it.return) it.return();
					return;
				}
				for (const v of each(it)) {
					yield v;
					if (--left <= 0) return;
				}
			})(this);
		},
		drop(n) {
			n = count(n);
			return (function* (it) {
				let left = n;
				for (const v of each(it)) if (left-- <= 0) yield v;
			})(this);
		},
		flatMap(fn) {
			callable(fn);
			return (function* (it) {
				let i = 0;
				for (const v of each(it)) yield* fn(v, i++);
			})(this);
		},
		reduce(fn, ...init) {
			callable(fn);
			let i = 0;
			let [acc] = init;
			for (const v of each(this)) {
				if (i++ === 0 && init.length === 0) acc = v;
				else acc = fn(acc, v, i - 1);
			}
			if (i === 0 && init.length === 0) throw new TypeError("Reduce of a done iterator with no initial value");
			return acc;
		},
		toArray() {
			return [...each(this)];
		},
		forEach(fn) {
			callable(fn);
			let i = 0;
			for (const v of each(this)) fn(v, i++);
		},
		some(fn) {
			callable(fn);
			let i = 0;
			for (const v of each(this)) if (fn(v, i++)) return true;
			return false;
		},
		every(fn) {
			callable(fn);
			let i = 0;
			for (const v of each(this)) if (!fn(v, i++)) return false;
			return true;
		},
		find(fn) {
			callable(fn);
			let i = 0;
			for (const v of each(this)) if (fn(v, i++)) return v;
		},
	};
	for (const name of Object.keys(methods)) {
		if (!proto[name]) Object.defineProperty(proto, name, { value: methods[name], writable: true, configurable: true });
	}
	const Iterator = function Iterator() {
		if (!new.target || new.target === Iterator) throw new TypeError("Iterator is abstract");
	};
	Object.defineProperty(Iterator, "prototype", { value: proto });
	Object.defineProperty(Iterator, "from", {
		value: function from(v) {
			const it = v[Symbol.iterator] ? v[Symbol.iterator]() : v;
			return it instanceof Iterator ? it : each(it);
		},
		writable: true,
		configurable: true,
	});
	Object.defineProperty(globalThis, "Iterator", { value: Iterator, writable: true, configurable: true });
}
