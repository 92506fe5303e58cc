package adminext_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

const (
	applyPath = "/dgate/api/v1/apply"
	planPath  = applyPath + "?dryRun=true"
)

// operations is the body of an apply.
func operations(ops ...string) string { return `{"operations":[` + strings.Join(ops, ",") + `]}` }

// actions are what an apply, or a dry run, says about each operation.
func actions(t *testing.T, got answer) (all []string) {
	t.Helper()
	var body struct {
		Data struct {
			Results []struct {
				Kind   string
				Key    map[string]string
				Action string
				Fields []struct{ Field string }
			}
		}
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for _, r := range body.Data.Results {
		text := r.Action + " " + r.Kind + " " + r.Key["namespace"] + "/" + r.Key["collection"] + r.Key["id"] + r.Key["name"]
		for _, f := range r.Fields {
			text += " " + f.Field
		}
		all = append(all, text)
	}
	return all
}

func TestApply(t *testing.T) {
	s := newServer(t)
	all := operations(
		`{"kind":"route","put":{"name":"r","paths":["/r"],"methods":["GET"],"service":"s","namespace":"n"}}`,
		`{"kind":"namespace","put":{"name":"n"},"ifVersion":0}`,
		`{"kind":"service","put":{"name":"s","namespace":"n","urls":["http://a"]}}`,
		`{"kind":"secret","put":{"name":"k","data":"hunter2"}}`,
		`{"kind":"collection","put":{"name":"c"}}`,
		`{"kind":"document","put":{"id":"d","collection":"c","data":{"b":1,"a":1.0}}}`,
	)
	created := []string{"created route n/r", "created namespace /n", "created service n/s", "created secret default/k", "created collection default/c", "created document default/cd"}
	if diff := cmp.Diff(created, actions(t, s.send(t, "POST", planPath, all))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if got := s.send(t, "GET", "/dgate/api/v1/namespace/n", ""); got.status != 404 {
		t.Errorf("a plan has changed something: %s", got.body)
	}
	if diff := cmp.Diff(created, actions(t, s.send(t, "POST", applyPath, all))); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	again := strings.Replace(all, `"ifVersion":0`, `"ifVersion":null`, 1)
	for _, path := range []string{planPath, applyPath} {
		for _, action := range actions(t, s.send(t, "POST", path, again)) {
			if !strings.HasPrefix(action, "unchanged ") || strings.Count(action, " ") != 2 {
				t.Errorf("%s again: %s", path, action)
			}
		}
	}
	next := operations(
		`{"kind":"service","delete":{"namespace":"n","name":"s"}}`,
		`{"kind":"route","put":{"name":"r","paths":["/r"],"methods":["GET","PUT"],"namespace":"n","stripPath":true}}`,
		`{"kind":"secret","put":{"name":"k","data":"hunter3","tags":["a"]}}`,
		`{"kind":"document","delete":{"id":"d","collection":"c"}}`,
		`{"kind":"collection","delete":{"name":"c"}}`,
	)
	want := []string{"deleted service n/s", "changed route n/r methods stripPath service", "changed secret default/k data tags", "deleted document default/cd", "deleted collection default/c"}
	got := s.send(t, "POST", planPath, next)
	if diff := cmp.Diff(want, actions(t, got)); diff != "" || strings.Contains(got.body, "hunter") {
		t.Errorf("plan (-want +got):\n%s\n%s", diff, got.body)
	}
	if !strings.Contains(got.body, `{"field":"methods","old":["GET"],"new":["GET","PUT"]}`) {
		t.Errorf("the plan has no values: %s", got.body)
	}
	got = s.send(t, "POST", applyPath, next)
	if actions(t, got); got.header.Get("X-DGate-Index") == "0" {
		t.Errorf("applied: %v", got.header)
	}
	if got := s.send(t, "GET", "/dgate/api/v1/service/n/s", ""); got.status != 404 {
		t.Errorf("not deleted: %s", got.body)
	}
}

func TestApplyMistakes(t *testing.T) {
	const service = `{"kind":"service","put":{"name":"s","urls":["http://a"]}}`
	tests := map[string]struct {
		body   string
		code   string
		fields []string
		text   string
	}{
		"nothing":            {body: ``, code: "bad_request", text: "it ends too early"},
		"a list":             {body: `[]`, code: "bad_request", text: "a JSON object is expected"},
		"no operations":      {body: `{}`, code: "validation_failed", fields: []string{"operations"}},
		"an unknown member":  {body: `{"operation":[]}`, code: "bad_request", text: `unknown field "operation"`},
		"more than one":      {body: operations(service) + "{}", code: "bad_request", text: "there is more after the object"},
		"not UTF-8":          {body: "{\"\xff\":1}", code: "bad_request", text: "not valid UTF-8"},
		"brackets":           {body: strings.Repeat("[", 1<<20), code: "bad_request", text: "exceeded max depth"},
		"deep in a resource": {body: operations(`{"kind":"document","put":{"id":"a","collection":"c","data":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}}`), code: "validation_failed", fields: []string{"operations[0].put"}},
		"of several kinds of mistakes": {
			body: operations(`{"kind":"srvice","put":{}}`, `{"kind":"service","put":{"urls":[1],"retires":2}}`, `{"kind":"service"}`, `{"kind":"service","put":{},"delete":{}}`,
				`{"kind":"service","delete":{"name":"a/b"}}`, `{"kind":"service","delete":{"id":"a"}}`, `{"ifVersion":"1"}`, `null`, service, service),
			code: "validation_failed",
			fields: []string{
				"operations[0].kind", "operations[1].put.urls", "operations[1].put.retires", "operations[2]", "operations[3]",
				"operations[4].delete.name", "operations[5].delete", "operations[6].ifVersion", "operations[7].kind", "operations[9]",
			},
		},
		"a kind with a slip": {body: operations(`{"kind":"srvice","put":{}}`), code: "validation_failed", fields: []string{"operations[0].kind"}, text: "is not a kind of resource; did you mean service?"},
		"the name of a list": {body: operations(`{"kind":"services","put":{}}`), code: "validation_failed", fields: []string{"operations[0].kind"}, text: "did you mean service?"},
		"another word":       {body: operations(`{"kind":"upstream-pool","put":{}}`), code: "validation_failed", fields: []string{"operations[0].kind"}, text: "; the kinds are namespace, service, module, route, domain, collection, document, secret"},
		"of the resources themselves": {
			body:   operations(`{"kind":"service","put":{"name":"s","urls":["ftp://a"]}}`, `{"kind":"route","put":{"name":"r","paths":["/"],"methods":["get"]}}`),
			code:   "validation_failed",
			fields: []string{"operations[0].put.urls[0]", "operations[1].put.methods[0]"},
			text:   "service default/s: urls[0] must have the scheme",
		},
		"of what they refer to": {
			body:   operations(service, `{"kind":"route","put":{"name":"r","paths":["/"],"methods":["GET"],"service":"none","modules":["none"]}}`),
			code:   "validation_failed",
			fields: []string{"operations[1].put.service", "operations[1].put.modules[0]"},
			text:   "route default/r: service not found: none",
		},
		"a secret without a value":  {body: operations(service, `{"kind":"secret","put":{"name":"k","data":"**redacted**"}}`), code: "validation_failed", fields: []string{"operations[1].put.data"}},
		"a version that is past":    {body: operations(service, `{"kind":"namespace","put":{"name":"default"},"ifVersion":77}`), code: "precondition_failed", text: "namespace default: namespace default is at version"},
		"what is there":             {body: operations(`{"kind":"namespace","put":{"name":"default"},"ifVersion":0}`), code: "precondition_failed", text: "exists already"},
		"a delete of nothing":       {body: operations(service, `{"kind":"route","delete":{"name":"r"}}`), code: "not_found", text: "route not found: r"},
		"a delete of what is used":  {body: operations(service, `{"kind":"namespace","delete":{"name":"default"}}`), code: "in_use", text: "cannot delete namespace: default"},
		"more than one change has":  {body: operations(strings.Split(strings.TrimSuffix(strings.Repeat("{} ", state.MaxOps+1), " "), " ")...), code: "too_large", text: "at most 10000 operations can be applied at once; apply"},
		"no list":                   {body: `{"operations":{}}`, code: "validation_failed", fields: []string{"operations"}, text: "operations must be a list"},
		"more than a body may have": {body: strings.Repeat(" ", 33<<20), code: "too_large", text: "apply the resources in several parts"},
	}
	s := newServer(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{planPath, applyPath} {
				got := readError(t, s.send(t, "POST", path, tt.body))
				var fields []string
				for _, f := range got.Fields {
					fields = append(fields, f.Field)
				}
				if got.Code != tt.code || !strings.Contains(got.Error, tt.text) {
					t.Errorf("%s %s", got.Code, got.Error)
				}
				if diff := cmp.Diff(tt.fields, fields); diff != "" {
					t.Errorf("fields (-want +got):\n%s\n%s", diff, got.Error)
				}
			}
			if got := s.send(t, "GET", "/dgate/api/v1/service/default/s", ""); got.status != 404 {
				t.Errorf("something was stored: %s", got.body)
			}
		})
	}
	if got := s.send(t, "POST", applyPath+"?dryRun=maybe", operations(service)); got.status != 400 {
		t.Errorf("a dry run, maybe: %d %s", got.status, got.body)
	}
	if got := s.send(t, "GET", applyPath, ""); got.status != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("read: %d %s", got.status, got.body)
	}
}

