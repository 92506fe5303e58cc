// What of the module "util" is about functions and classes.
(function () {
	const custom = Symbol.for("nodejs.util.promisify.custom");

	function promisify(original) {
		if (typeof original !== "function") {
			throw new TypeError("promisify: expected a function, got " + typeof original);
		}
		if (original[custom]) {
			return original[custom];
		}
		return function (...args) {
			return new Promise((resolve, reject) => {
				original.call(this, ...args, (error, value) => {
					if (error) {
						reject(error);
					} else {
						resolve(value);
					}
				});
			});
		};
	}
	promisify.custom = custom;

	function inherits(constructor, parent) {
		if (typeof constructor !== "function" || typeof parent?.prototype !== "object") {
			throw new TypeError("inherits: expected two constructors");
		}
		Object.defineProperty(constructor, "super_", { value: parent, configurable: true, writable: true });
		Object.setPrototypeOf(constructor.prototype, parent.prototype);
	}

	return { promisify, inherits, custom: Symbol.for("nodejs.util.inspect.custom") };
})()
