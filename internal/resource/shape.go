package resource

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shape says what some JSON must look like. It is given the path of the value and the value as
// encoding/json decodes it, with numbers as [json.Number], and reports every mistake.
type shape func(at string, v any) []error

// one makes a list of one mistake.
func one(at, format string, args ...any) []error { return []error{Invalid(at, "", format, args...)} }

// object has members that are known, of which none is required.
func object(members map[string]shape) shape {
	return func(at string, v any) []error {
		m, ok := v.(map[string]any)
		if !ok {
			return one(at, "must be an object")
		}
		var errs []error
		for _, name := range sorted(m) {
			if member := members[name]; member != nil {
				errs = append(errs, member(at+selector(name), m[name])...)
			} else {
				errs = append(errs, Invalid(at+selector(name), "", "is not one of the members of %s%s", at, Hint(name, "there are", sorted(members))))
			}
		}
		return errs
	}
}

// kindOf is an object whose member by the name tag says which other members it has.
func kindOf(tag string, kinds map[string]shape) shape {
	return func(at string, v any) []error {
		m, ok := v.(map[string]any)
		if !ok {
			return one(at, "must be an object")
		}
		name, ok := m[tag].(string)
		if kinds[name] == nil {
			if !ok {
				return one(at+"."+tag, "is required; there are %s", strings.Join(sorted(kinds), ", "))
			}
			return []error{Invalid(at+"."+tag, name, "is not one that can be used here%s", Hint(name, "there are", sorted(kinds)))}
		}
		rest := make(map[string]any, len(m))
		for key, value := range m {
			if key != tag {
				rest[key] = value
			}
		}
		return kinds[name](at, rest)
	}
}

// sorted lists the keys of a map.
func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// list has elements of one shape.
func list(each shape) shape {
	return func(at string, v any) []error {
		values, ok := v.([]any)
		if !ok {
			return one(at, "must be a list")
		}
		var errs []error
		for i, value := range values {
			errs = append(errs, each(index(at, i), value)...)
		}
		return errs
	}
}

// byName is an object whose members are named freely, within what name allows.
func byName(name func(string) string, each shape) shape {
	return func(at string, v any) []error {
		m, ok := v.(map[string]any)
		if !ok {
			return one(at, "must be an object")
		}
		var errs []error
		for _, key := range sorted(m) {
			if problem := name(key); problem != "" {
				errs = append(errs, one(at+selector(key), "%s", problem)...)
				continue
			}
			errs = append(errs, each(at+selector(key), m[key])...)
		}
		return errs
	}
}

// text is a string that fits, which is to say what is wrong with it.
func text(fits func(string) string) shape {
	return func(at string, v any) []error {
		s, ok := v.(string)
		if !ok {
			return one(at, "must be a string")
		}
		if problem := fits(s); problem != "" {
			return []error{Invalid(at, s, "%s", problem)}
		}
		return nil
	}
}

// word is one of some strings.
func word(words ...string) shape {
	return text(func(s string) string {
		if !slices.Contains(words, s) {
			return "must be " + strings.Join(words, " or ")
		}
		return ""
	})
}

// truth is a boolean.
func truth(at string, v any) []error {
	if _, ok := v.(bool); !ok {
		return one(at, "must be true or false")
	}
	return nil
}

// whole is an integer.
func whole(low, high int64) shape {
	return func(at string, v any) []error {
		number, ok := v.(json.Number)
		n, err := strconv.ParseInt(number.String(), 10, 64)
		if !ok || err != nil {
			return one(at, "must be a whole number")
		}
		if n < low || n > high {
			return []error{Invalid(at, number.String(), "must be from %d to %d", low, high)}
		}
		return nil
	}
}

// span is a duration of at least low; 0 always means the default.
func span(low time.Duration) shape {
	return func(at string, v any) []error {
		var d time.Duration
		var err error
		shown := fmt.Sprint(v)
		switch v := v.(type) {
		case json.Number:
			var n int64
			n, err = strconv.ParseInt(v.String(), 10, 64)
			d = time.Duration(n)
		case string:
			d, err = time.ParseDuration(v)
		default:
			return one(at, "must be %s", expected["duration"])
		}
		if err != nil {
			return []error{Invalid(at, shown, "must be %s", expected["duration"])}
		}
		if d != 0 && d < low {
			return []error{Invalid(at, shown, "must be at least %s", low)}
		}
		return nil
	}
}
