const define = (name, value) =>
	String.prototype[name] ||
	Object.defineProperty(String.prototype, name, { value, writable: true, configurable: true });
const isHigh = (c) => c >= 0xd800 && c < 0xdc00;
const isLow = (c) => c >= 0xdc00 && c < 0xe000;

// loneAt returns the index of the first surrogate without its other half, at or after i; -1 if there is none.
const loneAt = (s, i) => {
	for (; i < s.length; i++) {
		const c = s.charCodeAt(i);
		if (isHigh(c) && isLow(s.charCodeAt(i + 1))) i++;
		else if (isHigh(c) || isLow(c)) return i;
	}
	return -1;
};

define("isWellFormed", function isWellFormed() {
	return loneAt(String(this), 0) < 0;
});

define("toWellFormed", function toWellFormed() {
	const s = String(this);
	let out = "";
	let from = 0;
	for (let i = loneAt(s, 0); i >= 0; i = loneAt(s, from)) {
		out += s.slice(from, i) + "\ufffd";
		from = i + 1;
	}
	return out + s.slice(from);
});
