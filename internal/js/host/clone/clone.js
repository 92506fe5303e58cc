// structuredClone. It goes through the value with a list of what is left to do, not
// by recursion, so that neither depth nor size matter: a script that clones for too
// long is interrupted like any other.
(function (classify, share, detach, refuse) {
	const errors = ["EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];
	const unfinished = { Object: true, Array: true, Map: true, Set: true, Error: true };
	const { defineProperty, hasOwn, keys } = Object;

	function hide(target, key, value) {
		defineProperty(target, key, { value, configurable: true, writable: true });
	}

	return function structuredClone(value, options) {
		const copies = new Map(); // what has been begun
		const todo = []; // objects with their copies, which are empty yet, and kinds
		const moved = [];
		if (arguments.length === 0) {
			throw new TypeError("structuredClone: expected a value");
		}
		for (const buffer of options?.transfer ?? []) {
			if (classify(buffer) !== "ArrayBuffer" || moved.includes(buffer)) {
				refuse("what is transferred must be an ArrayBuffer, and only once");
			}
			moved.push(buffer);
		}

		// make is a copy of what kind of object source is, if it is finished with that,
		// and else an empty one.
		function make(source, kind) {
			switch (kind) {
			case "Object":
				return {};
			case "Array":
				return new Array(source.length);
			case "Map":
				return new Map();
			case "Set":
				return new Set();
			case "Error":
				return new globalThis[errors.includes(source.name) ? source.name : "Error"]();
			case "Date":
				return new Date(source.getTime());
			case "RegExp":
				return new RegExp(source.source, source.flags);
			case "Boolean":
			case "Number":
			case "String":
				return Object(source.valueOf());
			case "ArrayBuffer":
				return moved.includes(source) ? share(source) : source.slice(0);
			}
			// A view: a typed array or a DataView.
			return new globalThis[kind](visit(source.buffer), source.byteOffset, kind === "DataView" ? source.byteLength : source.length);
		}

		function visit(source) {
			if (source === null || (typeof source !== "object" && typeof source !== "function" && typeof source !== "symbol")) {
				return source;
			}
			let copy = copies.get(source);
			if (copy === undefined) {
				const kind = classify(source);
				copy = make(source, kind);
				copies.set(source, copy);
				if (unfinished[kind]) {
					todo.push(source, copy, kind);
				}
			}
			return copy;
		}

		function finish(source, copy, kind) {
			switch (kind) {
			case "Map":
				for (const [k, v] of [...source]) {
					copy.set(visit(k), visit(v));
				}
				return;
			case "Set":
				for (const v of [...source]) {
					copy.add(visit(v));
				}
				return;
			case "Error":
				for (const key of ["message", "stack"]) {
					if (source[key] !== undefined) {
						hide(copy, key, String(source[key]));
					}
				}
				if (hasOwn(source, "cause")) {
					hide(copy, "cause", visit(source.cause));
				}
				return;
			}
			const names = keys(source);
			for (let i = 0; i < names.length; i++) {
				const key = names[i];
				if (key === "__proto__") { // which is not assigned to, but defined
					defineProperty(copy, key, { value: visit(source[key]), configurable: true, enumerable: true, writable: true });
				} else {
					copy[key] = visit(source[key]);
				}
			}
		}

		const result = visit(value);
		while (todo.length > 0) {
			const kind = todo.pop(), copy = todo.pop();
			finish(todo.pop(), copy, kind);
		}
		moved.forEach(detach);
		return result;
	};
})
