package adminext_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/adminext/admintest"
)

// someOfEverything is what most tests begin with.
var someOfEverything = []string{
	`PUT /dgate/api/v1/namespace {"name":"ns1"}`,
	`PUT /dgate/api/v1/service {"name":"svc1","namespace":"ns1","urls":["http://a"]}`,
	`PUT /dgate/api/v1/module {"name":"m1","namespace":"ns1","payload":"ZXhwb3J0IHt9"}`,
	`PUT /dgate/api/v1/route {"name":"r1","namespace":"ns1","paths":["/r1"],"methods":["GET"],"service":"svc1","modules":["m1"]}`,
}

// TestV1Answers has the samples of the original DGate, with its mistakes put right.
func TestV1Answers(t *testing.T) {
	const r1 = `{"name":"r1","paths":["/r1"],"methods":["GET"],"preserveHost":false,"stripPath":false,"service":"svc1","namespace":"ns1","modules":["m1"]}`
	const svc1 = `{"name":"svc1","urls":["http://a"],"namespace":"ns1","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`
	const s0 = `{"name":"s","urls":["http://a"],"namespace":"default","retries":0,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`
	tests := map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"namespaces":                 {"GET", "/namespace", "", 200, `{"count":2,"data":[{"name":"default","tags":["default"]},{"name":"ns1"}],"status_code":200}`},
		"a namespace":                {"GET", "/namespace/ns1", "", 200, `{"data":{"name":"ns1"},"status_code":200}`},
		"put namespace":              {"PUT", "/namespace", `{"name":"a","tags":["a","b"]}`, 201, `{"count":3,"data":[{"name":"a","tags":["a","b"]},{"name":"default","tags":["default"]},{"name":"ns1"}],"status_code":201}`},
		"put again":                  {"PUT", "/namespace", `{"name":"ns1"}`, 201, `{"count":2,"data":[{"name":"default","tags":["default"]},{"name":"ns1"}],"status_code":201}`},
		"put service":                {"PUT", "/service", `{"name":"s","urls":["http://a"],"retries":0}`, 201, `{"count":1,"data":[` + s0 + `],"status_code":201}`},
		"empty namespace":            {"PUT", "/service", `{"name":"s","urls":["http://a"],"retries":0,"namespace":""}`, 201, `{"count":1,"data":[` + s0 + `],"status_code":201}`},
		"unknown fields and case":    {"PUT", "/service", `{"NAME":"s","URLS":["http://a"],"Retries":0,"color":"red"}`, 201, `{"count":1,"data":[` + s0 + `],"status_code":201}`},
		"all service fields":         {"PUT", "/service", `{"name":"s","urls":["http://a"],"retryTimeout":"50ms","request_timeout_ms":5,"hideDGateHeaders":true,"disableQueryParams":true,"tags":["x"]}`, 201, `{"count":1,"data":[{"name":"s","urls":["http://a"],"namespace":"default","retries":3,"retryTimeout":50000000,"connectTimeout":0,"requestTimeout":5000000,"tlsSkipVerify":false,"http2Only":false,"hideDGateHeaders":true,"disableQueryParams":true,"tags":["x"]}],"status_code":201}`},
		"put route":                  {"PUT", "/route", `{"name":"r1","namespace":"ns1","paths":["/r1"],"methods":["GET"],"service":"svc1","modules":["m1","m1"]}`, 201, `{"count":1,"data":[` + r1 + `],"status_code":201}`},
		"put takes modules away":     {"PUT", "/route", `{"name":"r1","namespace":"ns1","paths":["/r1"],"methods":["GET"]}`, 201, `{"count":1,"data":[{"name":"r1","paths":["/r1"],"methods":["GET"],"preserveHost":false,"stripPath":false,"namespace":"ns1"}],"status_code":201}`},
		"put module":                 {"PUT", "/module", `{"name":"m","payload":"ZXhwb3J0IHt9"}`, 201, `{"count":1,"data":[{"name":"m","namespace":"default","payload":"ZXhwb3J0IHt9","moduleType":"typescript"}],"status_code":201}`},
		"list of routes":             {"GET", "/route?namespace=ns1", "", 200, `{"count":1,"data":[` + r1 + `],"status_code":200}`},
		"list of modules":            {"GET", "/module?namespace=ns1", "", 200, `{"count":1,"data":[{"name":"m1","namespace":"ns1","payload":"ZXhwb3J0IHt9","moduleType":"typescript"}],"status_code":200}`},
		"one route":                  {"GET", "/route/r1?namespace=ns1", "", 200, `{"data":` + r1 + `,"status_code":200}`},
		"empty list":                 {"GET", "/service", "", 200, `{"count":0,"data":[],"status_code":200}`},
		"empty list, as the CLI":     {"GET", "/service?namespace=", "", 200, `{"count":0,"data":[],"status_code":200}`},
		"of all namespaces":          {"GET", "/service?namespace=*", "", 200, `{"count":1,"data":[` + svc1 + `],"status_code":200}`},
		"absent":                     {"GET", "/route/zz", "", 404, `{"error":"route not found","status":404,"code":"not_found"}` + "\n"},
		"absent namespace":           {"GET", "/namespace/zz", "", 404, `{"error":"namespace not found","status":404,"code":"not_found"}` + "\n"},
		"one of no namespace":        {"GET", "/route/r1?namespace=zz", "", 404, `{"error":"route not found","status":404,"code":"not_found"}` + "\n"},
		"list of no namespace":       {"GET", "/route?namespace=zz", "", 400, `{"error":"namespace not found: zz","status":400,"code":"not_found"}` + "\n"},
		"delete route":               {"DELETE", "/route", `{"name":"r1","namespace":"ns1"}`, 202, ""},
		"delete the default":         {"DELETE", "/namespace", `{"name":"default","namespace":""}`, 202, ""},
		"delete a namespace in use":  {"DELETE", "/namespace", `{"name":"ns1"}`, 400, `{"error":"cannot delete namespace: ns1: routes still linked","status":400,"code":"in_use"}` + "\n"},
		"delete a service in use":    {"DELETE", "/service", `{"name":"svc1","namespace":"ns1"}`, 400, `{"error":"cannot delete service: svc1: routes still linked","status":400,"code":"in_use"}` + "\n"},
		"delete a module in use":     {"DELETE", "/module", `{"name":"m1","namespace":"ns1"}`, 400, `{"error":"cannot delete module: m1: routes still linked","status":400,"code":"in_use"}` + "\n"},
		"delete an absent route":     {"DELETE", "/route", `{"name":"zz"}`, 400, `{"error":"route not found: zz","status":400,"code":"not_found"}` + "\n"},
		"delete an absent service":   {"DELETE", "/service", `{"name":"zz"}`, 400, `{"error":"service not found: zz","status":400,"code":"not_found"}` + "\n"},
		"delete an absent module":    {"DELETE", "/module", `{"name":"zz"}`, 400, `{"error":"module not found: zz","status":400,"code":"not_found"}` + "\n"},
		"delete an absent namespace": {"DELETE", "/namespace", `{"name":"zz"}`, 400, `{"error":"namespace not found: zz","status":400,"code":"not_found"}` + "\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.setUp(t, someOfEverything...)
			got := s.send(t, tt.method, "/dgate/api/v1"+tt.path, tt.body)
			if got.status != tt.status {
				t.Errorf("status = %d, want %d", got.status, tt.status)
			}
			if diff := cmp.Diff(tt.want, bare(got.body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if want := "application/json"; got.body != "" && got.header.Get("Content-Type") != want {
				t.Errorf("Content-Type = %q", got.header.Get("Content-Type"))
			}
			if got.header.Get("X-Dgate-Index") == "" {
				t.Error("X-DGate-Index is missing")
			}
		})
	}
}