// TestApplyRace: of two that have made the same plan, one is refused, and it has changed nothing.
func TestApplyRace(t *testing.T) {
	s := newServer(t)
	for round := range 5 {
		name := fmt.Sprintf("s%d", round)
		answers := make([]answer, 2)
		var both sync.WaitGroup
		for i := range answers {
			both.Go(func() {
				answers[i] = s.send(t, "POST", applyPath, operations(
					fmt.Sprintf(`{"kind":"service","put":{"name":%q,"urls":["http://%d"]},"ifVersion":0}`, name, i),
					fmt.Sprintf(`{"kind":"namespace","put":{"name":"%s-%d"},"ifVersion":0}`, name, i),
				))
			})
		}
		both.Wait()
		won := 0
		if answers[0].status != 200 {
			won = 1
		}
		if answers[won].status != 200 || answers[1-won].status != 412 {
			t.Fatalf("%d %s\n%d %s", answers[0].status, answers[0].body, answers[1].status, answers[1].body)
		}
		if got := s.send(t, "GET", fmt.Sprintf("/dgate/api/v1/namespace/%s-%d", name, 1-won), ""); got.status != 404 {
			t.Errorf("the loser has changed something: %d %s", got.status, got.body)
		}
	}
}

// TestLargeApply is larger than a log entry, and nearly as large as a change may be.
func TestLargeApply(t *testing.T) {
	s := newServer(t)
	var ops []string
	for i := range 4 {
		source := base64Of(strings.Repeat("/", resource.MaxModuleSize-i))
		ops = append(ops, fmt.Sprintf(`{"kind":"module","put":{"name":"m%d","payload":%q}}`, i, source))
	}
	if got := s.send(t, "POST", applyPath, operations(ops...)); got.status != 200 {
		t.Fatalf("%d %.200s", got.status, got.body)
	}
	if got := s.send(t, "GET", "/dgate/api/v1/module/default/m3", ""); got.status != 200 {
		t.Errorf("%d %.200s", got.status, got.body)
	}
}

