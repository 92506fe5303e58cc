package hook_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
)

// newPool compiles a module and returns a pool of VMs that run it.
func newPool(tb testing.TB, code string, lim js.Limits) *js.Pool {
	tb.Helper()
	lim.CPU = cmp.Or(lim.CPU, time.Second) // machines that run tests are slow
	client := fetch.New(fetch.Options{})
	tb.Cleanup(client.Close)
	deps := host.Deps{Fetch: client}
	engine := js.NewEngine(js.Options{
		Hooks: hook.Names(), Aliases: hook.Aliases(), Members: hook.Members(),
		Modules: host.Modules(deps), Globals: host.Globals(deps),
		Env: func(context.Context) map[string]string { return map[string]string{"GREETING": "hello"} },
	})
	program, err := engine.Compile(tb.Context(), []js.Source{{Name: "test", Code: []byte(code)}}, lim)
	if err != nil {
		tb.Fatalf("compile: %v", err)
	}
	pool := engine.NewPool(program, lim, nil)
	tb.Cleanup(pool.Close)
	return pool
}

// borrow gets a VM from the pool for the time of the test.
func borrow(tb testing.TB, pool *js.Pool) *js.VM {
	tb.Helper()
	vm, err := pool.Get(tb.Context())
	if err != nil {
		tb.Fatalf("get a VM: %v", err)
	}
	tb.Cleanup(func() { pool.Put(vm) })
	return vm
}

// prelude is in front of every snippet.
const prelude = `
import * as dgate from "dgate";
import * as crypto from "dgate/crypto";
import * as util from "dgate/util";
const { sleep, retry } = dgate;
const { createHash, createHmac, hmac, sha256, randomInt, randomBytes, md5 } = crypto;
`

// handlerModule is a module whose requestHandler is the snippet, with q and s as request and response.
func handlerModule(snippet string) string {
	return prelude + `export const requestHandler = async (ctx) => { const q = ctx.request(), s = ctx.response();
` + snippet + `
}`
}

// info is what the tests tell a Scope.
func info() hook.Info {
	return hook.Info{
		RemoteAddr: "192.0.2.1",
		Params:     []hook.Param{{Name: "id", Value: "7"}, {Name: "*", Value: "a/b"}},
		MaxBody:    1 << 16,
		Service:    &hook.Service{Name: "svc", Namespace: "ns", URLs: []string{"http://a", "http://b"}, Retries: 3, RetryTimeout: 5},
		Route:      &hook.Route{Name: "rt", Namespace: "ns", Service: "svc", Modules: []string{"test"}, Paths: []string{"/t/{id}/*"}, Methods: []string{"GET"}},
		Namespace:  &hook.Namespace{Name: "ns", Tags: []string{"a", "b"}},
	}
}

// answer is what a client sees.
type answer struct {
	Status int
	Body   string
}

// serve runs a requestHandler for a request and returns what it wrote, or its error.
func serve(tb testing.TB, pool *js.Pool, r *http.Request) (*httptest.ResponseRecorder, error) {
	tb.Helper()
	vm := borrow(tb, pool)
	w := httptest.NewRecorder()
	s := hook.NewScope(w, r, info())
	if err := s.RequestHandler(vm); err != nil {
		return w, err
	}
	return w, s.SendRest()
}

// get is a GET request as the tests send it.
func get() *http.Request {
	return httptest.NewRequest(http.MethodGet, "http://example.com:8080/t/7/a/b?q=1&q=2&z=+x", nil)
}

func post(body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "http://example.com/t/7/a/b", strings.NewReader(body))
}

// failure is the message of a script's error without its position.
func failure(err error) string {
	if e, ok := errors.AsType[*js.Error](err); ok {
		return e.Message
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func readAll(tb testing.TB, r io.Reader) string {
	tb.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		tb.Fatalf("read: %v", err)
	}
	return string(data)
}

func newScope(w http.ResponseWriter, r *http.Request) *hook.Scope { return hook.NewScope(w, r, info()) }
