package hook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/hook"
	"github.com/dgate-io/caddy-dgate/internal/js"
)

// TestEveryMethod calls each method of each object once, and fails for one that it does not know.
func TestEveryMethod(t *testing.T) {
	tests := map[string]map[string]struct{ code, want string }{
		"ctx": {
			"get":                    {`return ctx.get("none")`, `null`},
			"set":                    {`ctx.set("k", [1]); return ctx.get("k")`, `[1]`},
			"response":               {`return ctx.response() === ctx.response()`, `true`},
			"upstream":               {`return ctx.upstream()`, `null`},
			"query":                  {`return ctx.query() === ctx.request().query`, `true`},
			"service":                {`return ctx.service().name`, `"svc"`},
			"route":                  {`return ctx.route().paths`, `["/t/{id}/*"]`},
			"namespace":              {`return ctx.namespace()`, `{"name":"ns","tags":["a","b"]}`},
			"pathParam":              {`return ctx.pathParam("*")`, `"a/b"`},
			"pathParams":             {`return ctx.pathParams()`, `{"id":"7","*":"a/b"}`},
			"queryParam":             {`return ctx.queryParam("z")`, `" x"`},
			"waitUntil":              {`try { ctx.waitUntil(1) } catch (e) { return e.name }`, `"TypeError"`},
			"passThroughOnException": {`return ctx.passThroughOnException() === undefined`, `true`},
			"status":                 {`return ctx.status(404).statusCode`, `404`},
			"setStatus":              {`return ctx.setStatus(404).statusCode`, `404`},
			"json":                   {`return ctx.json(1).headers.get("content-type")`, `"application/json"`},
			"send":                   {`return ctx.send("x").headersSent`, `true`},
			"write":                  {`return ctx.write("x").headersSent`, `true`},
			"redirect":               {`ctx.redirect("/x", 302); return s.headers.get("location")`, `"/x"`},
			"setHeader":              {`ctx.setHeader("x-a", 1); return s.headers.get("x-a")`, `"1"`},
		},
		"request": {
			"readBody":  {`return q.readBody().byteLength`, `7`},
			"readJson":  {`return q.readJson()`, `{"b":1}`},
			"writeBody": {`q.writeBody("x"); return [q.body, q.contentLength]`, `["x",1]`},
			"writeJson": {`q.writeJson([1]); return [q.body, q.headers.get("content-type")]`, `["[1]","application/json"]`},
		},
		"response": {
			"status":            {`return s.status(404).statusCode`, `404`},
			"send":              {`return s.send("x").headersSent`, `true`},
			"end":               {`return s.end().headersSent`, `true`},
			"json":              {`return s.json(1).headers.get("content-type")`, `"application/json"`},
			"location":          {`return s.location("/x").headers.get("location")`, `"/x"`},
			"redirect":          {`s.redirect("/x"); return s.statusCode`, `307`},
			"redirectPermanent": {`s.redirectPermanent("/x"); return s.statusCode`, `301`},
			"cookie":            {`return s.cookie("a", "b", { sameSite: "None", secure: true }).headers.get("set-cookie")`, `"a=b; Secure; SameSite=None"`},
			"getCookie":         {`return s.getCookie("l").value`, `"m"`},
			"getCookies":        {`return s.getCookies()[0]`, `{"name":"k","value":"v","path":"","domain":"","maxAge":0,"secure":false,"httpOnly":false,"sameSite":"","expires":null}`},
		},
		"upstream": {
			"readBody":          {`return (await u.readBody()).byteLength`, `8`},
			"readJson":          {`return await u.readJson()`, `{"up":1}`},
			"writeBody":         {`return u.writeBody("x").contentLength`, `1`},
			"writeJson":         {`return u.writeJson([1]).headers.get("content-type")`, `"application/json"`},
			"status":            {`return u.status(404).statusText`, `"404 Not Found"`},
			"redirect":          {`u.redirect("/x"); return [u.statusCode, u.headers.location]`, `[307,"/x"]`},
			"redirectPermanent": {`u.redirectPermanent("/x"); return u.statusCode`, `301`},
			"query":             {`return u.query().get("q")`, `"1"`},
			"cookie":            {`return u.cookie().map(c => [c.name, c.value, c.path, c.sameSite])`, `[["c","v","/p","lax"]]`},
		},
		"query": {
			"get":      {`return ctx.query().get("q")`, `"1"`},
			"getAll":   {`return ctx.query().getAll("q")`, `["1","2"]`},
			"values":   {`return ctx.query().values()`, `["1","2"," x"]`},
			"set":      {`ctx.query().set("q", 3); return ctx.query()`, `{"q":"3","z":" x"}`},
			"add":      {`ctx.query().add("n", 3); return ctx.query().n`, `"3"`},
			"append":   {`ctx.query().append("q", 3); return ctx.query().getAll("q")`, `["1","2","3"]`},
			"del":      {`ctx.query().del("q"); return ctx.query()`, `{"z":" x"}`},
			"delete":   {`ctx.query().delete("q"); return ctx.query()`, `{"z":" x"}`},
			"has":      {`return [ctx.query().has("q"), ctx.query().has("n")]`, `[true,false]`},
			"encode":   {`return ctx.query().encode()`, `"q=1&q=2&z=+x"`},
			"toString": {`return String(ctx.query())`, `"q=1&q=2&z=+x"`},
			"toJSON":   {`return ctx.query().toJSON()`, `{"q":"1","z":" x"}`},
			"keys":     {`return ctx.query().keys()`, `["q","z"]`},
			"entries":  {`return ctx.query().entries()`, `[["q","1"],["q","2"],["z"," x"]]`},
			"forEach":  {`let l = []; ctx.query().forEach((v, k, q) => l.push(k + v + q.has(k))); return l`, `["q1true","q2true","z xtrue"]`},
		},
		"record": {
			"getName": {`return [ctx.service().getName(), ctx.route().getName(), ctx.namespace().getName()]`, `["svc","rt","ns"]`},
		},
	}
	methods := hook.Methods()
	for object, calls := range tests {
		for name, tt := range calls {
			t.Run(object+"."+name, func(t *testing.T) {
				t.Parallel()
				if diff := cmp.Diff(tt.want, result(t, object == "upstream", tt.code)); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
			})
		}
	}
	for object, names := range methods {
		for _, name := range names {
			if _, ok := tests[object][name]; !ok {
				t.Errorf("%s.%s is not tested", object, name)
			}
		}
	}
}

