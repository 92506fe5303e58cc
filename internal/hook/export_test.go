package hook

import (
	"maps"
	"slices"
)

// Methods are the methods of each object that scripts see.
func Methods() map[string][]string {
	methods := map[string][]string{}
	for object, table := range map[string]map[string]method{
		"ctx": ctxMethods, "request": requestMethods, "response": responseMethods,
		"upstream": upstreamMethods, "query": queryMethods, "record": recordMethods,
	} {
		methods[object] = slices.Sorted(maps.Keys(table))
	}
	return methods
}

// SetQuery sets a parameter of a query, as query.set does.
func SetQuery(raw, name, value string) string {
	p := &pairs{list: parsePairs(raw)}
	p.set(name, value)
	return p.raw()
}
