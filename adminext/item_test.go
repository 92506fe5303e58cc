package adminext_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestItems(t *testing.T) {
	const s = `{"name":"s","urls":["http://a"],"namespace":"ns1","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`
	tests := map[string]struct {
		method, path, body string
		status             int
		want               string
	}{
		"create":                {"PUT", "/service/ns1/s", `{"urls":["http://a"]}`, 201, `{"data":` + s + `,"status_code":201}`},
		"create, named twice":   {"PUT", "/service/ns1/s", `{"name":"s","namespace":"ns1","urls":["http://a"]}`, 201, `{"data":` + s + `,"status_code":201}`},
		"create a namespace":    {"PUT", "/namespace/ns2", `{"tags":["x"]}`, 201, `{"data":{"name":"ns2","tags":["x"]},"status_code":201}`},
		"replace":               {"PUT", "/namespace/ns1", `{"tags":["y"]}`, 200, `{"data":{"name":"ns1","tags":["y"]},"status_code":200}`},
		"get":                   {"GET", "/module/ns1/m1", "", 200, `{"data":{"name":"m1","namespace":"ns1","payload":"ZXhwb3J0IHt9","moduleType":"typescript"},"status_code":200}`},
		"absent":                {"GET", "/module/ns1/zz", "", 404, `{"error":"module not found","status":404,"code":"not_found"}` + "\n"},
		"delete":                {"DELETE", "/route/ns1/r1", "", 204, ""},
		"delete a namespace":    {"DELETE", "/namespace/default", "", 204, ""},
		"delete what is absent": {"DELETE", "/route/ns1/zz", "", 404, `{"error":"route not found: zz","status":404,"code":"not_found"}` + "\n"},
		"delete what is in use": {"DELETE", "/service/ns1/svc1", "", 400, `{"error":"cannot delete service: svc1: routes still linked","status":400,"code":"in_use"}` + "\n"},
		"another name":          {"PUT", "/service/ns1/s", `{"name":"t","namespace":"ns2","urls":["http://a"]}`, 400, `{"error":"namespace is not the one in the path; name is not the one in the path","status":400,"code":"validation_failed","fields":[{"field":"namespace","problem":"is not the one in the path","value":"ns2"},{"field":"name","problem":"is not the one in the path","value":"t"}]}` + "\n"},
		"unknown field":         {"PUT", "/service/ns1/s", `{"url":["http://a"],"color":"red"}`, 400, `{"error":"url is not a field of service; did you mean urls?; color is not a field of service; its fields are name, urls, namespace, retries, retryTimeout, connectTimeout, requestTimeout, tlsSkipVerify, http2Only, hideDGateHeaders, disableQueryParams, tags, proxy","status":400,"code":"validation_failed","fields":[{"field":"url","problem":"is not a field of service; did you mean urls?"},{"field":"color","problem":"is not a field of service; its fields are name, urls, namespace, retries, retryTimeout, connectTimeout, requestTimeout, tlsSkipVerify, http2Only, hideDGateHeaders, disableQueryParams, tags, proxy"}]}` + "\n"},
		"unknown namespace":     {"PUT", "/service/zz/s", `{"urls":["http://a"]}`, 400, `{"error":"namespace not found: zz","status":400,"code":"validation_failed","fields":[{"field":"namespace","problem":"namespace not found: zz","value":"zz"}]}` + "\n"},
		"quiet fields":          {"PUT", "/module/ns1/m", `{"payload":7}`, 400, `{"error":"payload must be base64 (standard alphabet, padded)","status":400,"code":"validation_failed","fields":[{"field":"payload","problem":"must be base64 (standard alphabet, padded)"}]}` + "\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t)
			srv.setUp(t, someOfEverything...)
			got := srv.send(t, tt.method, "/dgate/api/v1"+tt.path, tt.body)
			if got.status != tt.status {
				t.Errorf("status = %d, want %d", got.status, tt.status)
			}
			if diff := cmp.Diff(tt.want, bare(got.body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if hasTag := got.header.Get("ETag") != ""; hasTag != (got.status < 300 && got.body != "") {
				t.Errorf("ETag = %q", got.header.Get("ETag"))
			}
		})
	}
}

// TestRoundTrip puts back what was read.
func TestRoundTrip(t *testing.T) {
	s := newServer(t)
	s.setUp(t, someOfEverything...)
	s.setUp(t, `PUT /dgate/api/v1/collection/ns1/c {"schema":{"type":"object"}}`, `PUT /dgate/api/v1/secret/ns1/k {"data":"hunter2"}`)
	for _, path := range []string{"/namespace/ns1", "/service/ns1/svc1", "/module/ns1/m1", "/route/ns1/r1", "/collection/ns1/c", "/secret/ns1/k"} {
		before := s.send(t, "GET", "/dgate/api/v1"+path, "")
		object := strings.TrimSuffix(strings.TrimPrefix(before.body, `{"data":`), `,"status_code":200}`)
		put := s.send(t, "PUT", "/dgate/api/v1"+path, object)
		if diff := cmp.Diff(before.body, put.body); diff != "" || put.status != 200 {
			t.Errorf("%s: %d (-read +put back):\n%s", path, put.status, diff)
		}
		if put.header.Get("ETag") != before.header.Get("ETag") {
			t.Errorf("%s: the tag changed although nothing did", path)
		}
	}
}

func TestPreconditions(t *testing.T) {
	const current = `CURRENT` // replaced by the version of the resource
	tests := map[string]struct {
		method, name, header, value string
		status                      int
	}{
		"read, the same":              {"GET", "a", "If-None-Match", `"CURRENT"`, 304},
		"read, compressed on the way": {"GET", "a", "If-None-Match", `"CURRENT-gzip"`, 304},
		"read, zstd":                  {"GET", "a", "If-None-Match", `"CURRENT-zstd"`, 304},
		"read, br":                    {"GET", "a", "If-None-Match", `"CURRENT-br"`, 304},
		"read, weak":                  {"GET", "a", "If-None-Match", `W/"CURRENT"`, 304},
		"read, one of several":        {"GET", "a", "If-None-Match", `"1", "x" , "CURRENT"`, 304},
		"read, any":                   {"GET", "a", "If-None-Match", `*`, 304},
		"read, another":               {"GET", "a", "If-None-Match", `"1"`, 200},
		"read, no quotes":             {"GET", "a", "If-None-Match", `CURRENT`, 400},
		"read, half a quote":          {"GET", "a", "If-None-Match", `"CURRENT`, 400},
		"read, absent":                {"GET", "zz", "If-None-Match", `"1"`, 404},
		"read, match":                 {"GET", "a", "If-Match", `"CURRENT"`, 200},
		"read, no match":              {"GET", "a", "If-Match", `"1"`, 412},
		"create only, new":            {"PUT", "new", "If-None-Match", `*`, 201},
		"create only, there":          {"PUT", "a", "If-None-Match", `*`, 412},
		"not at, new":                 {"PUT", "new", "If-None-Match", `"1"`, 201},
		"not at, there":               {"PUT", "a", "If-None-Match", `"CURRENT"`, 412},
		"not at, another":             {"PUT", "a", "If-None-Match", `"1"`, 200},
		"replace only, new":           {"PUT", "new", "If-Match", `*`, 412},
		"replace only, there":         {"PUT", "a", "If-Match", `*`, 200},
		"at, there":                   {"PUT", "a", "If-Match", `"CURRENT"`, 200},
		"at, compressed on the way":   {"PUT", "a", "If-Match", `"CURRENT-gzip"`, 200},
		"at, weak":                    {"PUT", "a", "If-Match", `W/"CURRENT"`, 412},
		"at, another":                 {"PUT", "a", "If-Match", `"1"`, 412},
		"at, one of several":          {"PUT", "a", "If-Match", `"1", "CURRENT"`, 200},
		"at, none of several":         {"PUT", "a", "If-Match", `"1", "2"`, 412},
		"at, several, new":            {"PUT", "new", "If-Match", `"1", "2"`, 412},
		"at, not ours":                {"PUT", "a", "If-Match", `"abc"`, 412},
		"at, leading zeros":           {"PUT", "a", "If-Match", `"0CURRENT"`, 412},
		"at, empty":                   {"PUT", "a", "If-Match", ``, 412},
		"at, new":                     {"PUT", "new", "If-Match", `"1"`, 412},
		"delete, at":                  {"DELETE", "a", "If-Match", `"CURRENT"`, 204},
		"delete, another":             {"DELETE", "a", "If-Match", `"1"`, 412},
		"delete, absent":              {"DELETE", "zz", "If-Match", `"1"`, 412},
		"delete, absent, any":         {"DELETE", "zz", "If-Match", `*`, 412},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.setUp(t, `PUT /dgate/api/v1/namespace {"name":"b"}`, `PUT /dgate/api/v1/namespace {"name":"a"}`)
			version := strings.Trim(s.send(t, "GET", "/dgate/api/v1/namespace/a", "").header.Get("ETag"), `"`)
			before := s.Index()
			got := s.send(t, tt.method, "/dgate/api/v1/namespace/"+tt.name, `{"tags":["x"]}`,
				tt.header, strings.ReplaceAll(tt.value, current, version))
			if got.status != tt.status {
				t.Errorf("status = %d, want %d\n%s", got.status, tt.status, got.body)
			}
			if tt.status >= 400 {
				readError(t, got)
				if s.Index() != before {
					t.Error("a refused change reached the log")
				}
			}
			if tt.status == 304 && (got.body != "" || got.header.Get("ETag") == "") {
				t.Errorf("304 has body %q and tag %q", got.body, got.header.Get("ETag"))
			}
		})
	}
}

