package js

import (
	"strings"
	"unicode/utf8"
)

// token is what the scanner tells the checks about.
type token uint8

const (
	tokEOF      token = iota
	tokOperand        // identifier, number, string, template without substitutions, regular expression
	tokKeyword        // a word that begins or joins something: typeof, in, if, class, async, …
	tokOperator       // any punctuator that is not one of the following
	tokPostfix        // ++, --, and ! after an operand: leaves things as they are
	tokArrow
	tokOpen  // ( [ { and the ${ of a template
	tokClose // ) ] } and the } that ends a substitution
	tokComma
	tokSemicolon
	tokColon
	tokQuestion
)

// keywords are the words that do not end an expression. Some of them may also
// be names; a slash after those can be either thing.
var keywords = func() map[string]bool {
	m := map[string]bool{} // value: always a keyword
	for w := range strings.FieldsSeq("await case class delete do else extends for function if in instanceof new return throw typeof void while with const var import export default enum") {
		m[w] = true
	}
	for w := range strings.FieldsSeq("yield async of as satisfies keyof infer is asserts readonly unique let static get set abstract declare type interface namespace module") {
		m[w] = false
	}
	m["await"] = false
	return m
}()

// scanner splits a source into tokens well enough to count them. It never
// fails: what does not lex ends somewhere, and a parser will say so later.
//
// JavaScript cannot be split without being parsed, because a slash may divide
// or begin a regular expression. Where the previous token decides that, it
// decides here; where it does not and it matters, fork is set and the checks
// look at both.
type scanner struct {
	src string
	pos int

	tok     token
	start   int    // of the token
	text    string // of an operand or keyword
	newline bool   // a line ended before the token
	regex   bool   // the operand is a regular expression

	operand  bool // the previous token ended an operand
	unsure   bool // the previous token may or may not have ended one
	member   bool // the previous token is . or ?.
	last     byte // first byte of the previous token
	lastWord string
	control  []bool // for each open bracket: ( of if, while, for, with
	tmpl     []bool // for each open bracket: ${

	fork *scanner // where a slash may be either: the scanner that takes it the other way
}

// clone returns a copy that can go its own way.
func (s *scanner) clone() *scanner {
	c := *s
	c.control = append([]bool(nil), s.control...)
	c.tmpl = append([]bool(nil), s.tmpl...)
	c.fork = nil
	return &c
}

// next reads a token.
func (s *scanner) next() token {
	s.fork, s.regex, s.text = nil, false, ""
	s.space()
	s.start = s.pos
	if s.pos >= len(s.src) {
		s.tok = tokEOF
		return s.tok
	}
	c := s.src[s.pos]
	switch {
	case isWordByte(c):
		s.word()
	case '0' <= c && c <= '9' || c == '.' && s.pos+1 < len(s.src) && isDigit(s.src[s.pos+1]):
		s.number()
	case c == '"' || c == '\'':
		s.str(c)
	case c == '`':
		s.pos++
		s.template()
	case c == '/':
		s.slash()
	case strings.IndexByte("([{", c) >= 0:
		s.open(c, c == '(' && s.isControl())
	case strings.IndexByte(")]}", c) >= 0:
		s.close(c)
	default:
		s.punctuator(c)
	}
	return s.tok
}

// set records the token, and what it means for the next one.
func (s *scanner) set(tok token, operand, unsure bool) {
	s.tok, s.operand, s.unsure = tok, operand, unsure
	s.last, s.member = s.src[s.start], false
	s.lastWord = ""
}

// space skips white space and comments.
func (s *scanner) space() {
	s.newline = false
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '\n' || c == '\r':
			s.newline = true
			s.pos++
		case c <= ' ':
			s.pos++
		case c == '/' && strings.HasPrefix(s.src[s.pos:], "//"), s.pos == 0 && strings.HasPrefix(s.src, "#!"):
			s.pos += lineEnd(s.src[s.pos:])
		case c == '/' && strings.HasPrefix(s.src[s.pos:], "/*"):
			end := strings.Index(s.src[s.pos+2:], "*/")
			if end < 0 {
				s.pos = len(s.src)
				return
			}
			if strings.ContainsAny(s.src[s.pos:s.pos+2+end], "\n\r\u2028\u2029") {
				s.newline = true
			}
			s.pos += end + 4
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s.src[s.pos:])
			switch r {
			case '\u2028', '\u2029':
				s.newline = true
			case '\u00a0', '\ufeff', '\u1680', '\u2000', '\u2001', '\u2002', '\u2003', '\u2004', '\u2005',
				'\u2006', '\u2007', '\u2008', '\u2009', '\u200a', '\u202f', '\u205f', '\u3000':
			default:
				return
			}
			s.pos += size
		default:
			return
		}
	}
}

