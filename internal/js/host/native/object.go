package native

// IsObjectMember tells whether every object has a member of that name, from
// Object.prototype. Views over what clients send, who can choose any name, must not
// look for these among it: query.hasOwnProperty("a") would call a text.
func IsObjectMember(name string) bool {
	switch name {
	case "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
		"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__":
		return true
	}
	return false
}
