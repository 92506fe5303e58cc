package hook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// badInput calls all methods and sets all fields of the objects in targets with
// values of every kind. What it throws must be objects of the language.
const badInput = `
import * as dgate from "dgate"; import * as crypto from "dgate/crypto"; import * as util from "dgate/util";
function values() {
	const cycle = {}; cycle.self = cycle;
	return [undefined, null, NaN, -1, 1e308, 0.5, "", "x", "a\r\nb", "\ud800", "ü", {}, [], [[]], cycle, Symbol("s"), () => 1, new Date(NaN), new Map([[1, 2]]),
		new Proxy({}, {}), { toString() { throw new Error("t") } }, { valueOf() { throw 1 }, toString: 5 }, { get href() { throw 2 } }, { then: 1 },
		Object.create(null), new ArrayBuffer(0), new Uint8Array(2), new DataView(new ArrayBuffer(1)), Promise.resolve(1), new URL("http://h"), new URLSearchParams("a=b"), /r/g, new Error("e"), true];
}
let calls = 0;
async function attempt(fn) {
	calls++;
	try { const v = fn(); if (v && typeof v.then === "function" && v instanceof Promise) await v; } catch (e) {}
}
async function tryAll(targets, names) {
	const list = values();
	for (const target of targets) for (const name of names) {
		for (const v of list) {
			await attempt(() => { target[name] = v });
			if (typeof target[name] !== "function") continue;
			await attempt(() => target[name](v));
			await attempt(() => target[name]("a", v));
			await attempt(() => target[name](v, v, v));
			await attempt(() => target[name].call(v, v));
			await attempt(() => new target[name](v));
		}
		await attempt(() => target[name]());
		await attempt(() => target[name]);
		await attempt(() => name in target);
		await attempt(() => delete target[name]);
	}
	for (const target of targets) for (const v of list) {
		await attempt(() => target[v]);
		await attempt(() => { target[v] = v });
		if (!(v instanceof Promise)) await attempt(() => { Object.setPrototypeOf(target, v) }); // goja panics on awaiting what only inherits from a promise
		await attempt(() => Object.defineProperty(target, v, { value: v }));
		await attempt(() => JSON.stringify(target));
		await attempt(() => Object.freeze(target));
		await attempt(() => [...target]);
		await attempt(() => String(target));
	}
}
`

func TestBadInput(t *testing.T) {
	lim := js.Limits{CPU: 1 << 40}
	tests := map[string]struct{ hook, code string }{
		"ctx":      {"requestHandler", `await tryAll([ctx, ctx.request], ["get", "set", "id", "params", "service", "route", "namespace", "pathParam", "pathParams", "query", "queryParam", "status", "json", "setHeader", "upstream", "response", "request", "other", "method", "call"])`},
		"request":  {"requestHandler", `await tryAll([ctx.request()], ["method", "path", "host", "query", "headers", "proto", "body", "readBody", "readJson", "writeBody", "writeJson", "other", "then"])`},
		"headers":  {"requestHandler", `await tryAll([ctx.request().headers, ctx.response().headers, ctx.request().headers.clone()], ["get", "set", "add", "append", "del", "delete", "has", "values", "keys", "entries", "forEach", "clone", "x-a", "a b", "getSetCookie"])`},
		"query":    {"requestHandler", `await tryAll([ctx.query()], ["get", "getAll", "values", "set", "add", "append", "del", "delete", "has", "encode", "toString", "keys", "entries", "forEach", "q", "new"])`},
		"response": {"requestHandler", `await tryAll([ctx.response()], ["status", "statusCode", "locals", "location", "cookie", "getCookie", "getCookies", "json", "send", "end", "redirect", "redirectPermanent", "other"]); ctx.response().locals = {}`},
		"redirect": {"requestHandler", `await tryAll([ctx.response()], ["redirect"])`},
		"service":  {"requestHandler", `await tryAll([ctx.service(), ctx.route(), ctx.namespace()], ["name", "urls", "getName", "other"])`},
		"upstream": {"responseModifier", `const u = ctx.upstream(); await tryAll([u, u.headers, u.query(), u.trailer], ["status", "statusCode", "body", "readBody", "readJson", "writeBody", "writeJson", "redirect", "redirectPermanent", "query", "cookie", "get", "set", "forEach"]); u.status(200)`},
		"modules":  {"requestHandler", `await tryAll([{ ...dgate, sleep: 0, asyncSleep: 0 }, { ...crypto }, { ...util }], ["fail", "retry", ...Object.keys(crypto), "readWriteBody"])`},
		"objects":  {"requestHandler", `const r = await fetch("data:x").catch(e => e); await tryAll([{ fetch, atob, btoa, URL, URLSearchParams, TextEncoder, TextDecoder }, crypto.createHash("md5"), new URL("http://h/?a=b"), new URLSearchParams("a=b"), new TextEncoder(), new TextDecoder()], ["atob", "btoa", "URL", "URLSearchParams", "TextEncoder", "TextDecoder", "update", "digest", "encode", "encodeInto", "decode", "href", "host", "port", "search", "append", "set", "get", "sort", "forEach", "size", "toString"])`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, badInput+"export async function "+tt.hook+"(ctx) {\n"+tt.code+"\nif (calls < 100) throw new Error('only ' + calls) }", lim)
			vm := borrow(t, pool)
			s := newScope(httptest.NewRecorder(), post("body"))
			var err error
			if tt.hook == "requestHandler" {
				err = s.RequestHandler(vm)
			} else {
				resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: get()}
				err = s.ResponseModifier(vm, resp)
			}
			if err != nil {
				t.Errorf("%v\n%s", err, js.Errors(err)[0].Stack)
			}
		})
	}
}
