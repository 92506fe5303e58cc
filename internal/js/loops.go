package js

import (
	"reflect"
	"regexp"

	"github.com/dop251/goja/ast"
)

// emptyLoop finds what may be a loop with nothing in it, as esbuild writes it.
var emptyLoop = regexp.MustCompile(`\b(?:while|for) \([^()]*\) ?(?:;|\{\s*\})`)

// placeLoops gives the loops that have neither a condition nor a body a position.
// goja knows positions of expressions only, and would say of a script that was
// interrupted in such a loop that it was at the expression before it, or at none.
func placeLoops(program *ast.Program, code string) {
	if emptyLoop.MatchString(code) { // which is rare, and the rest takes a while
		placeLoopsIn(reflect.ValueOf(program.Body))
	}
}

// placeLoopsIn goes through all that is part of v.
func placeLoopsIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		placeLoopsIn(v.Elem())
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		switch loop := v.Interface().(type) {
		case *ast.WhileStatement:
			placeLoop(loop.Test, &loop.Body, loop)
		case *ast.DoWhileStatement:
			placeLoop(loop.Test, &loop.Body, loop)
		case *ast.ForStatement:
			if loop.Update == nil {
				placeLoop(loop.Test, &loop.Body, loop)
			}
		case *ast.Identifier:
			return
		}
		if e := v.Elem(); e.Kind() == reflect.Struct {
			placeLoopsIn(e)
		}
	case reflect.Slice:
		for i := range v.Len() {
			placeLoopsIn(v.Index(i))
		}
	case reflect.Struct:
		if v.Type().PkgPath() != astPath {
			return // positions of the parser
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "DeclarationList" { // which repeats what is in the body
				placeLoopsIn(v.Field(i))
			}
		}
	}
}

var astPath = reflect.TypeFor[ast.Program]().PkgPath()

// placeLoop has a loop of nothing read a variable, at the position of the loop.
func placeLoop(test ast.Expression, body *ast.Statement, loop ast.Node) {
	switch test.(type) {
	case nil, *ast.BooleanLiteral, *ast.NumberLiteral:
	default:
		return
	}
	switch b := (*body).(type) {
	case *ast.EmptyStatement:
	case *ast.BlockStatement:
		if len(b.List) > 0 {
			return
		}
	default:
		return
	}
	*body = &ast.ExpressionStatement{Expression: &ast.Identifier{Name: "undefined", Idx: loop.Idx0()}}
}
