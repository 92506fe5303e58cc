package js

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str parses a string. Keys are interned, because the same ones come again and again.
func (p *jsonParser) str(key bool) string {
	p.pos++
	start := p.pos
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			s := p.text[start:p.pos]
			p.pos++
			if key {
				return p.vm.intern(s)
			}
			return strings.Clone(s)
		case c == '\\' || c >= utf8.RuneSelf:
			return p.escaped(start)
		case c < ' ':
			p.fail("in string literal")
		}
		p.pos++
	}
	p.fail("")
	return ""
}

// escaped parses the rest of a string that is not plain ASCII.
func (p *jsonParser) escaped(start int) string {
	var b strings.Builder
	b.WriteString(p.text[start:p.pos])
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return b.String()
		case c == '\\':
			p.pos++
			p.escape(&b)
		case c < ' ':
			p.fail("in string literal")
		case c < utf8.RuneSelf:
			b.WriteByte(c)
			p.pos++
		default:
			r, size := utf8.DecodeRuneInString(p.text[p.pos:])
			b.WriteRune(r) // U+FFFD for what is not UTF-8
			p.pos += size
		}
	}
	p.fail("")
	return ""
}

// escape parses what follows a backslash.
func (p *jsonParser) escape(b *strings.Builder) {
	c := p.peek()
	switch c {
	case '"', '\\', '/':
		b.WriteByte(c)
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		p.pos++
		p.unicode(b)
		return
	default:
		p.fail("in string escape code")
	}
	p.pos++
}

// unicode parses what follows \u. A surrogate without its other half becomes
// U+FFFD, as it does in goja's parser.
func (p *jsonParser) unicode(b *strings.Builder) {
	r := p.hex4()
	if utf16.IsSurrogate(r) {
		if strings.HasPrefix(p.text[p.pos:], `\u`) {
			back := p.pos
			p.pos += 2
			if both := utf16.DecodeRune(r, p.hex4()); both != utf8.RuneError {
				b.WriteRune(both)
				return
			}
			p.pos = back
		}
		r = utf8.RuneError
	}
	b.WriteRune(r)
}

func (p *jsonParser) hex4() rune {
	var r rune
	for range 4 {
		c := p.peek()
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			p.fail("in \\u hexadecimal character escape")
		}
		r = r<<4 | rune(c)
		p.pos++
	}
	return r
}

const (
	maxInterned    = 512
	maxInternedLen = 32
)
