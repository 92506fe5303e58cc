package tests

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// refusal is a request to the admin API that must be refused, and how.
type refusal struct {
	method, path string // PUT; below /dgate/api/v1/
	body         string
	header       http.Header
	status       int // 400
	code         string
	fields       []string // that are wrong, in order
	says         string   // a part of the message
}

// refusals are what the original DGate refused (sections 1.4 and 1.6 of its reference), what it took and should
// not have taken, and what made it stop (section 0.1). It is no variable because this binary is also the
// Caddy of all tests, which would carry it around.
func refusals() map[string]refusal {
	return map[string]refusal{
		"an empty body":                     {path: "service", code: "bad_request", says: "error unmarshalling body: it is empty"},
		"no JSON":                           {path: "service", body: `{"name":`, code: "bad_request", says: "ends too early at byte 8"},
		"a comma too many":                  {path: "service", body: `{"name":"x",}`, code: "bad_request", says: "at byte 12"},
		"a list":                            {path: "namespace", body: `[]`, code: "bad_request", says: "a JSON object is expected"},
		"null":                              {path: "namespace", body: `null`, code: "bad_request", says: "a JSON object is expected"},
		"two objects":                       {path: "namespace", body: `{"name":"x"}{"name":"y"}`, code: "bad_request", says: "more after the object"},
		"not UTF-8":                         {path: "namespace", body: "{\"name\":\"x\xff\"}", code: "bad_request", says: "not valid UTF-8"},
		"a member twice":                    {path: "service", body: `{"name":"x","urls":["http://a"],"urls":["http://b"]}`, code: "validation_failed", fields: []string{"urls"}, says: "urls is given twice"},
		"a member twice, spelled otherwise": {path: "service", body: `{"name":"x","urls":["http://a"],"retryTimeout":1,"retry_timeout_ms":2}`, code: "validation_failed", fields: []string{"retry_timeout_ms"}, says: "the same as retryTimeout"},
		"a member twice, in other case":     {path: "service", body: `{"name":"x","urls":["http://a"],"NAME":"y"}`, code: "validation_failed", fields: []string{"NAME"}},
		"deep brackets":                     {path: "collection", body: `{"name":"x","schema":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, code: "bad_request", says: "nested deeper than 64"},
		"20 MB of brackets":                 {path: "collection", body: strings.Repeat("[", 20<<20), status: 413, code: "too_large", says: "larger than 1572864 bytes"},
		"brackets up to the limit":          {path: "route", body: strings.Repeat("[", 1<<20), code: "bad_request", says: "nested deeper than 64"},
		"a module of 20 MB":                 {path: "module", body: `{"name":"x","payload":"` + strings.Repeat("A", 20<<20) + `"}`, status: 413, code: "too_large", says: "at most 4 MiB"},
		"a document of 20 MB":               {path: "document/default/c/x", body: `"` + strings.Repeat("A", 20<<20) + `"`, status: 413, code: "too_large"},
		"nulls are absent":                  {path: "service", body: `{"name":null,"urls":null,"tags":null,"retries":null}`, code: "validation_failed", fields: []string{"name", "urls"}, says: "name is required; urls are required"},
		"wrong types, all at once":          {path: "service", body: `{"name":7,"urls":"a","retries":"3","tlsSkipVerify":1,"tags":[1],"retryTimeout":true}`, code: "validation_failed", fields: []string{"name", "urls", "retries", "tlsSkipVerify", "tags", "retryTimeout"}, says: "urls must be a list of strings"},
		"a null in a list":                  {path: "service", body: `{"name":"x","urls":[null]}`, code: "validation_failed", fields: []string{"urls[0]"}},
		"unknown members":                   {path: "service/default/x", body: `{"url":["http://a"],"retires":1}`, code: "validation_failed", fields: []string{"url", "retires"}, says: "did you mean urls?"},
		"members of another case":           {path: "service/default/x", body: `{"URLs":["http://a"]}`, code: "validation_failed", fields: []string{"URLs"}, says: "did you mean urls?"},

		"a namespace without a name":   {path: "namespace", body: `{}`, code: "validation_failed", fields: []string{"name"}, says: "name is required"},
		"a name with spaces":           {path: "namespace", body: `{"name":"a/b c é"}`, code: "validation_failed", fields: []string{"name"}},
		"an empty name":                {path: "service", body: `{"name":"","urls":["http://a"]}`, code: "validation_failed", fields: []string{"name"}},
		"a name that is too long":      {path: "namespace", body: `{"name":"` + strings.Repeat("n", 129) + `"}`, code: "validation_failed", fields: []string{"name"}, says: "128"},
		"another name than the path's": {path: "namespace/x", body: `{"name":"y"}`, code: "validation_failed", fields: []string{"name"}, says: "not the one in the path"},
		"a service without urls":       {path: "service", body: `{"name":"x"}`, code: "validation_failed", fields: []string{"urls"}, says: "urls are required"},
		"urls that are none":           {path: "service", body: `{"name":"x","urls":["a","http://","ftp://h","http://h/%zz","http://h:99999"]}`, code: "validation_failed", fields: []string{"urls[0]", "urls[1]", "urls[2]", "urls[3]", "urls[4]"}},
		"negative numbers":             {path: "service", body: `{"name":"x","urls":["http://a"],"retries":-1,"retryTimeout":-1,"connectTimeout":-1,"requestTimeout":-1}`, code: "validation_failed", fields: []string{"retries", "retryTimeout", "connectTimeout", "requestTimeout"}},
		"numbers beyond all bounds":    {path: "service", body: `{"name":"x","urls":["http://a"],"retries":101,"retryTimeout":9223372036854775808,"connectTimeout":1e400,"requestTimeout":"1e99h"}`, code: "validation_failed", fields: []string{"retryTimeout", "connectTimeout", "requestTimeout", "retries"}},
		"half a retry":                 {path: "service", body: `{"name":"x","urls":["http://a"],"retries":1.5}`, code: "validation_failed", fields: []string{"retries"}, says: "a whole number"},
		"a service of nowhere":         {path: "service", body: `{"name":"x","namespace":"no","urls":["http://a"]}`, code: "validation_failed", fields: []string{"namespace"}, says: "namespace not found: no"},
		"a proxy of anything":          {path: "service/default/x", body: `{"urls":["http://a"],"proxy":{"upstreams":[]}}`, code: "validation_failed"},

		"a route without anything":    {path: "route", body: `{"name":"x"}`, code: "validation_failed", fields: []string{"paths", "methods"}},
		"a route of no service":       {path: "route", body: `{"name":"x","paths":["/x"],"methods":["GET"],"service":"no"}`, code: "validation_failed", fields: []string{"service"}, says: "service not found: no"},
		"a route of no module":        {path: "route", body: `{"name":"x","paths":["/x"],"methods":["GET"],"modules":["no"]}`, code: "validation_failed", fields: []string{"modules[0]"}, says: "module not found: no"},
		"a method in lower case":      {path: "route", body: `{"name":"x","paths":["/x"],"methods":["get"]}`, code: "validation_failed", fields: []string{"methods[0]"}, says: "unsupported method: get"},
		"a method beside the star":    {path: "route", body: `{"name":"x","paths":["/x"],"methods":["GET","*"]}`, code: "validation_failed", fields: []string{"methods"}, says: "route methods cannot have other methods with *"},
		"patterns that are none":      {path: "route", body: `{"name":"x","paths":["x","/{id","/*/x","/{a:[}","/{id}/{id}",""],"methods":["GET"]}`, code: "validation_failed", fields: []string{"paths[0]", "paths[1]", "paths[2]", "paths[3]", "paths[4]", "paths[5]"}, says: "chi: routing pattern must begin with '/' in 'x'"},
		"a path that another has":     {path: "route", body: `{"name":"x","paths":["/r"],"methods":["GET"]}`, code: "validation_failed", fields: []string{"paths[0]"}, says: "GET /r is already claimed by route r"},
		"a module without payload":    {path: "module", body: `{"name":"x"}`, code: "validation_failed", fields: []string{"payload"}, says: "payload is required"},
		"a payload that is no base64": {path: "module", body: `{"name":"x","payload":"%%%"}`, code: "validation_failed", fields: []string{"payload"}, says: "base64"},
		"code that does not parse":    {path: "module", body: moduleBody("x", `export const requestHandler = (`), code: "validation_failed", fields: []string{"payload"}},
		"code that throws":            {path: "module", body: moduleBody("x", `throw new Error("at load")`), code: "validation_failed", fields: []string{"payload"}, says: "at load"},
		"code that does not end":      {path: "module", body: moduleBody("x", `for (;;);`), code: "validation_failed", fields: []string{"payload"}},
		"a hook that is no function":  {path: "module", body: moduleBody("x", `export const requestHandler = 7`), code: "validation_failed", fields: []string{"payload"}, says: "requestHandler"},
		"code of brackets":            {path: "module", body: moduleBody("x", strings.Repeat("[", 1<<20)), code: "validation_failed", fields: []string{"payload"}},
		"a change that breaks routes": {path: "module", body: moduleBody("m", `export const requestHandler = 7`), code: "validation_failed", fields: []string{"payload"}},
		"an unknown type of module":   {path: "module", body: `{"name":"x","payload":"MQ==","moduleType":"python"}`, code: "validation_failed", fields: []string{"moduleType"}},

		"a domain without patterns":     {path: "domain", body: `{"name":"x"}`, code: "validation_failed", fields: []string{"patterns"}},
		"patterns of hosts that are no": {path: "domain", body: `{"name":"x","patterns":["","/[/","a b"]}`, code: "validation_failed", fields: []string{"patterns[0]", "patterns[1]", "patterns[2]"}},
		"a certificate that is none":    {path: "domain", body: `{"name":"x","patterns":["a.example"],"cert":"x","key":"planted"}`, code: "validation_failed"},
		"a key that was never there":    {path: "domain", body: `{"name":"x","patterns":["a.example"],"key":"**redacted**"}`, code: "validation_failed"},

		"a schema that is none":         {path: "collection", body: `{"name":"x","schema":{"type":"zzz"}}`, code: "validation_failed", fields: []string{"schema.type"}},
		"a schema that is a string":     {path: "collection", body: `{"name":"x","schema":"zzz"}`, code: "validation_failed", fields: []string{"schema"}},
		"a schema from elsewhere":       {path: "collection", body: `{"name":"x","schema":{"$ref":"file:///etc/passwd"}}`, code: "validation_failed", fields: []string{"schema"}},
		"a collection of another kind":  {path: "collection", body: `{"name":"x","visibility":"secret","type":"table"}`, code: "validation_failed", fields: []string{"visibility", "type"}},
		"a schema under documents":      {path: "collection", body: `{"name":"c","schema":{"type":"string"}}`, code: "in_use", says: "cannot change while it holds documents"},
		"a document that does not fit":  {path: "document/default/c/x", body: `{"n":"one"}`, code: "validation_failed", fields: []string{"data.n"}},
		"a document of no collection":   {path: "document/x?collection=no", body: `{}`, status: 404, code: "not_found", says: "collection not found"},
		"a document without collection": {path: "document/x", body: `{}`, code: "validation_failed", fields: []string{"collection"}, says: "collection is required"},
		"a document that is no JSON":    {path: "document/default/c/x", body: `{"n":`, code: "bad_request"},
		"a number of a megabyte":        {path: "document/default/c/x", body: `{"n":` + strings.Repeat("1", 1<<20-10) + `}`, code: "validation_failed"},
		"a secret without data":         {path: "secret", body: `{"name":"x"}`, code: "validation_failed", fields: []string{"data"}},
		"a secret that was never there": {path: "secret", body: `{"name":"x","data":"**redacted**"}`, code: "validation_failed", fields: []string{"data"}},

		"removing a namespace in use":  {method: "DELETE", path: "namespace", body: `{"name":"default"}`, code: "in_use", says: "cannot delete namespace: default: routes still linked"},
		"removing a service in use":    {method: "DELETE", path: "service", body: `{"name":"s"}`, code: "in_use", says: "cannot delete service: s: routes still linked"},
		"removing a module in use":     {method: "DELETE", path: "module", body: `{"name":"m"}`, code: "in_use", says: "cannot delete module: m: routes still linked"},
		"removing a collection in use": {method: "DELETE", path: "collection/c", code: "in_use", says: "cannot delete collection: c: documents still linked"},
		"removing no namespace":        {method: "DELETE", path: "namespace", body: `{"name":"no"}`, code: "not_found", says: "namespace not found: no"},
		"removing no service":          {method: "DELETE", path: "service", body: `{"name":"no"}`, code: "not_found", says: "service not found: no"},
		"removing no route":            {method: "DELETE", path: "route", body: `{"name":"no"}`, code: "not_found", says: "route not found: no"},
		"removing no module":           {method: "DELETE", path: "module", body: `{"name":"no"}`, code: "not_found", says: "module not found: no"},
		"removing no secret":           {method: "DELETE", path: "secret", body: `{"name":"no"}`, code: "not_found", says: "secret not found: no"},
		"removing no domain":           {method: "DELETE", path: "domain", body: `{"name":"no"}`, status: 422, code: "not_found", says: "domain not found: no"},
		"removing no document":         {method: "DELETE", path: "document/no?collection=c", status: 404, code: "not_found"},
		"removing no item":             {method: "DELETE", path: "route/default/no", status: 404, code: "not_found"},
		"removing nothing":             {method: "DELETE", path: "route", body: `{}`, code: "validation_failed", fields: []string{"name"}},
		"creating what is there":       {path: "service/default/s", body: `{"urls":["http://a"]}`, header: http.Header{"If-None-Match": {"*"}}, status: 412, code: "precondition_failed"},
		"a kind that is none":          {path: "gadget", body: `{}`, status: 404, code: "not_found"},
		"a path that leads elsewhere":  {path: "service/default/%2e%2e", body: `{"urls":["http://a"]}`, code: "validation_failed"},
		"a method that is none":        {method: "PATCH", path: "service", body: `{}`, status: 405, code: "method_not_allowed"},

		"changing another version":      {path: "service/default/s", body: `{"urls":["http://a"]}`, header: http.Header{"If-Match": {`"1"`}}, status: 412, code: "precondition_failed"},
		"a page of another origin":      {path: "service/default/s", body: `{"urls":["http://a"]}`, header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, status: 403, code: "unauthorized"},
		"an index that is none":         {path: "service/default/s?index=x", body: `{"urls":["http://a"]}`, code: "bad_request"},
		"operations of no kind":         {method: "POST", path: "apply", body: `{"operations":[{"kind":"gadget","put":{}}]}`, code: "validation_failed", fields: []string{"operations[0].kind"}},
		"operations of which one fails": {method: "POST", path: "apply", body: `{"operations":[{"kind":"namespace","put":{"name":"x"}},{"kind":"route","put":{"name":"x"}}]}`, code: "validation_failed"},
		"an operation twice":            {method: "POST", path: "apply", body: `{"operations":[{"kind":"namespace","put":{"name":"x"}},{"kind":"namespace","put":{"name":"x"}}]}`, code: "validation_failed"},
		"20 MB of brackets to apply":    {method: "POST", path: "apply", body: strings.Repeat("[", 20<<20), code: "bad_request"},
	}
}

func moduleBody(name, code string) string {
	return fmt.Sprintf(`{"name":%q,"payload":%q}`, name, base64.StdEncoding.EncodeToString([]byte(code)))
}

// Nothing of a refused change is stored, requests are answered as before, and the next write works.
func TestRefusals(t *testing.T) {
	up := harness.NewUpstream(t, "up", harness.HTTP)
	g := startGateway(t, caddyfile)
	g.service("s", nil, up.URL)
	g.module("m", `export const responseModifier = (ctx) => ctx.upstream().headers.set("X-Module", "m")`)
	g.route("r", "s", "", fields{"modules": []string{"m"}})
	g.put("collection", "c", fields{"schema": fields{"type": "object", "properties": fields{"n": fields{"type": "number"}}}})
	g.put("document", "c/d", fields{"n": 1})
	hash := func() string {
		return g.do(harness.Request{URL: g.Admin + "/dgate/changelog"}).Body
	}
	writes := 0
	for name, tt := range refusals() {
		t.Run(name, func(t *testing.T) {
			g := &gateway{g.Caddy, t}
			before := hash()
			req := harness.Request{Method: http.MethodPut, URL: g.Admin + "/dgate/api/v1/" + tt.path, Header: tt.header, Body: strings.NewReader(tt.body)}
			if tt.method != "" {
				req.Method = tt.method
			}
			answer := g.do(req)
			var got struct {
				Error  string
				Status int
				Code   string
				Fields []struct{ Field, Problem, Value string }
			}
			if err := json.Unmarshal([]byte(answer.Body), &got); err != nil {
				t.Fatalf("%v: %s", err, answer)
			}
			want := tt.status
			if want == 0 {
				want = http.StatusBadRequest
			}
			if answer.Status != want || got.Status != want || got.Code != tt.code || !strings.Contains(got.Error, tt.says) || got.Error == "" {
				t.Errorf("%.1000s", answer)
			}
			var wrong []string
			for _, f := range got.Fields {
				wrong = append(wrong, f.Field)
			}
			if tt.fields != nil {
				if diff := cmp.Diff(tt.fields, wrong); diff != "" {
					t.Errorf("fields (-want +got):\n%s%.1000s", diff, answer)
				}
			}
			if len(answer.Body) > 4000 {
				t.Errorf("an answer of %d bytes", len(answer.Body))
			}
			if after := hash(); after != before {
				t.Errorf("%s became %s", before, after)
			}
			if a := g.do(harness.Request{URL: "/r?body=ok"}); a.Body != "ok" || a.Header.Get("X-Module") != "m" {
				t.Errorf("a request afterwards: %s", a)
			}
			g.service("next", fields{"tags": []string{fmt.Sprint("t", writes)}}, up.URL)
			writes++
		})
	}
}