// result runs a snippet as a requestModifier, or as a responseModifier, and returns the JSON of what it returns.
func result(t *testing.T, upstream bool, code string) string {
	pool := newPool(t, `async function snippet(ctx) { const q = ctx.request(), s = ctx.response(), u = ctx.upstream();`+code+`}
const keep = async (ctx) => ctx.set("result", JSON.stringify(await snippet(ctx)));
export const requestModifier = keep, responseModifier = keep, errorHandler = (ctx, e) => { throw ctx.get("result") ?? e };`, js.Limits{})
	vm := borrow(t, pool)
	r := httptest.NewRequest(http.MethodPost, "http://example.com/t/7/a/b?q=1&q=2&z=+x", strings.NewReader(`{"b":1}`))
	r.Header.Set("Cookie", "k=v; l=m")
	s := newScope(httptest.NewRecorder(), r)
	var err error
	if upstream {
		err = s.ResponseModifier(vm, &http.Response{
			StatusCode: 200, Request: r, Body: io.NopCloser(strings.NewReader(`{"up":1}`)),
			Header: http.Header{"Set-Cookie": {"c=v; Path=/p; SameSite=Lax"}},
		})
	} else {
		_, err = s.RequestModifier(vm)
	}
	if err != nil {
		return err.Error()
	}
	_, err = s.ErrorHandler(vm, io.EOF)
	return failure(err)
}
