// Package hosttest runs snippets of script against host modules, for their tests.
package hosttest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// Host is what snippets can use.
type Host struct {
	Modules []js.Module
	Globals []js.Global
	Limits  js.Limits
	// Prelude is in front of every snippet; it usually imports.
	Prelude string
	// Namespace is the one that snippets belong to.
	Namespace string
}

// scope is what snippets run under.
type scope struct{ namespace string }

// Namespace is what host modules that keep data per namespace ask a scope for.
func (s scope) Namespace() string { return s.namespace }

// Case is a snippet, the body of an async function, and what it must come to: the
// JSON of what it returns, or the message of what it throws.
type Case struct{ Code, Want, Err string }

// Run runs the cases.
func (h Host) Run(t *testing.T, cases map[string]Case) {
	t.Helper()
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := h.Eval(t, tt.Code)
			text := ""
			if err != nil {
				text = js.Errors(err)[0].Message
			}
			if diff := cmp.Diff(tt.Err, text); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.Want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// limits are those of the host, with more time than scripts have by default: machines that run tests
// are slow.
func (h Host) limits() js.Limits {
	if h.Limits.CPU == 0 {
		h.Limits.CPU = 2 * time.Second
	}
	return h.Limits
}

// Load loads a module whose top level is code, and returns what it fails with.
func (h Host) Load(tb testing.TB, code string) string {
	tb.Helper()
	engine := js.NewEngine(js.Options{Hooks: []string{"test"}, Modules: h.Modules, Globals: h.Globals})
	_, err := engine.Compile(tb.Context(), []js.Source{{Name: "test", Code: []byte(h.Prelude + "\n" + code + "\nexport function test() {}")}}, h.limits())
	if err != nil {
		return js.Errors(err)[0].Message
	}
	return ""
}

// Eval runs a snippet and returns the JSON of its result.
func (h Host) Eval(tb testing.TB, code string) (string, error) {
	tb.Helper()
	engine := js.NewEngine(js.Options{Hooks: []string{"test"}, Modules: h.Modules, Globals: h.Globals})
	src := js.Source{Name: "test", Code: []byte(h.Prelude + "\nexport async function test() {\n" + code + "\n}")}
	program, err := engine.Compile(tb.Context(), []js.Source{src}, h.limits())
	if err != nil {
		tb.Fatalf("compile: %v", err)
	}
	pool := engine.NewPool(program, h.limits(), nil)
	defer pool.Close()
	vm, err := pool.Get(tb.Context())
	if err != nil {
		tb.Fatalf("get a VM: %v", err)
	}
	defer pool.Put(vm)
	run := vm.Start(tb.Context(), 0, scope{h.Namespace})
	defer run.End()
	v, err := run.Wait()
	if err != nil {
		return "", err
	}
	data, err := vm.Stringify(v)
	if err != nil || data == nil {
		return "", err
	}
	if !json.Valid(data) {
		tb.Fatalf("result is no JSON: %s", data)
	}
	return string(data), nil
}
