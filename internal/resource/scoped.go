package resource

import (
	"slices"
	"strconv"
)

// smallBody bounds what is not a module, in bytes.
const smallBody = 3 << 19

// namespaceRef is the reference that everything in a namespace has.
func namespaceRef(namespace string) Reference {
	return Reference{Field: "namespace", Target: Key{Kind: "namespace", Name: namespace}}
}

// checkScoped says what is wrong with the name, namespace and tags of a resource in a namespace.
func checkScoped(name, namespace string, tags []string) []error {
	return append(checkTags(tags), checkName("name", name), checkName("namespace", namespace))
}

// unique removes repeated values and keeps the order.
func unique(values []string) []string {
	seen := make(map[string]bool, len(values))
	return slices.DeleteFunc(values, func(v string) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}

// index is the path of one element of a list field.
func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