// TestV1Refusals has what a PUT is refused for, and that it changes nothing.
func TestV1Refusals(t *testing.T) {
	tests := map[string]struct {
		kind, body string
		want       string
		code       string
	}{
		"bad JSON":                {"namespace", `{"name":`, "error unmarshalling body: it ends too early at byte 8", "bad_request"},
		"no JSON":                 {"service", `hello`, "error unmarshalling body: invalid character 'h' looking for beginning of value at byte 0", "bad_request"},
		"no body":                 {"service", ``, "error unmarshalling body: it is empty; a JSON object is expected", "bad_request"},
		"a list":                  {"service", `[]`, "error unmarshalling body: a JSON object is expected", "bad_request"},
		"invalid UTF-8":           {"service", "{\"name\":\"\xff\"}", "error unmarshalling body: it is not valid UTF-8", "bad_request"},
		"more after it":           {"namespace", `{"name":"a"} {}`, "error unmarshalling body: there is more after the object, at byte 14", "bad_request"},
		"no name":                 {"namespace", `{}`, "name is required", "validation_failed"},
		"an impossible name":      {"namespace", `{"name":"a/b c"}`, "name may only have ASCII letters, digits, '.', '_' and '-'", "validation_failed"},
		"wrong type":              {"service", `{"name":"s","urls":"http://a","retries":"x"}`, "urls must be a list of strings; retries must be a whole number", "validation_failed"},
		"bad duration":            {"service", `{"name":"s","urls":["http://a"],"retryTimeout":"5"}`, `retryTimeout must be a number of nanoseconds or a duration such as "50ms"`, "validation_failed"},
		"no urls":                 {"service", `{"name":"s"}`, "urls are required", "validation_failed"},
		"all at once":             {"service", `{"namespace":"zz","urls":["a","ftp://b","http://h/%zz"],"retries":-1,"requestTimeout":-1}`, "name is required; urls[0] must begin with a scheme: http, https, h2c, ws or wss; urls[1] must have the scheme http, https, h2c, ws or wss; urls[2] must be an absolute URL such as http://10.0.0.1:8080; retries must be from 0 to 100; requestTimeout must not be negative", "validation_failed"},
		"with the namespace":      {"service", `{"name":"s","namespace":"zz","urls":["a"]}`, "urls[0] must begin with a scheme: http, https, h2c, ws or wss; namespace not found: zz", "validation_failed"},
		"unknown namespace":       {"service", `{"name":"s","namespace":"zz","urls":["http://a"]}`, "namespace not found: zz", "validation_failed"},
		"no methods":              {"route", `{"name":"r","paths":["/x"]}`, "route must have at least one method", "validation_failed"},
		"unknown method":          {"route", `{"name":"r","paths":["/x"],"methods":["get"]}`, "unsupported method: get", "validation_failed"},
		"star and more":           {"route", `{"name":"r","paths":["/x"],"methods":["*","GET"]}`, "route methods cannot have other methods with *", "validation_failed"},
		"no paths":                {"route", `{"name":"r","methods":["GET"]}`, "paths are required", "validation_failed"},
		"no slash":                {"route", `{"name":"r","paths":["x"],"methods":["GET"]}`, "paths[0] is not a valid pattern: chi: routing pattern must begin with '/' in 'x'", "validation_failed"},
		"unknown service, module": {"route", `{"name":"r","paths":["/x"],"methods":["GET"],"service":"s","modules":["m"]}`, "service not found: s; module not found: m", "validation_failed"},
		"of another namespace":    {"route", `{"name":"r","paths":["/x"],"methods":["GET"],"service":"svc1","modules":["m1"]}`, "service not found: svc1; module not found: m1", "validation_failed"},
		"no payload":              {"module", `{"name":"m"}`, "payload is required", "validation_failed"},
		"bad base64":              {"module", `{"name":"m","payload":"!"}`, "payload must be base64 (standard alphabet, padded)", "validation_failed"},
		"a star as namespace":     {"service", `{"name":"s","namespace":"*","urls":["http://a"]}`, "namespace must begin with a letter or a digit", "validation_failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.setUp(t, someOfEverything...)
			before := s.Index()
			got := s.send(t, "PUT", "/dgate/api/v1/"+tt.kind, tt.body)
			refused := readError(t, got)
			if got.status != 400 || refused.Status != 400 || refused.Code != tt.code {
				t.Errorf("status %d, %d in the body, code %s; want 400 and %s", got.status, refused.Status, refused.Code, tt.code)
			}
			if diff := cmp.Diff(tt.want, refused.Error); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if after := s.Index(); after != before {
				t.Errorf("the state changed: %d to %d", before, after)
			}
		})
	}
}

