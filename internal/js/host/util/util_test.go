package util_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	"github.com/dgate-io/caddy-dgate/internal/js/host/util"
)

// TestReadWriteBody has messages that are as little of a message as the function needs. Real ones
// are in the tests of package hook.
func TestReadWriteBody(t *testing.T) {
	host := hosttest.Host{
		Modules: []js.Module{util.Module()},
		Prelude: `import { readWriteBody } from "dgate/util";
			const bytes = (text) => Uint8Array.from([...unescape(encodeURIComponent(text))], (c) => c.charCodeAt(0));
			const message = (text, wait = (v) => v) => ({ body: text, readBody() { return wait(bytes(this.body).buffer) }, writeBody(v) { this.body = v } });
			const change = async (m, fn) => [await readWriteBody(m, fn), m.body];`,
	}
	host.Run(t, map[string]hosttest.Case{
		"body read at once":       {Code: `return await change(message("é"), (s) => s + "!")`, Want: `["é!","é!"]`},
		"body that is waited for": {Code: `return await change(message("b", async (v) => v), (s) => s.toUpperCase())`, Want: `["B","B"]`},
		"asynchronous callback":   {Code: `return await change(message("c"), async (s) => s + s)`, Want: `["cc","cc"]`},
		"empty body":              {Code: `return await change(message(""), (s) => s === "" && "new")`, Want: `["new","new"]`},
		"bytes that are no text":  {Code: `const m = { readBody: () => new Uint8Array([97, 255]), writeBody() {} }; return await readWriteBody(m, (s) => s)`, Want: `"a�"`},
		"a promise, at any rate":  {Code: `return readWriteBody(message("d"), (s) => s) instanceof Promise`, Want: `true`},
		"callback that throws":    {Code: `const m = message("kept"); try { await readWriteBody(m, () => { throw new Error("no") }) } catch (e) { return [e.message, m.body] }`, Want: `["no","kept"]`},
		"body that cannot be read": {
			Code: `await readWriteBody({ readBody() { throw new Error("too large") }, writeBody() {} }, (s) => s)`, Err: `Error: too large`,
		},
		"no message":  {Code: `await readWriteBody("text", (s) => s)`, Err: `TypeError: readWriteBody: expected ctx.upstream() or ctx.request(), got string`},
		"no upstream": {Code: `await readWriteBody(null, (s) => s)`, Err: `TypeError: readWriteBody: expected ctx.upstream() or ctx.request(), got null`},
		"no callback": {Code: `await readWriteBody(message("e"))`, Err: `TypeError: readWriteBody: expected a function, got undefined`},
	})
}