// FuzzApply: whatever the body, the answer is JSON; what a dry run says will happen does.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		operations(), operations(`{"kind":"namespace","put":{"name":"n"}}`, `{"kind":"namespace","delete":{"name":"n"}}`),
		operations(`{"kind":"route","put":{"name":"r","paths":["/r"],"methods":["GET"],"service":"s"}}`, `{"kind":"service","put":{"name":"s","urls":["http://a"]}}`),
		operations(`{"kind":"document","delete":{"id":"d","collection":"c"},"ifVersion":3}`, `{"kind":"collection","put":{"name":"c","schema":{}}}`),
		`{"operations":[{"kind":"service","put":null,"delete":null}]}`, `{"operations":{}}`, `{"operations":[[]]}`, `[`, "\xff",
	} {
		f.Add(seed)
	}
	app := admintest.New(f)
	handler := app.Handler()
	post := func(t *testing.T, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		if w.Code != http.StatusOK {
			readError(t, answer{status: w.Code, body: w.Body.String()})
		}
		return w
	}
	f.Fuzz(func(t *testing.T, body string) {
		plan := post(t, planPath, body)
		done := post(t, applyPath, body)
		if plan.Code != done.Code {
			t.Errorf("%q: the dry run said %d %s, and it became %d %s", body, plan.Code, plan.Body, done.Code, done.Body)
		}
		if done.Code >= http.StatusInternalServerError {
			t.Errorf("%q: %d %s", body, done.Code, done.Body)
		}
	})
}
