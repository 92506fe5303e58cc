package native

import (
	"unicode/utf8"

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
