if (!RegExp.escape) {
	const hex = (c) => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0");
	const control = { "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r" };
	Object.defineProperty(RegExp, "escape", {
		value: function escape(s) {
			if (typeof s !== "string") throw new TypeError("RegExp.escape: not a string");
			return s
				.replace(/[\^$\\.*+?()[\]{}|\/]/g, "\\$&")
				.replace(/[\t\n\v\f\r]/g, (c) => control[c])
				.replace(/[,\-=<>#&!%:;@~'`" ]/g, hex)
				.replace(/^[0-9A-Za-z]/, hex);
		},
		writable: true,
		configurable: true,
	});
}
