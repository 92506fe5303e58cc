package js

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds of a source. Parsers are recursive, and a Go stack that is full
// ends the process: esbuild's is at 250,000 open brackets, goja's at 500,000.
// Long before, some constructs take time that grows with the square or the
// cube of their length.
const (
	maxNesting = 500       // brackets inside of each other
	maxChain   = 10000     // operators, calls, members or commas in one expression
	maxArrows  = 200       // a => b => c => …, or class extends class extends …
	maxDeep    = 20000     // of all of these together, around one place
	maxSquares = 100000000 // sum of the squares of the lengths of chains: about a second
	maxCubes   = 500000000 // sum of the cubes of the lengths of runs of arrows: about a second
	maxForks   = 16        // readings of a source in which slashes are ambiguous
	maxGroups  = 200       // groups inside of each other in a regular expression
)

// precheck bounds a source before any parser sees it. It takes about 10 ms
// per megabyte.
func precheck(src Source) error {
	c := checker{src: src}
	if len(src.Code) > MaxSource {
		return c.error(TooLarge, 0, fmt.Sprintf("source is %d bytes, at most %d are allowed", len(src.Code), MaxSource))
	}
	text := string(src.Code)
	todo := []*reading{{scanner: &scanner{src: text}, frames: []frame{{sequence: true}}}}
	for n := 1; len(todo) > 0; {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := r.scan(&c, func(other *reading) bool {
			todo = append(todo, other)
			n++
			return n <= maxForks
		}); err != nil {
			return err
		}
	}
	return nil
}

// checker makes errors with positions.
type checker struct{ src Source }

func (c *checker) error(kind Kind, offset int, msg string) *Error {
	e := &Error{Module: c.src.Name, Kind: kind, File: c.src.file(), Line: 1, Column: 1, Message: msg}
	before := c.src.Code[:min(offset, len(c.src.Code))]
	for i, b := range before {
		if b == '\n' {
			e.Line++
			before = c.src.Code[i+1 : min(offset, len(c.src.Code))]
		}
	}
	e.Column = utf8.RuneCount(before) + 1
	return e
}

// frame is what is known of one open bracket, or of the whole source.
type frame struct {
	sequence bool // commas here join expressions, they do not separate elements
	labelled bool // the present element has a colon of its own, as in an object
	ternary  int  // question marks that still wait for their colon
	ops      int  // in the present expression
	arrows   int
	elses    int // in the present statement
	commas   int
	cases    int // in a switch
}

// reading is one way of splitting a source, and what has been counted in it.
type reading struct {
	*scanner
	frames  []frame
	deep    int
	squares int
	cubes   int
}

func (r *reading) top() *frame { return &r.frames[len(r.frames)-1] }

// scan reads to the end. fork is called where there is another way to go on.
func (r *reading) scan(c *checker, fork func(*reading) bool) error {
	for {
		p := previous{operand: r.operand, ended: r.tok == tokSemicolon || r.tok == tokClose, control: r.tok == tokClose && !r.operand}
		r.next()
		if r.fork != nil {
			other := *r
			other.scanner, other.frames = r.fork, append([]frame(nil), r.frames...)
			r.fork = nil
			if !fork(&other) {
				return c.error(TooLarge, r.start, "cannot tell division from regular expression too often; put regular expressions that begin a statement into parentheses")
			}
			if err := other.step(c, p); err != nil {
				return err
			}
		}
		if r.tok == tokEOF {
			return nil
		}
		if err := r.step(c, p); err != nil {
			return err
		}
	}
}

// previous is what was known of the token before.
type previous struct {
	operand bool // it ended an operand
	ended   bool // it may have ended a statement
	control bool // it was the ) of if, while, for or with
}

// step takes in one token.
func (r *reading) step(c *checker, p previous) error {
	f := r.top()
	if p.ended && r.text != "else" && !p.control {
		r.deep -= f.elses
		f.elses = 0
	}
	// Two operands in a row are two statements.
	if p.operand && (r.tok == tokOperand && !r.isTemplate() || r.tok == tokKeyword && r.startsStatement()) {
		r.endStatement(f)
	}
	if r.regex {
		if err := c.regex(r.start, r.text); err != nil {
			return err
		}
	}
	r.count(p)
	if msg := r.exceeded(); msg != "" {
		return c.error(TooLarge, r.start, msg)
	}
	rest := r.src[r.start:]
	if r.tok == tokOperator && strings.HasPrefix(rest, "<!--") || r.tok == tokPostfix && r.newline && strings.HasPrefix(rest, "-->") {
		return c.error(Syntax, r.start, "HTML-like comments are not supported")
	}
	return nil
}

