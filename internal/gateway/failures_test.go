package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dgate-io/caddy-dgate/internal/gateway"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// A script that fails is in the log once, whatever becomes of the request, and nothing else is.
func TestFailuresAreLogged(t *testing.T) {
	const (
		throws  = `export const requestModifier = () => { throw new Error("x") };`
		sorry   = `export const errorHandler = (ctx) => ctx.response().send("sorry");`
		failed  = "error dgate.module.default.m.ts: a hook failed: hook="
		rescued = "warn dgate.module.default.m.ts: a hook failed, and errorHandler has answered: hook="
	)
	refuses := func(http.ResponseWriter, *http.Request) error {
		return &gateway.StatusError{Status: http.StatusBadGateway, Err: errors.New("refused")}
	}
	tests := map[string]struct {
		code string
		next gateway.Next
		want []string
	}{
		"throws":                 {code: throws, want: []string{failed + "requestModifier kind=throw"}},
		"rejects":                {code: `export const requestHandler = async () => { throw 1 }`, want: []string{failed + "requestHandler kind=reject"}},
		"loops":                  {code: `export const responseModifier = () => { for (;;); }`, want: []string{failed + "responseModifier kind=cpu"}},
		"throws and is rescued":  {code: throws + sorry, want: []string{rescued + "requestModifier kind=throw"}},
		"throws twice":           {code: throws + `export const errorHandler = () => { throw 1 }`, want: []string{failed + "requestModifier kind=throw", failed + "errorHandler kind=throw"}},
		"throws after an answer": {code: `export const requestHandler = (ctx) => { ctx.response().send("a"); throw 1 }`, want: []string{"error dgate.module.default.m.ts: a hook failed after it had answered: hook=requestHandler kind=throw"}},
		"rescues and throws": {code: throws + `export const errorHandler = (ctx) => { ctx.response().send("a"); throw 1 }`, want: []string{
			rescued + "requestModifier kind=throw", "error dgate.module.default.m.ts: a hook failed after it had answered: hook=errorHandler kind=throw",
		}},
		"breaks off": {code: `let n = 0; export const requestHandler = () => new Response(new ReadableStream({ pull(c) { if (n++) throw 1; c.enqueue("a") } }))`, want: []string{
			"error dgate.module.default.m.ts: an answer broke off, and the client has got only a part of it: hook=requestHandler kind=reject",
		}},
		"too large":          {code: `export const requestModifier = async (ctx) => { await ctx.request().readBody() }`},
		"next fails":         {code: `export const errorHandler = () => {}`, next: refuses},
		"next is rescued":    {code: sorry, next: refuses, want: []string{"warn dgate.module.default.m.ts: a request failed, and a hook has answered it:"}},
		"nothing has failed": {code: sorry},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zapcore.DebugLevel)
			site, err := loggedSite(t, zap.New(core).Named("dgate"), js.Limits{Body: 3, CPU: 20 * time.Millisecond}, &resource.Module{Name: "m.ts", Payload: []byte(tt.code)})
			if err != nil {
				t.Fatal(err)
			}
			next := tt.next
			if next == nil {
				next = say("next")
			}
			srv := serve(t, site, next)
			if resp, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("text")); err == nil {
				_, _ = io.ReadAll(resp.Body) // whether it breaks off does not matter
				_ = resp.Body.Close()
			}
			srv.Close() // so that the handler has returned
			var got []string
			for _, e := range logs.All() {
				line := fmt.Sprintf("%s %s: %s:", e.Level, e.LoggerName, e.Message)
				for _, field := range []string{"hook", "kind", "route"} {
					if v := e.ContextMap()[field]; v != nil {
						line += fmt.Sprintf(" %s=%v", field, v)
					}
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
