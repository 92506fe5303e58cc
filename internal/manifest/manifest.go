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
// Every mistake is reported with file, line and field. What the listed resources refer to, and
// whether modules compile, is not checked here but when they are stored; nor does the package know
// what is stored. [Write] is the way back.
package manifest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// MaxFile bounds one resource file, in bytes.
const MaxFile = 64 << 20

// Stdin is the name of the standard input among files.
const Stdin = "-"

// Load is [Reader.Read] with variables from env, or as they are without it, for who only wants the
// resources.
func Load(patterns []string, env func(name string) (value string, ok bool)) (Resources, error) {
	files, err := Reader{Env: env}.Read(patterns)
	return files.Resources, err
}

// Reader reads resource files. The zero value is ready to use.
type Reader struct {
	// Env looks up the variables in {env.NAME}, which secret fields may have; one that is not set
	// is a mistake. Without Env they stay as they are, and resources are not validated.
	Env func(name string) (value string, ok bool)
	// Namespace is that of resources that name none. Default: [resource.DefaultNamespace].
	Namespace string
	// Stdin is what the file [Stdin] is. Default: that file is a mistake.
	Stdin io.Reader
}

// Files is what resource files have.
type Files struct {
	// Resources are in dependency order.
	Resources Resources
	// Kinds are the names of the kinds that there is a list of, even an empty one.
	Kinds map[string]bool
	// Unmatched are the patterns with wildcards that no file has.
	Unmatched []string
}

// Read reads the files that the glob patterns name, in the order of their names. A pattern without
// wildcards must name a file, or a directory: that stands for the files .yaml, .yml and .json in
// it. The error joins an [Error] for every mistake.
func (r Reader) Read(patterns []string) (Files, error) {
	files, unmatched, err := expand(patterns)
	if err != nil {
		return Files{}, err
	}
	l := &loader{reader: r, seen: map[resource.Key]string{}, kinds: map[string]bool{}}
	for _, file := range files {
		l.load(file)
	}
	if err := errors.Join(l.errs...); err != nil {
		return Files{}, err
	}
	order := func(r Resource) int {
		return slices.IndexFunc(resource.All, func(k *resource.Kind) bool { return k.Name == r.Key().Kind })
	}
	slices.SortStableFunc(l.objs, func(a, b Resource) int { return order(a) - order(b) })
	return Files{l.objs, l.kinds, unmatched}, nil
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
	switch resource.CodeOf(err) {
	case resource.BadRequest, resource.ValidationFailed, resource.NotFound, resource.Conflict, resource.InUse,
		resource.PreconditionFailed, resource.TooLarge:
	default: // not about the resources
		return err
	}
	text := err.Error()
	for _, r := range rs {
		key := r.Key().String() + ": "
		text = strings.ReplaceAll(text, key, r.Place+": "+key)
	}
	if len(rs) == 1 && text == err.Error() {
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

// expand lists the files of the patterns, each once, and the patterns that have none.
func expand(patterns []string) (files, unmatched []string, err error) {
	for _, p := range patterns {
		found, err := matches(p)
		if err != nil {
			return nil, nil, &Error{File: p, Err: err}
		}
		if len(found) == 0 {
			unmatched = append(unmatched, p)
		}
		for _, f := range found {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files, unmatched, nil
}

// extensions are those of the files that a directory stands for.
var extensions = []string{".yaml", ".yml", ".json"}

func matches(pattern string) ([]string, error) {
	if pattern == Stdin {
		return []string{Stdin}, nil
	}
	info, err := os.Stat(pattern)
	switch {
	case err == nil && !info.IsDir():
		return []string{pattern}, nil
	case err == nil:
		return within(pattern)
	}
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
		err = errors.New("no such file")
	}
	return found, err
}

// within lists the resource files in a directory, but not those below it.
func within(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(extensions, filepath.Ext(e.Name())) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("the directory has no files %s", strings.Join(extensions, ", "))
	}
	return files, nil
}