// count counts one token.
func (r *reading) count(p previous) {
	f := r.top()
	switch r.tok {
	case tokOperand:
		if p.operand && r.isTemplate() {
			r.op(f) // tagged
		}
	case tokKeyword:
		switch r.text {
		case "else":
			f.elses++
			r.deep++
		case "case":
			f.cases++
		case "extends":
			f.arrows++
			r.deep++
		default:
			r.op(f)
		}
	case tokOperator, tokPostfix:
		r.op(f)
	case tokQuestion:
		f.ternary++
		r.op(f)
	case tokColon:
		if f.ternary > 0 {
			f.ternary--
		} else {
			f.labelled = true
		}
		r.op(f)
	case tokArrow:
		f.arrows++
		r.deep++
	case tokComma:
		if f.sequence && !f.labelled {
			f.commas++
		}
		r.endExpression(f)
	case tokSemicolon:
		r.endStatement(f)
	case tokOpen:
		r.open(p)
	case tokClose:
		r.shut()
	}
}

// open takes in an opening bracket, or the ${ of a template, which may also end
// the substitution before it.
func (r *reading) open(p previous) {
	c := r.src[r.pos-1]
	if r.last == '}' {
		r.shut()
	} else if p.operand && c != '{' || p.operand && r.last == '`' {
		r.op(r.top()) // call, index, tagged template
	}
	sequence := c == '{' || c == '(' && !p.operand || c == '[' && p.operand
	r.frames = append(r.frames, frame{sequence: sequence})
}

// shut takes in a closing bracket.
func (r *reading) shut() {
	if len(r.frames) == 1 {
		return
	}
	f := r.top()
	r.endStatement(f)
	r.deep -= f.elses
	r.squares += f.cases * f.cases
	r.frames = r.frames[:len(r.frames)-1]
}

// isTemplate reports whether the token is a template, which after an operand is an argument.
func (r *reading) isTemplate() bool { return r.src[r.start] == '`' }

// startsStatement reports whether a keyword after an operand begins something new.
func (r *reading) startsStatement() bool {
	switch r.text {
	case "in", "instanceof", "of", "as", "satisfies", "is", "extends", "else", "infer", "keyof", "asserts", "readonly", "unique":
		return false
	case "async", "await", "yield":
		return r.newline
	}
	return true
}

func (r *reading) op(f *frame) {
	f.ops++
	r.deep++
}

// endExpression forgets the present expression.
func (r *reading) endExpression(f *frame) {
	r.deep -= f.ops + f.arrows
	r.squares += f.ops * f.ops
	r.cubes += f.arrows * f.arrows * f.arrows
	f.ops, f.arrows, f.ternary, f.labelled = 0, 0, 0, false
}

// endStatement forgets the present statement.
func (r *reading) endStatement(f *frame) {
	r.endExpression(f)
	r.squares += f.commas * f.commas
	f.commas = 0
}

// exceeded returns what is too much, "" if nothing is.
func (r *reading) exceeded() string {
	f := r.top()
	switch {
	case len(r.frames) > maxNesting:
		return fmt.Sprintf("brackets nest deeper than %d", maxNesting)
	case f.ops > maxChain, f.commas > maxChain, f.elses > maxChain:
		return fmt.Sprintf("more than %d operators in one expression; join long texts with a template or an array", maxChain)
	case f.arrows > maxArrows:
		return fmt.Sprintf("more than %d arrows in a row", maxArrows)
	case r.deep > maxDeep:
		return "expressions nest too deep"
	case r.squares > maxSquares, r.cubes > maxCubes:
		return "too many long expressions"
	}
	return ""
}

// regex checks a regular expression.
func (c *checker) regex(offset int, text string) error {
	if at := deepGroup(text); at >= 0 {
		return c.error(TooLarge, offset+at, fmt.Sprintf("groups of a regular expression nest deeper than %d", maxGroups))
	}
	if at := propertyEscape(text); at >= 0 {
		return c.error(Syntax, offset+at, noProperties)
	}
	return nil
}

const noProperties = `\p{…} is not supported in regular expressions: it would silently match the letters themselves`

// propertyEscape returns where in a regular expression a \p{ or \P{ is, or -1.
func propertyEscape(text string) int {
	for i := 0; i+2 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if next := text[i+1 : i+3]; next == "p{" || next == "P{" {
			return i
		}
		i++
	}
	return -1
}

// deepGroup returns where in a regular expression a group begins that is deeper
// than maxGroups inside of others, or -1.
func deepGroup(text string) int {
	depth, class := 0, false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '(':
			if class {
				break
			}
			if depth++; depth > maxGroups {
				return i
			}
		case ')':
			if !class {
				depth--
			}
		}
	}
	return -1
}
