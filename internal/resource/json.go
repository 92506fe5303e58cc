package resource

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON that is read.
const maxDepth = 64

// Bounds of the numbers in schemas and documents. Beyond any that a script can hold, they keep
// exact arithmetic cheap.
const (
	maxNumber   = 1000 // characters
	maxExponent = 3    // digits
)

// wellFormed says what is wrong with the body of a request that is one JSON value.
func wellFormed(data []byte) error {
	bad := func(format string, args ...any) error {
		return Errorf(BadRequest, "error unmarshalling body: "+format, args...)
	}
	var value json.RawMessage
	switch {
	case !utf8.Valid(data):
		return bad("it is not valid UTF-8")
	case depthExceeds(data, maxDepth-1):
		return bad("it is nested deeper than %d", maxDepth-1)
	case len(bytes.TrimSpace(data)) == 0:
		return bad("it is empty; JSON is expected")
	}
	if err := json.Unmarshal(data, &value); err != nil {
		return bad("%s", err)
	}
	return nil
}

// checkJSON brings the JSON of a field into canonical form, which is compact.
func checkJSON(field string, data json.RawMessage, limit int) (json.RawMessage, error) {
	switch {
	case !utf8.Valid(data):
		return nil, Invalid(field, "", "must be valid UTF-8")
	case depthExceeds(data, maxDepth-1): // inside its object it is one deeper
		return nil, Invalid(field, "", "must not be nested deeper than %d", maxDepth-1)
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, data); err != nil {
		return nil, Invalid(field, "", "must be JSON: %s", err)
	}
	switch {
	case buf.Len() > limit:
		return nil, Invalid(field, "", "must not be larger than %d bytes", limit)
	case hasHugeNumber(buf.Bytes()):
		return nil, Invalid(field, "", "must not have numbers of more than %d characters or exponents of more than %d digits", maxNumber, maxExponent)
	}
	return buf.Bytes(), nil
}

// depthExceeds counts brackets outside strings, before any parser recurses into them.
func depthExceeds(data []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// hasHugeNumber looks for numbers, in valid JSON, that are beyond the bounds.
func hasHugeNumber(data []byte) bool {
	inString := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '-' || c >= '0' && c <= '9':
			number := data[i:]
			if end := bytes.IndexAny(number, ",]} \t\r\n"); end >= 0 {
				number = number[:end]
			}
			e := bytes.IndexAny(number, "eE")
			if len(number) > maxNumber || e >= 0 && len(bytes.TrimLeft(number[e+1:], "+-0")) > maxExponent {
				return true
			}
			i += len(number) - 1
		}
	}
	return false
}
