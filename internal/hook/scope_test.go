package hook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// TestValuesSurviveVMs checks what one hook leaves for the next, wherever that runs.
func TestValuesSurviveVMs(t *testing.T) {
	const module = `
export function requestModifier(ctx) {
	ctx.set("n", 1.5); ctx.set("s", "ü"); ctx.set("b", true); ctx.set("null", null); ctx.set("undef", undefined);
	ctx.set("o", { a: [1, { b: 2 }] }); ctx.set("date", new Date(1000)); ctx.set("buf", new Uint8Array([1, 2]).buffer);
	ctx.set("view", new Uint8Array([1, 2, 3]).subarray(1)); ctx.set("empty", "");
	const kept = { x: 1 }; ctx.set("copy", kept); kept.x = 2;
	ctx.user = { name: "u" }; ctx.user.name += "2"; ctx.request().user = "r"; ctx.response().own = 5; ctx.response().locals.l = [1];
	ctx.fn = () => 1;
}
export function requestHandler(ctx) {
	const s = ctx.response();
	s.json([ctx.get("n"), ctx.get("s"), ctx.get("b"), ctx.get("null"), ctx.get("undef") === undefined, ctx.get("o"),
		ctx.get("date").getTime(), ctx.get("buf").byteLength, Array.from(ctx.get("view")), ctx.get("empty"), ctx.get("copy"),
		ctx.user, ctx.request().user, s.own, s.locals, ctx.fn === undefined]);
}`
	const want = `[1.5,"ü",true,null,true,{"a":[1,{"b":2}]},1000,2,[2,3],"",{"x":1},{"name":"u2"},"r",5,{"l":[1]},true]`
	for _, same := range []bool{true, false} {
		pool := newPool(t, module, js.Limits{})
		w := httptest.NewRecorder()
		s := newScope(w, get())
		vm := borrow(t, pool)
		if _, err := s.RequestModifier(vm); err != nil {
			t.Fatal(err)
		}
		if !same {
			vm = borrow(t, pool)
		}
		if err := s.RequestHandler(vm); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Errorf("same VM %v (-want +got):\n%s", same, diff)
		}
	}
}

// TestFinishedRequest checks that nothing of a request can be used in the next.
func TestFinishedRequest(t *testing.T) {
	tests := map[string]string{
		"ctx":             `ctx.id`,
		"a method of ctx": `ctx.get("x")`,
		"request":         `q.method`,
		"request, set":    `q.path = "/x"`,
		"readBody":        `q.readBody()`,
		"headers":         `h.get("x")`,
		"headers, set":    `h.x = 1`,
		"headers, keys":   `Object.keys(h)`,
		"clone":           `c.get("x")`,
		"query":           `y.get("x")`,
		"query, has":      `"x" in y`,
		"response":        `s.headersSent`,
		"send":            `s.send("x")`,
		"service":         `v.name`,
		"delete":          `delete ctx.x`,
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, `let ctx, q, h, c, y, s, v;
export function requestHandler(now) {
	if (ctx) { try { `+code+`; now.response().send("used") } catch (e) { now.response().send(e.message) } return }
	ctx = now; q = ctx.request(); h = q.headers; c = h.clone(); y = q.query; s = ctx.response(); v = ctx.service(); ctx.x = 1; s.send("first")
}`, js.Limits{})
			vm := borrow(t, pool)
			for _, want := range []string{"first", "request is finished"} {
				w := httptest.NewRecorder()
				if err := newScope(w, get()).RequestHandler(vm); err != nil {
					t.Fatal(err)
				}
				if w.Body.String() != want {
					t.Errorf("got %q, want %q", w.Body, want)
				}
			}
		})
	}
}

