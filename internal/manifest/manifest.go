// Package manifest reads resource files: YAML or JSON with a list of resources per kind.
//
//	services:
//	  - name: users
//	    urls: [http://localhost:9000]
//	modules:
//	  - name: auth
//	    payloadFile: auth.ts
//
//	secrets:
//	  - name: api-key
//	    data: "{env.API_KEY}"
//
// Every mistake is reported with file, line and field. The package only reads: what the listed
// resources refer to, and whether modules compile, is checked when they are stored.
package manifest

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// MaxFile bounds one resource file, in bytes.
const MaxFile = 64 << 20

// Load reads the files that the glob patterns name, in the order of their names, and returns
// their resources in dependency order. A pattern without wildcards must name a file. The error
// joins an [Error] for every mistake.
//
// env looks up the variables in {env.NAME}, which secrets may have; one that is not set is a
// mistake. Without env they stay as they are.
func Load(patterns []string, env func(name string) (value string, ok bool)) (Resources, error) {
	files, err := expand(patterns)
	if err != nil {
		return nil, err
	}
	var objs Resources
	var errs []error
	seen := map[resource.Key]string{}
	for _, file := range files {
		l := &loader{file: file, seen: seen, env: env}
		l.load()
		objs = append(objs, l.objs...)
		errs = append(errs, l.errs...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	order := func(r Resource) int {
		return slices.IndexFunc(resource.All, func(k *resource.Kind) bool { return k.Name == r.Key().Kind })
	}
	slices.SortStableFunc(objs, func(a, b Resource) int { return order(a) - order(b) })
	return objs, nil
}

// Resource is a resource and where it was listed, as file:line.
type Resource struct {
	resource.Object
	Place string
}

// Resources are what was listed, in dependency order.
type Resources []Resource

// Locate puts places into an error about storing the resources, in front of their keys.
func (rs Resources) Locate(err error) error {
	if resource.CodeOf(err) == resource.Internal {
		return err
	}
	text := err.Error()
	for _, r := range rs {
		key := r.Key().String() + ": "
		text = strings.ReplaceAll(text, key, r.Place+": "+key)
	}
	if len(rs) == 1 {
		text = rs[0].Place + ": " + text
	}
	return fmt.Errorf("%s%w", text, hidden{err})
}

// hidden keeps the cause of an error whose text has been replaced.
type hidden struct{ error }

func (hidden) Error() string { return "" }

func (h hidden) Unwrap() error { return h.error }

// Error is a mistake in a resource file.
type Error struct {
	File string
	Line int // from 1; 0 for the file as a whole
	Err  error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// expand lists the files of the patterns, each once.
func expand(patterns []string) ([]string, error) {
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, &Error{File: p, Err: err}
		}
		if len(found) == 0 && !strings.ContainsAny(p, "*?[") {
			return nil, &Error{File: p, Err: errors.New("no such file")}
		}
		for _, f := range found {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files, nil
}
