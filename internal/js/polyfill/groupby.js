const define = (on, name, value) =>
	on[name] || Object.defineProperty(on, name, { value, writable: true, configurable: true });

define(Object, "groupBy", function groupBy(items, key) {
	const groups = Object.create(null);
	let i = 0;
	for (const item of items) {
		const k = key(item, i++);
		if (k in groups) groups[k].push(item);
		else groups[k] = [item];
	}
	return groups;
});

define(Map, "groupBy", function groupBy(items, key) {
	const groups = new Map();
	let i = 0;
	for (const item of items) {
		const k = key(item, i++);
		const group = groups.get(k);
		if (group) group.push(item);
		else groups.set(k, [item]);
	}
	return groups;
});
