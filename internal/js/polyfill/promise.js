const define = (name, value) =>
	Promise[name] || Object.defineProperty(Promise, name, { value, writable: true, configurable: true });

define("withResolvers", function withResolvers() {
	let resolve, reject;
	const promise = new this((res, rej) => {
		resolve = res;
		reject = rej;
	});
	return { promise, resolve, reject };
});

define("try", function (fn, ...args) {
	return new this((resolve) => resolve(fn(...args)));
});
