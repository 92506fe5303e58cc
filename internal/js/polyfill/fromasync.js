if (!Array.fromAsync) {
	const asyncIterator = Symbol.asyncIterator || Symbol.for("Symbol.asyncIterator");
	Object.defineProperty(Array, "fromAsync", {
		value: async function fromAsync(items, map) {
			const out = [];
			const add = async (v) => {
				v = await v;
				out.push(map ? await map(v, out.length) : v);
			};
			if (items[asyncIterator]) {
				const it = items[asyncIterator]();
				for (let r = await it.next(); !r.done; r = await it.next()) await add(r.value);
			} else if (items[Symbol.iterator]) {
				for (const v of items) await add(v);
			} else {
				for (let i = 0; i < items.length; i++) await add(items[i]);
			}
			return out;
		},
		writable: true,
		configurable: true,
	});
}
