package js

import (
	"bytes"
	"regexp"
	"strconv"
	"unicode/utf16"
)

// findName finds where a module exports a name or, if it does not say so, where it
// declares or first mentions it; -1 if it does not.
func findName(src Source, name string) int {
	const (
		mentioned = iota
		declared
		exported
	)
	pos, best := -1, -1
	how, braces := mentioned, 0
	s := scanner{src: string(src.Code)}
	for s.next() != tokEOF {
		switch {
		case s.text == "export", s.text == "exports":
			how, braces = exported, 0
		case s.text == "const", s.text == "let", s.text == "var", s.text == "function", s.text == "class":
			how = max(how, declared)
		case s.tok == tokOperand && s.text == name:
			if how > best {
				pos, best = s.start, how
			}
			how = mentioned
		case s.tok == tokKeyword: // default, async, as
		case s.tok == tokOperator && (s.last == '.' || s.last == '*'): // exports.name, function*
		case s.tok == tokOpen && s.last == '{':
			braces++
		case how == exported && braces == 1 && (s.tok == tokOperand || s.tok == tokComma): // export { other, name }
		default:
			how, braces = mentioned, 0
		}
	}
	return pos
}

// callOfSuper finds calls of super, and in comments what is none.
var callOfSuper = regexp.MustCompile(`\bsuper\s*\(`)

// supers returns where a module calls super, as goja writes positions: columns
// count UTF-16 units.
func supers(src Source) []string {
	var list []string
	rest, line, column := src.Code, 1, 1
	for bytes.Contains(rest, []byte("super")) {
		at := callOfSuper.FindIndex(rest)
		if at == nil {
			break
		}
		line, column = advance(line, column, rest[:at[0]])
		list = append(list, src.file()+":"+strconv.Itoa(line)+":"+strconv.Itoa(column))
		line, column = advance(line, column, rest[at[0]:at[1]])
		rest = rest[at[1]:]
	}
	return list
}

// advance returns the position after some text.
func advance(line, column int, text []byte) (int, int) {
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		line, column = line+bytes.Count(text, []byte("\n")), 1
		text = text[i+1:]
	}
	for _, r := range string(text) {
		column += utf16.RuneLen(r)
	}
	return line, column
}
