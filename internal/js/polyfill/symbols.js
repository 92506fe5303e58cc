// Well-known symbols that goja lacks. esbuild's helpers for async iteration and
// "using" look them up by these names.
for (const name of ["asyncIterator", "dispose", "asyncDispose"]) {
	if (!Symbol[name]) {
		Object.defineProperty(Symbol, name, { value: Symbol.for("Symbol." + name) });
	}
}
