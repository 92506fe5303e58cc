// Package hosttest runs snippets of script against host modules, for their tests.
package hosttest

import (
	"encoding/json"
	"testing"

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
	// Scope is what snippets run under, if not the test itself.
	Scope any
}

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

// Eval runs a snippet and returns the JSON of its result.
func (h Host) Eval(tb testing.TB, code string) (string, error) {
	tb.Helper()
	engine := js.NewEngine(js.Options{Hooks: []string{"test"}, Modules: h.Modules, Globals: h.Globals})
	src := js.Source{Name: "test", Code: []byte(h.Prelude + "\nexport async function test() {\n" + code + "\n}")}
	program, err := engine.Compile(tb.Context(), []js.Source{src}, h.Limits)
	if err != nil {
		tb.Fatalf("compile: %v", err)
	}
	pool := engine.NewPool(program, h.Limits, nil)
	defer pool.Close()
	vm, err := pool.Get(tb.Context())
	if err != nil {
		tb.Fatalf("get a VM: %v", err)
	}
	defer pool.Put(vm)
	scope := h.Scope
	if scope == nil {
		scope = tb // any will do for most modules, but there must be one
	}
	run := vm.Start(tb.Context(), 0, scope)
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
