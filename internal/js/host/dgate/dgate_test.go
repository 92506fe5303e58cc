package dgate_test

import (
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/crypto"
	"github.com/dgate-io/caddy-dgate/internal/js/host/dgate"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

func TestModule(t *testing.T) {
	others := []js.Module{crypto.Module(), {Name: "dgate/x"}}
	host := hosttest.Host{
		Modules: append(others, dgate.Module(others)),
		Prelude: `import dgate, { fail, sleep, asyncSleep, retry } from "dgate"; const timed = async (fn) => { const t = Date.now(); await fn(); return Date.now() - t; };`,
	}
	host.Run(t, map[string]hosttest.Case{
		"fail":                        {Code: `fail("msg")`, Err: `GoError: msg`},
		"fail, caught":                {Code: `try { fail(5) } catch (e) { return [e instanceof GoError, e instanceof Error, e.name, e.message, String(e), Object.keys(e)] }`, Want: `[true,true,"GoError","5","GoError: 5",[]]`},
		"fail without a message":      {Code: `fail()`, Err: `GoError: failed`},
		"sleep of a fraction":         {Code: `const d = await timed(() => sleep(0.03)); return d >= 29 && d < 2000`, Want: `true`},
		"sleep of a text":             {Code: `const d = await timed(() => sleep("30ms")); return d >= 29 && d < 2000`, Want: `true`},
		"sleep of nothing":            {Code: `return await timed(() => { sleep(0); sleep(-5); sleep("-1s") }) < 500`, Want: `true`},
		"sleep of a bad text":         {Code: `sleep("soon")`, Err: `TypeError: sleep(): "soon" is not a duration, expected one like "200ms" or a number of seconds`},
		"sleep without argument":      {Code: `sleep()`, Err: `TypeError: sleep() requires a number or string as a first argument, got undefined`},
		"sleep of NaN":                {Code: `sleep(NaN)`, Err: `TypeError: sleep() requires a number of seconds or a duration like "200ms", got NaN`},
		"asyncSleep side by side":     {Code: `const d = await timed(() => Promise.all([asyncSleep(0.1), asyncSleep("100ms"), asyncSleep(0.1)])); return d >= 99 && d < 290`, Want: `true`},
		"retry until truthy":          {Code: `let n = 0; return [retry(3, i => { n++; return i == 1 }), n]`, Want: `[true,2]`},
		"retry in vain":               {Code: `let n = 0; return [retry(3, () => { n++ }), n]`, Want: `[null,3]`},
		"retry after a throw":         {Code: `return retry(3, i => { if (i < 2) throw new Error("e"); return "ok" })`, Want: `"ok"`},
		"retry, throwing":             {Code: `retry(3, i => { throw new Error("e" + i) })`, Err: `Error: e2`},
		"retry, throwing text":        {Code: `try { retry(2, i => { throw "t" + i }) } catch (e) { return e }`, Want: `"t1"`},
		"retry without a function":    {Code: `retry(3)`, Err: `TypeError: retry: expected a function, got undefined`},
		"retry less than once":        {Code: `retry(-1, () => 1)`, Err: `TypeError: retry: expected how often to try, from 1 to 10000, got -1`},
		"retry, asynchronous":         {Code: `let n = 0; return [await retry(5, async i => { n++; await asyncSleep(0.001); if (i == 0) throw new Error("e"); return i == 2 && "ok" }), n]`, Want: `["ok",3]`},
		"retry, asynchronous in vain": {Code: `await retry(2, async i => { throw new Error("e" + i) })`, Err: `Error: e1`},
		"retry, mixed":                {Code: `return [await retry(3, i => i == 0 ? Promise.resolve(0) : i == 1 ? 0 : "x"), await retry(2, i => i == 0 ? Promise.reject("r") : null)]`, Want: `["x",null]`},
		"retry, interrupted":          {Code: `retry(5, () => { while (true) {} })`, Err: `computed for longer than 2s`},
		"other modules":               {Code: `return [dgate.crypto.md5("a", "hex").length, Object.keys(dgate.x), Object.keys(dgate).sort()]`, Want: `[32,[],["asyncSleep","crypto","fail","retry","sleep","x"]]`},
	})
}
