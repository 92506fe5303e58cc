package hook_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// A hook may do other things before it asks for the body, and may ask where there is none to be had.
func TestWaitForWantingTheBody(t *testing.T) {
	tests := map[string]struct {
		code  string
		wants bool
		err   string // of the hook, if the body is refused
		body  string // if it is refused; "-" for the one that the answer has anyway
	}{
		"waits, then reads":        {code: `await pause(); await u.readBody()`, wants: true, err: "Error: read the upstream's body: it has no end", body: "-"},
		"reads, and goes on":       {code: `u.headers.set("x", await u.readBody().catch((e) => e.message))`, wants: true, body: "-"},
		"reads, and writes":        {code: `try { await u.readBody() } catch { u.writeBody("other") }`, wants: true, body: "other"},
		"waits only":               {code: `await pause()`, body: "-"},
		"reads without waiting":    {code: `u.readBody()`, wants: true, body: "-"},
		"asks for an empty answer": {code: `u.status(204)`, body: ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, `const pause = () => new Promise((r) => setTimeout(r, 1))
				export async function responseModifier(ctx, u) {`+tt.code+`}`, js.Limits{})
			resp := &http.Response{StatusCode: 200, Header: http.Header{}}
			run := newScope(httptest.NewRecorder(), get()).StartResponseModifier(borrow(t, pool), resp)
			run.Wait()
			if run.WantsBody() != tt.wants {
				t.Errorf("wants body %v", run.WantsBody())
			}
			run.Refuse(errors.New("it has no end"))
			if err := run.Finish(); failure(err) != tt.err {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			got := "-"
			if resp.Body != nil {
				got = readAll(t, resp.Body)
			}
			if got != tt.body {
				t.Errorf("body %q, want %q", got, tt.body)
			}
		})
	}
}

// A hook that was abandoned leaves a VM that works.
func TestAbandon(t *testing.T) {
	pool := newPool(t, `export async function responseModifier(ctx, u) { await u.readBody() }`, js.Limits{})
	vm := borrow(t, pool)
	for range 2 {
		run := newScope(httptest.NewRecorder(), get()).StartResponseModifier(vm, &http.Response{StatusCode: 200, Header: http.Header{}})
		if !run.WantsBody() {
			t.Fatal("the hook does not wait")
		}
		run.Abandon()
	}
}
