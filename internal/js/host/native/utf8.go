package native

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"
	"golang.org/x/text/encoding/unicode"
)

// UTF8 is the text in b. Where b is not UTF-8, it has U+FFFD as browsers put it:
// one for as many bytes as may begin a character.
func UTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	text, _ := unicode.UTF8.NewDecoder().Bytes(b) // it replaces what it cannot decode
	return string(text)
}

// WellFormed tells whether a string has no half of a surrogate pair in it.
func WellFormed(v goja.Value) bool {
	s, ok := v.ToString().(goja.String)
	if !ok {
		return true
	}
	for i := 0; i < s.Length(); i++ {
		unit := rune(s.CharAt(i))
		if !utf16.IsSurrogate(unit) {
			continue
		}
		if i++; i == s.Length() || utf16.DecodeRune(unit, rune(s.CharAt(i))) == utf8.RuneError {
			return false
		}
	}
	return true
}
