package js

import (
	"strings"
	"unicode/utf8"
)

// slash reads a division or a regular expression.
func (s *scanner) slash() {
	end, risky := regexEnd(s.src[s.pos:])
	divide := s.operand
	if end > 0 && risky && (s.unsure || s.operand && s.newline || s.last == '>' || s.last == '+' || s.last == '-' || s.tok == tokPostfix) {
		other := s.clone()
		if divide {
			other.takeRegex(end)
		} else {
			other.takeDivision()
		}
		s.fork = other
	}
	if divide || end == 0 {
		s.takeDivision()
	} else {
		s.takeRegex(end)
	}
}

func (s *scanner) takeDivision() {
	s.pos++
	if s.pos < len(s.src) && s.src[s.pos] == '=' {
		s.pos++
	}
	s.set(tokOperator, false, false)
}

func (s *scanner) takeRegex(end int) {
	s.pos += end
	for s.pos < len(s.src) && isWordByte(s.src[s.pos]) && s.src[s.pos] < utf8.RuneSelf {
		s.pos++
	}
	s.set(tokOperand, true, false)
	s.regex = true
	s.text = s.src[s.start:s.pos]
}

// regexEnd returns the length of the regular expression that s begins with, 0
// if it can be none, and whether the rest of the source would be split in
// another way if it were none.
func regexEnd(s string) (end int, risky bool) {
	class := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '\n', '\r':
			return 0, false
		case '\\':
			i++
			risky = true
			if i < len(s) && (s[i] == '\n' || s[i] == '\r') {
				return 0, false
			}
		case '[':
			class, risky = true, true
		case ']':
			class, risky = false, true
		case '(', ')', '{', '}', '"', '\'', '`', ';', ',':
			risky = true
		case '*':
			risky = risky || s[i-1] == '/'
		case '/':
			if !class {
				return i + 1, risky || i+1 < len(s) && (s[i+1] == '/' || s[i+1] == '*')
			}
			risky = true
		}
	}
	return 0, false
}

// punctuator reads one of the others.
func (s *scanner) punctuator(c byte) {
	rest := s.src[s.pos:]
	switch {
	case c == ',':
		s.one(tokComma, 1)
	case c == ';':
		s.one(tokSemicolon, 1)
	case c == ':':
		s.one(tokColon, 1)
	case strings.HasPrefix(rest, "=>"):
		s.one(tokArrow, 2)
	case strings.HasPrefix(rest, "?."):
		s.one(tokOperator, 2)
		s.member = true
	case strings.HasPrefix(rest, "??="):
		s.one(tokOperator, 3)
	case strings.HasPrefix(rest, "??"):
		s.one(tokOperator, 2)
	case c == '?':
		s.one(tokQuestion, 1)
	case strings.HasPrefix(rest, "++"), strings.HasPrefix(rest, "--"):
		operand := s.operand
		s.one(tokPostfix, 2)
		s.operand, s.unsure = operand, true
	case c == '!' && s.operand && !strings.HasPrefix(rest, "!="):
		s.one(tokPostfix, 1) // TypeScript's x!
		s.operand, s.unsure = true, true
	case c == '.':
		n := 1
		if strings.HasPrefix(rest, "...") {
			n = 3
		}
		s.one(tokOperator, n)
		s.member = n == 1
	default:
		s.one(tokOperator, operatorLen(rest))
	}
}

// operators are those of more than one character, the longest first.
var operators = [...]string{
	">>>=", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "==", "!=", "<=", ">=", "&&", "||", "**", "<<", ">>",
	"+=", "-=", "*=", "%=", "&=", "|=", "^=",
}

func operatorLen(s string) int {
	if len(s) < 2 || strings.IndexByte("=&|*<>", s[1]) < 0 {
		return 1
	}
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return len(op)
		}
	}
	return 1
}

func (s *scanner) one(tok token, n int) {
	s.pos += n
	s.set(tok, false, false)
}
