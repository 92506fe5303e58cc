package hook_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

func TestErrorHandlerOnFailedUpstream(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: fmt.Errorf("connect: %w", syscall.ECONNREFUSED)}
	tests := map[string]struct {
		cause error
		code  string
		want  string
	}{
		"a refused connection":  {&url.Error{Op: "Get", URL: "http://127.0.0.1:1", Err: dial}, `s.json([e.name, e.message, e instanceof Error])`, `["Error","dial tcp 127.0.0.1:1: connect: connection refused",true]`},
		"any error":             {errors.New("EOF"), `s.json([String(e), ctx.upstream()])`, `["Error: EOF",null]`},
		"an error of a script":  {&js.Error{Kind: js.Throw, Message: "TypeError: x is not a function"}, `s.json([e.name, e.message, e instanceof Error])`, `["TypeError","x is not a function",true]`},
		"a limit of the engine": {&js.Error{Kind: js.Timeout, Message: "took longer than 30s"}, `s.json([e.name, e.message])`, `["Error","took longer than 30s"]`},
		"status and body":       {errors.New("x"), `s.status(502).send("down")`, `down`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, "export async function errorHandler(ctx, e) { const s = ctx.response();\n"+tt.code+"\n}", js.Limits{})
			w := httptest.NewRecorder()
			answered, err := newScope(w, get()).ErrorHandler(borrow(t, pool), tt.cause)
			if err != nil || !answered {
				t.Fatalf("answered %v, error %v", answered, err)
			}
			if diff := cmp.Diff(tt.want, w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorHandlerAnswersNothing(t *testing.T) {
	pool := newPool(t, `export function errorHandler(ctx, e) { if (e.message === "again") throw e }`, js.Limits{})
	s := newScope(httptest.NewRecorder(), get())
	if answered, err := s.ErrorHandler(borrow(t, pool), errors.New("x")); answered || err != nil {
		t.Errorf("answered %v, error %v", answered, err)
	}
	if answered, err := s.ErrorHandler(borrow(t, pool), errors.New("again")); answered || failure(err) != "Error: again" {
		t.Errorf("answered %v, error %v", answered, err)
	}
}

// TestErrorHandlerGetsWhatWasThrown runs a hook that throws and errorHandler, on
// the same VM and on two.
func TestErrorHandlerGetsWhatWasThrown(t *testing.T) {
	const module = `
class Custom extends Error { constructor(m) { super(m); this.name = "Custom"; this.extra = { n: 1 }; } }
let thrown;
export function requestHandler(ctx) { ctx.response().status(204); ctx.set("seen", true); throw thrown = new Custom("boom") }
export async function responseModifier(ctx) { throw thrown = "text" }
export function errorHandler(ctx, e) { ctx.response().status(500).json([e === thrown, String(e), e.extra === undefined ? null : e.extra.n, ctx.get("seen")]) }
`
	tests := map[string]struct {
		response, same bool
		want           string
	}{
		"requestHandler, same VM":     {false, true, `[true,"Custom: boom",1,true]`},
		"requestHandler, another VM":  {false, false, `[false,"Error: Custom: boom",null,true]`},
		"responseModifier, same VM":   {true, true, `[true,"text",null,null]`},
		"responseModifier, other VMs": {true, false, `[false,"Error: text",null,null]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, module, js.Limits{})
			vm := borrow(t, pool)
			w := httptest.NewRecorder()
			s := newScope(w, get())
			var err error
			if tt.response {
				err = s.ResponseModifier(vm, &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody})
			} else {
				err = s.RequestHandler(vm)
			}
			if err == nil {
				t.Fatal("the hook has not failed")
			}
			if !tt.same {
				vm = borrow(t, pool)
			}
			if answered, err := s.ErrorHandler(vm, fmt.Errorf("wrapped: %w", err)); !answered || err != nil {
				t.Fatalf("answered %v, error %v", answered, err)
			}
			if diff := cmp.Diff(answer{500, tt.want}, answer{w.Code, w.Body.String()}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}