// lineEnd returns the length of s up to the end of its first line.
func lineEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n' || c == '\r':
			return i
		case c == 0xe2 && (strings.HasPrefix(s[i:], "\u2028") || strings.HasPrefix(s[i:], "\u2029")):
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isWordByte reports whether c begins or continues an identifier; a backslash
// there begins an escape, and bytes of other scripts are all taken for letters.
func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$' || c == '#' || c == '@' || c == '\\' || c >= utf8.RuneSelf
}

func (s *scanner) word() {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		if !isWordByte(c) && !isDigit(c) || c >= utf8.RuneSelf && s.otherSpace() {
			break
		}
		s.pos++
	}
	word, before := s.src[s.start:s.pos], s.lastWord
	if always, ok := keywords[word]; ok && !s.member {
		s.set(tokKeyword, false, !always)
	} else {
		s.set(tokOperand, true, false)
	}
	s.text, s.lastWord = word, word
	if word == "await" && before == "for" {
		s.lastWord = "for"
	}
}

// otherSpace reports whether a space or line end outside of ASCII is next.
func (s *scanner) otherSpace() bool {
	r, _ := utf8.DecodeRuneInString(s.src[s.pos:])
	switch r {
	case '\u2028', '\u2029', '\u00a0', '\ufeff', '\u1680', '\u202f', '\u205f', '\u3000':
		return true
	}
	return '\u2000' <= r && r <= '\u200a'
}

func (s *scanner) number() {
	s.alnum()
	if s.pos < len(s.src) && s.src[s.pos] == '.' && (s.src[s.start] != '0' || s.pos == s.start+1) {
		s.pos++
		if s.pos < len(s.src) && (isDigit(s.src[s.pos]) || s.src[s.pos]|0x20 == 'e') {
			s.alnum()
		}
	}
	s.set(tokOperand, true, false)
}

// alnum skips letters and digits, and the sign of an exponent.
func (s *scanner) alnum() {
	hex := s.src[s.start] == '0' && s.start+1 < len(s.src) && s.src[s.start+1]|0x20 == 'x'
	for ; s.pos < len(s.src); s.pos++ {
		c := s.src[s.pos]
		switch {
		case (c == '+' || c == '-') && !hex && s.pos > s.start && s.src[s.pos-1]|0x20 == 'e':
		case isDigit(c), c == '_', 'a' <= c|0x20 && c|0x20 <= 'z':
		default:
			return
		}
	}
}

// str skips a string, which ends with its line at the latest.
func (s *scanner) str(quote byte) {
	for s.pos++; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
			if strings.HasPrefix(s.src[min(s.pos, len(s.src)):], "\r\n") {
				s.pos++
			}
		case quote:
			s.pos++
			s.set(tokOperand, true, false)
			return
		case '\n', '\r':
			s.set(tokOperand, true, false)
			return
		}
	}
	s.pos = len(s.src)
	s.set(tokOperand, true, false)
}

// template skips the text of a template up to its end or to a substitution.
func (s *scanner) template() {
	for ; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
		case '`':
			s.pos++
			s.set(tokOperand, true, false)
			return
		case '$':
			if s.pos+1 < len(s.src) && s.src[s.pos+1] == '{' {
				s.pos++
				s.open('$', false)
				return
			}
		}
	}
	s.pos = len(s.src)
	s.set(tokOperand, true, false)
}

// isControl reports whether a ( now belongs to a statement: a slash after its
// ) begins a regular expression.
func (s *scanner) isControl() bool {
	switch s.lastWord {
	case "if", "while", "for", "with":
		return s.tok == tokKeyword
	}
	return false
}

func (s *scanner) open(c byte, control bool) {
	s.pos++
	s.control = append(s.control, control)
	s.tmpl = append(s.tmpl, c == '$')
	s.set(tokOpen, false, false)
}

func (s *scanner) close(c byte) {
	s.pos++
	control := false
	if n := len(s.control) - 1; n >= 0 {
		tmpl := s.tmpl[n]
		control = s.control[n]
		s.control, s.tmpl = s.control[:n], s.tmpl[:n]
		if tmpl && c == '}' {
			s.template()
			if s.tok == tokOperand {
				s.tok = tokClose
			}
			return
		}
	}
	s.set(tokClose, !(c == ')' && control), c == '}')
}