func TestContextID(t *testing.T) {
	pool := newPool(t, `export function requestHandler(ctx) { ctx.x = 1; ctx.response().send(JSON.stringify(ctx) + (ctx.id === ctx.id)) }`, js.Limits{})
	seen := map[string]bool{}
	for range 3 {
		w, err := serve(t, pool, get())
		if err != nil {
			t.Fatal(err)
		}
		if body := w.Body.String(); !strings.HasPrefix(body, `{"id":"`) || !strings.HasSuffix(body, `"}true`) || len(body) < 20 || seen[body] {
			t.Errorf("body %s, seen %v", body, seen)
		} else {
			seen[body] = true
		}
	}
	in := info()
	in.ID = "given"
	w := httptest.NewRecorder()
	if err := hook.NewScope(w, get(), in).RequestHandler(borrow(t, pool)); err != nil || w.Body.String() != `{"id":"given"}true` {
		t.Errorf("body %s, error %v", w.Body, err)
	}
}

func TestClientLeaves(t *testing.T) {
	tests := map[string]string{
		"while a promise waits":  `await dgate.asyncSleep(10)`,
		"while the script waits": `sleep(10)`,
		"while it computes":      `for (;;) {}`,
		"while the body comes":   `q.readBody()`,
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, handlerModule(code), js.Limits{CPU: 10 * time.Second})
			ctx, cancel := context.WithCancel(t.Context())
			body, client := io.Pipe()
			defer client.Close()
			r := httptest.NewRequest("POST", "/", body).WithContext(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			begin := time.Now()
			_, err := serve(t, pool, r)
			if err == nil || time.Since(begin) > 5*time.Second {
				t.Errorf("error %v after %v", err, time.Since(begin))
			}
		})
	}
}

func TestAbsentParts(t *testing.T) {
	pool := newPool(t, `export function requestHandler(ctx) { ctx.response().json([ctx.service(), ctx.route(), ctx.namespace(), ctx.pathParams()]) }`, js.Limits{})
	w := httptest.NewRecorder()
	if err := hook.NewScope(w, get(), hook.Info{}).RequestHandler(borrow(t, pool)); err != nil || w.Body.String() != `[null,null,null,{}]` {
		t.Errorf("body %s, error %v", w.Body, err)
	}
}

func TestHooksTable(t *testing.T) {
	want := []string{"fetchUpstream", "requestModifier", "responseModifier", "errorHandler", "requestHandler"}
	if diff := cmp.Diff(want, hook.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"fetchUpstreamUrl": "fetchUpstream"}, hook.Aliases()); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	for i, h := range hook.Hooks {
		if h.Doc == "" || len(h.Params) == 0 {
			t.Errorf("hook %d is not described", i)
		}
	}
}

// TestConcurrentScopes runs requests over few VMs, for the race detector.
func TestConcurrentScopes(t *testing.T) {
	pool := newPool(t, prelude+`
let kept = [];
export async function requestModifier(ctx) { try { kept.map(k => k.id) } catch {} kept = [ctx, ctx.request().headers]; ctx.user = { n: 1 }; ctx.request().headers.set("x", "y"); await dgate.asyncSleep(0.001) }
export async function responseModifier(ctx, u) { const v = await u.readJson(); v.n += ctx.user.n; u.writeJson(v) }`, js.Limits{VMs: 4})
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 20 {
				s := newScope(httptest.NewRecorder(), get())
				vm, err := pool.Get(t.Context())
				if err != nil {
					t.Errorf("get: %v", err)
					return
				}
				_, err = s.RequestModifier(vm)
				pool.Put(vm)
				if err != nil {
					t.Errorf("requestModifier: %v", err)
					return
				}
				resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"n":1}`)), ContentLength: 7}
				if vm, err = pool.Get(t.Context()); err != nil {
					t.Errorf("get: %v", err)
					return
				}
				err = s.ResponseModifier(vm, resp)
				pool.Put(vm)
				if err != nil {
					t.Errorf("responseModifier: %v", err)
					return
				}
				if got, err := io.ReadAll(resp.Body); err != nil || string(got) != `{"n":2}` {
					t.Errorf("body %s", got)
				}
			}
		}()
	}
	for range 8 {
		<-done
	}
}
