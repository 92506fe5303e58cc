package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// structs are the exported structs of some packages, with their comments. They go by the name of
// their package and their own, as in "handlers.Limits".
type structs struct {
	types   map[string]*doc.Type
	modules map[string]string // by the id of the Caddy module that they are
}

// field is one field of a struct, as JSON has it.
type field struct {
	name, doc string
	typ       string // in words
	of        string // the struct that it has or has a list of, if one of ours
}

// loadStructs reads packages.
func loadStructs(dirs ...string) (*structs, error) {
	s := &structs{types: map[string]*doc.Type{}, modules: map[string]string{}}
	for _, dir := range dirs {
		if err := s.load(dir); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// load reads a package.
func (s *structs) load(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no Go files", dir)
	}
	pkg := files[0].Name.Name
	for _, file := range files {
		for _, decl := range file.Decls {
			s.module(pkg, decl)
		}
	}
	docs, err := doc.NewFromFiles(set, files, pkg)
	if err != nil {
		return err
	}
	for _, t := range docs.Types {
		s.types[pkg+"."+t.Name] = t
	}
	return nil
}

// module notes the id that a method CaddyModule gives.
func (s *structs) module(pkg string, decl ast.Decl) {
	method, ok := decl.(*ast.FuncDecl)
	if !ok || method.Name.Name != "CaddyModule" || method.Recv == nil {
		return
	}
	ast.Inspect(method, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			if id, ok := kv.Value.(*ast.BasicLit); ok {
				if name, err := strconv.Unquote(id.Value); err == nil {
					s.modules[name] = named(pkg, method.Recv.List[0].Type)
				}
			}
		}
		return true
	})
}

// named is the name of the type in an expression, that of its elements if it is a list; empty if
// the type has none.
func named(pkg string, expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		return pkg + "." + e.Name
	case *ast.SelectorExpr:
		return fmt.Sprint(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return named(pkg, e.X)
	case *ast.ArrayType:
		return named(pkg, e.Elt)
	}
	return ""
}

// fields lists what a struct has in JSON, embedded fields included.
func (s *structs) fields(name string) []field {
	t, ok := s.types[name]
	if !ok {
		return nil
	}
	spec, ok := t.Decl.Specs[0].(*ast.TypeSpec)
	if !ok {
		return nil
	}
	body, ok := spec.Type.(*ast.StructType)
	if !ok {
		return nil
	}
	pkg, _, _ := strings.Cut(name, ".")
	var list []field
	for _, f := range body.Fields.List {
		of := named(pkg, f.Type)
		if len(f.Names) == 0 {
			list = append(list, s.fields(of)...)
			continue
		}
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value)
		key, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if key == "" || key == "-" {
			continue
		}
		if s.types[of] == nil {
			of = ""
		}
		list = append(list, field{name: key, doc: f.Doc.Text(), typ: words(f.Type), of: of})
	}
	return list
}

// words says what a type is in JSON.
func words(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return words(e.X)
	case *ast.ArrayType:
		return "list of " + words(e.Elt)
	case *ast.MapType:
		return "object of " + words(e.Value)
	case *ast.SelectorExpr:
		switch fmt.Sprint(e.X) + "." + e.Sel.Name {
		case "caddy.Duration":
			return "duration"
		case "json.RawMessage":
			return "JSON"
		case "http.Header":
			return "object of list of string"
		}
		return "object"
	case *ast.Ident:
		switch e.Name {
		case "string", "bool":
			return e.Name
		case "int", "int64", "uint64", "uint", "uint16", "uint32":
			return "integer"
		}
	}
	return "object"
}