func TestBothPreconditions(t *testing.T) {
	s := newServer(t)
	got := s.send(t, "PUT", "/dgate/api/v1/namespace/a", `{}`, "If-Match", "*", "If-None-Match", "*")
	if refused := readError(t, got); got.status != 400 || refused.Code != "bad_request" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestV1Preconditions: nobody who sends a precondition may have it ignored.
func TestV1Preconditions(t *testing.T) {
	s := newServer(t)
	s.setUp(t, someOfEverything...)
	for _, tt := range []struct {
		method, path, body, header, value string
		status                            int
	}{
		{"PUT", "/namespace", `{"name":"ns1","tags":["x"]}`, "If-None-Match", "*", 412},
		{"PUT", "/namespace", `{"name":"zz"}`, "If-Match", "*", 412},
		{"DELETE", "/route", `{"name":"r1","namespace":"ns1"}`, "If-Match", `"1"`, 412},
	} {
		if got := s.send(t, tt.method, "/dgate/api/v1"+tt.path, tt.body, tt.header, tt.value); got.status != tt.status {
			t.Errorf("%s %s with %s: %s: %d %s", tt.method, tt.path, tt.header, tt.value, got.status, got.body)
		}
	}
	tag := s.send(t, "GET", "/dgate/api/v1/route/r1?namespace=ns1", "").header.Get("ETag")
	if got := s.send(t, "GET", "/dgate/api/v1/route/r1?namespace=ns1", "", "If-None-Match", tag); tag == "" || got.status != 304 {
		t.Errorf("v1 GET with its own tag %q: %d", tag, got.status)
	}
}