func TestConflictOfRoutes(t *testing.T) {
	s := newServer(t)
	s.setUp(t, someOfEverything...)
	got := s.send(t, "PUT", "/dgate/api/v1/route", `{"name":"r2","namespace":"ns1","paths":["/r1"],"methods":["*"]}`)
	if refused := readError(t, got); got.status != 400 || refused.Error != "paths[0] GET /r1 is already claimed by route r1" {
		t.Errorf("%d %s", got.status, got.body)
	}
	s.setUp(t, `PUT /dgate/api/v1/route {"name":"r2","paths":["/r1"],"methods":["*"]}`) // in another namespace
}

func TestWithoutDefaultNamespace(t *testing.T) {
	s := newServer(t, func(a *admintest.App) { a.Namespace = "" })
	for _, request := range [][3]string{
		{"PUT", "/service", `{"name":"s","urls":["http://a"]}`},
		{"GET", "/service", ""},
		{"GET", "/service/s", ""},
		{"DELETE", "/service", `{"name":"s"}`},
	} {
		got := s.send(t, request[0], "/dgate/api/v1"+request[1], request[2])
		if refused := readError(t, got); got.status != 400 || refused.Error != "namespace is required" {
			t.Errorf("%s %s: %d %s", request[0], request[1], got.status, got.body)
		}
	}
	s.setUp(t, `PUT /dgate/api/v1/service {"name":"s","namespace":"default","urls":["http://a"]}`, `GET /dgate/api/v1/namespace`,
		`PUT /dgate/api/v1/domain {"name":"d","namespace":"default","patterns":["a.com"]}`)
	if got := s.send(t, "GET", "/dgate/api/v1/domain", ""); !strings.Contains(got.body, `"count":1`) {
		t.Errorf("domains are not listed without a namespace: %s", got.body)
	}
}

// TestV1Deletes has the statuses that scripts wait for.
func TestV1Deletes(t *testing.T) {
	s := newServer(t)
	s.setUp(t, someOfEverything...)
	for _, tt := range []struct {
		kind, name string
		status     int
	}{{"route", "r1", 202}, {"service", "svc1", 204}, {"module", "m1", 202}, {"namespace", "ns1", 202}} {
		got := s.send(t, "DELETE", "/dgate/api/v1/"+tt.kind, `{"name":"`+tt.name+`","namespace":"ns1"}`)
		if got.status != tt.status || got.body != "" {
			t.Errorf("delete %s: %d %q, want %d and nothing", tt.kind, got.status, got.body, tt.status)
		}
	}
}
