package adminext_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// someDocuments is what tests of documents begin with.
var someDocuments = []string{
	`PUT /dgate/api/v1/namespace {"name":"ns1"}`,
	`PUT /dgate/api/v1/collection {"name":"c","namespace":"ns1","visibility":"public","schema":{"type":"object"}}`,
	`PUT /dgate/api/v1/collection {"name":"own","namespace":"ns1"}`,
	`PUT /dgate/api/v1/collection {"name":"empty"}`,
	`PUT /dgate/api/v1/document/d1?namespace=ns1&collection=c {"a":"1"}`,
	`PUT /dgate/api/v1/document/d1?namespace=ns1&collection=own 7`,
}

// TestDocuments has the endpoints of the original DGate, with its mistakes put right, and ours.
func TestDocuments(t *testing.T) {
	const d1 = `{"id":"d1","collection":"c","namespace":"ns1","data":{"a":"1"}}`
	const in = "?namespace=ns1&collection=c"
	list := func(documents string, count, limit, offset int) string {
		return fmt.Sprintf(`{"collection":"c","count":%d,"data":[%s],"documents":[%s],"limit":%d,"namespace":"ns1","offset":%d,"status_code":200}`, count, documents, documents, limit, offset)
	}
	refused := func(status int, code, text string) string {
		return fmt.Sprintf(`{"error":%q,"status":%d,"code":%q`, text, status, code)
	}
	tests := map[string]struct {
		method, path, body string
		status             int
		want               string // the body, or the beginning of it for an error
	}{
		"put":                           {"PUT", "/document/d2" + in, `{"b": 2}`, 201, `{"data":{"id":"d2","collection":"c","namespace":"ns1","data":{"b":2}},"status_code":201}`},
		"put again":                     {"PUT", "/document/d1" + in, `{"a":"1"}`, 201, `{"data":` + d1 + `,"status_code":201}`},
		"put as a whole":                {"PUT", "/document", `{"id":"d1","createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z","namespace":"ns1","collection":"c","data":{"a":"1"}}`, 201, `{"data":` + d1 + `,"status_code":201}`},
		"put any JSON":                  {"PUT", "/document/d2?namespace=ns1&collection=own", ` [1.50, null, "<"] `, 201, `{"data":{"id":"d2","collection":"own","namespace":"ns1","data":[1.50,null,"<"]},"status_code":201}`},
		"put null":                      {"PUT", "/document/d2?namespace=ns1&collection=own", `null`, 201, `{"data":{"id":"d2","collection":"own","namespace":"ns1","data":null},"status_code":201}`},
		"put in the default namespace":  {"PUT", "/document/d?collection=empty", `1`, 201, `{"data":{"id":"d","collection":"empty","namespace":"default","data":1},"status_code":201}`},
		"an id with a slash":            {"PUT", "/document/a%2Fb" + in, `{}`, 201, `{"data":{"id":"a/b","collection":"c","namespace":"ns1","data":{}},"status_code":201}`},
		"an id with a space":            {"PUT", "/document/a%20%C3%A9" + in, `{}`, 201, `{"data":{"id":"a é","collection":"c","namespace":"ns1","data":{}},"status_code":201}`},
		"no id can have a zero":         {"PUT", "/document/a%00b" + in, `{}`, 400, refused(400, "validation_failed", "id must not have control characters")},
		"put bad JSON":                  {"PUT", "/document/d2" + in, `{"b":`, 400, refused(400, "bad_request", "error unmarshalling body: unexpected end of JSON input")},
		"put nothing":                   {"PUT", "/document/d2" + in, ``, 400, refused(400, "bad_request", "error unmarshalling body: it is empty; JSON is expected")},
		"put in no collection":          {"PUT", "/document/d2?namespace=ns1", `{}`, 400, refused(400, "validation_failed", "collection is required")},
		"put in an absent collection":   {"PUT", "/document/d2?namespace=ns1&collection=zz", `{}`, 404, refused(404, "not_found", "collection not found")},
		"put in an absent namespace":    {"PUT", "/document/d2?namespace=zz&collection=c", `{}`, 404, refused(404, "not_found", "collection not found")},
		"put as a whole, no id":         {"PUT", "/document", `{"namespace":"ns1","collection":"c","data":{}}`, 400, refused(400, "validation_failed", "id is required")},
		"put as a whole, no data":       {"PUT", "/document", `{"id":"d","namespace":"ns1","collection":"c"}`, 400, refused(400, "validation_failed", "data is required")},
		"get":                           {"GET", "/document/d1" + in, "", 200, `{"data":` + d1 + `,"status_code":200}`},
		"get the absent":                {"GET", "/document/zz" + in, "", 404, refused(404, "not_found", "document not found")},
		"get of no collection":          {"GET", "/document/d1", "", 400, refused(400, "validation_failed", "collection is required")},
		"get of an absent collection":   {"GET", "/document/d1?collection=zz", "", 404, refused(404, "not_found", "collection not found")},
		"get of a private collection":   {"GET", "/document/d1?namespace=ns1&collection=own", "", 403, refused(403, "unauthorized", "collection is private")},
		"list":                          {"GET", "/document" + in, "", 200, list(d1, 1, 100, 0)},
		"list, offset":                  {"GET", "/document" + in + "&offset=1&limit=5", "", 200, list("", 0, 5, 1)},
		"list, none":                    {"GET", "/document" + in + "&limit=0", "", 200, list("", 0, 0, 0)},
		"list, no number":               {"GET", "/document" + in + "&limit=x", "", 400, refused(400, "bad_request", "limit must be an integer")},
		"list, no number to begin at":   {"GET", "/document" + in + "&offset=x", "", 400, refused(400, "bad_request", "offset must be an integer")},
		"list, negative":                {"GET", "/document" + in + "&offset=-1", "", 400, refused(400, "bad_request", "offset must not be negative")},
		"list, too many":                {"GET", "/document" + in + "&limit=1001", "", 400, refused(400, "bad_request", "limit must not be more than 1000")},
		"list of no collection":         {"GET", "/document", "", 400, refused(400, "validation_failed", "collection is required")},
		"list of an absent collection":  {"GET", "/document?collection=zz", "", 404, refused(404, "not_found", "collection not found")},
		"list of a private collection":  {"GET", "/document?namespace=ns1&collection=own", "", 403, refused(403, "unauthorized", "collection is private")},
		"delete":                        {"DELETE", "/document/d1" + in, "", 202, ""},
		"delete, by the body":           {"DELETE", "/document", `{"id":"d1","namespace":"ns1","collection":"c"}`, 202, ""},
		"delete, by a body without id":  {"DELETE", "/document" + in, `{"namespace":"ns1","collection":"c"}`, 400, refused(400, "validation_failed", "id is required")},
		"delete the absent":             {"DELETE", "/document/zz" + in, "", 404, `{"error":"document not found: `},
		"delete of no collection":       {"DELETE", "/document/d1", "", 400, refused(400, "validation_failed", "collection is required")},
		"delete all":                    {"DELETE", "/document" + in, "", 202, ""},
		"delete all of a private one":   {"DELETE", "/document?namespace=ns1&collection=own", "", 202, ""},
		"delete all of none":            {"DELETE", "/document", "", 400, refused(400, "validation_failed", "collection is required")},
		"delete all of an absent one":   {"DELETE", "/document?collection=zz", "", 404, refused(404, "not_found", "collection not found")},
		"item: create":                  {"PUT", "/document/ns1/c/d2", `{"id":"x"}`, 201, `{"data":{"id":"d2","collection":"c","namespace":"ns1","data":{"id":"x"}},"status_code":201}`},
		"item: replace":                 {"PUT", "/document/ns1/own/d1", `"text"`, 200, `{"data":{"id":"d1","collection":"own","namespace":"ns1","data":"text"},"status_code":200}`},
		"item: an id with a slash":      {"PUT", "/document/ns1/c/x%2F..%2Fy", `{}`, 201, `{"data":{"id":"x/../y","collection":"c","namespace":"ns1","data":{}},"status_code":201}`},
		"item: get":                     {"GET", "/document/ns1/c/d1", "", 200, `{"data":` + d1 + `,"status_code":200}`},
		"item: get a private one":       {"GET", "/document/ns1/own/d1", "", 200, `{"data":{"id":"d1","collection":"own","namespace":"ns1","data":7},"status_code":200}`},
		"item: absent":                  {"GET", "/document/ns1/c/zz", "", 404, refused(404, "not_found", "document not found")},
		"item: in an absent collection": {"PUT", "/document/ns1/zz/d1", `{}`, 400, refused(400, "validation_failed", "collection not found: zz")},
		"item: delete":                  {"DELETE", "/document/ns1/c/d1", "", 204, ""},
		"item: list":                    {"GET", "/document/ns1/c", "", 200, `{"count":1,"data":[` + d1 + `],"status_code":200}`},
		"item: list a private one":      {"GET", "/document/ns1/own?limit=1", "", 200, `{"count":1,"data":[{"id":"d1","collection":"own","namespace":"ns1","data":7}],"status_code":200}`},
		"item: list an absent one":      {"GET", "/document/ns1/zz", "", 404, refused(404, "not_found", "collection not found")},
		"a collection":                  {"GET", "/collection/c?namespace=ns1", "", 200, `{"data":{"name":"c","namespace":"ns1","schema":{"type":"object"},"visibility":"public","type":"document"},"status_code":200}`},
		"a collection of the default":   {"GET", "/collection/empty", "", 200, `{"data":{"name":"empty","namespace":"default","visibility":"private","type":"document"},"status_code":200}`},
		"collections":                   {"GET", "/collection", "", 200, `{"count":1,"data":[{"name":"empty","namespace":"default","visibility":"private","type":"document"}],"status_code":200}`},
		"collections of no namespace":   {"GET", "/collection?namespace=zz", "", 400, refused(400, "not_found", "namespace not found: zz")},
		"delete a collection":           {"DELETE", "/collection/empty?namespace=", "", 202, ""},
		"delete a collection by body":   {"DELETE", "/collection", `{"name":"empty","namespace":""}`, 202, ""},
		"delete a collection in use":    {"DELETE", "/collection/c?namespace=ns1", "", 400, `{"error":`},
		"delete an item in use":         {"DELETE", "/collection/ns1/own", "", 400, `{"error":`},
		"delete an absent collection":   {"DELETE", "/collection/zz", "", 400, refused(400, "not_found", "collection not found: zz")},
		"other changes of it":           {"PUT", "/collection/ns1/c", `{"schema":{"type":"object"},"visibility":"private","tags":["x"]}`, 200, `{"data":{"name":"c","namespace":"ns1","schema":{"type":"object"},"visibility":"private","type":"document","tags":["x"]},"status_code":200}`},
		"data that the schema refuses":  {"PUT", "/document/d1" + in, `[]`, 400, refused(400, "validation_failed", "")[:9]},
		"a schema that is none":         {"PUT", "/collection", `{"name":"x","schema":{"type":"notatype"}}`, 400, refused(400, "validation_failed", "")[:9]},
		"a change of a schema in use":   {"PUT", "/collection/ns1/c", `{"schema":{}}`, 400, refused(400, "validation_failed", "")[:9]},
		"methods of one document":       {"POST", "/document/d1" + in, "", 405, refused(405, "method_not_allowed", "method not allowed; this path has DELETE, GET, HEAD, PUT")},
		"methods of a listing":          {"PUT", "/document/ns1/c", "{}", 405, refused(405, "method_not_allowed", "method not allowed; this path has GET, HEAD")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.setUp(t, someDocuments...)
			got := s.send(t, tt.method, "/dgate/api/v1"+tt.path, tt.body)
			if got.status != tt.status {
				t.Errorf("status = %d, want %d", got.status, tt.status)
			}
			body := bare(got.body)
			if tt.status >= 400 {
				readError(t, got)
				body = body[:min(len(body), len(tt.want))]
			}
			if diff := cmp.Diff(tt.want, body); diff != "" {
				t.Errorf("body (-want +got):\n%s\n%s", diff, got.body)
			}
		})
	}
}

// TestPages: every document once and in order, whatever the size of the pages; and all of them go
// with one request.
func TestPages(t *testing.T) {
	s := newServer(t)
	s.setUp(t, `PUT /dgate/api/v1/collection {"name":"c","visibility":"public"}`, `PUT /dgate/api/v1/collection {"name":"c2"}`,
		`PUT /dgate/api/v1/document/x?collection=c2 1`)
	const all = 105
	for i := range all {
		s.setUp(t, fmt.Sprintf("PUT /dgate/api/v1/document/default/c/%03d %d", i, i))
	}
	list := func(query string) (ids []string) {
		var body struct{ Documents []struct{ ID string } }
		got := s.send(t, "GET", "/dgate/api/v1/document?collection=c"+query, "")
		if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		for _, d := range body.Documents {
			ids = append(ids, d.ID)
		}
		return ids
	}
	if n := len(list("")); n != 100 {
		t.Errorf("without a limit there are %d documents, want 100", n)
	}
	for _, limit := range []int{1, 7, 104, 105, 1000} {
		var ids []string
		for offset := 0; offset < all; offset += limit {
			ids = append(ids, list(fmt.Sprintf("&limit=%d&offset=%d", limit, offset))...)
		}
		for i, id := range ids {
			if id != fmt.Sprintf("%03d", i) {
				t.Fatalf("limit %d: document %d is %s", limit, i, id)
			}
		}
		if len(ids) != all {
			t.Errorf("limit %d: %d documents, want %d", limit, len(ids), all)
		}
	}
	s.setUp(t, "DELETE /dgate/api/v1/document?collection=c")
	if ids := list(""); len(ids) != 0 {
		t.Errorf("left: %v", ids)
	}
	if got := s.send(t, "GET", "/dgate/api/v1/document/default/c2/x", ""); got.status != 200 {
		t.Errorf("the other collection: %d %s", got.status, got.body)
	}
}

// TestDeleteMany: more documents than one change removes go with one request too.
func TestDeleteMany(t *testing.T) {
	s := newServer(t)
	s.setUp(t, `PUT /dgate/api/v1/collection {"name":"c"}`)
	changes := make([]change.Change, 2500)
	for i := range changes {
		changes[i].Object = &resource.Document{ID: fmt.Sprint(i), Collection: "c", Namespace: "default", Data: []byte("1")}
	}
	if _, err := s.Writer().Apply(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
	s.setUp(t, "DELETE /dgate/api/v1/document?collection=c")
	if got := s.send(t, "GET", "/dgate/api/v1/document/default/c", ""); !strings.HasPrefix(got.body, `{"count":0,`) {
		t.Errorf("left: %.100s", got.body)
	}
}

func TestDocumentPreconditions(t *testing.T) {
	s := newServer(t)
	s.setUp(t, someDocuments...)
	const path = "/dgate/api/v1/document/ns1/c/d1"
	tag := s.send(t, "GET", path, "").header.Get("ETag")
	if got := s.send(t, "GET", path, "", "If-None-Match", tag); got.status != 304 || tag == "" {
		t.Errorf("read again: %d, tag %q", got.status, tag)
	}
	if got := s.send(t, "PUT", path, `{"a":"1"}`); got.status != 200 || got.header.Get("ETag") != tag {
		t.Errorf("an identical put: %d, tag %s, was %s", got.status, got.header.Get("ETag"), tag)
	}
	if got := s.send(t, "PUT", path, `{"a":"2"}`, "If-Match", tag); got.status != 200 || got.header.Get("ETag") == tag {
		t.Errorf("put: %d %s", got.status, got.body)
	}
	for _, tt := range [][]string{
		{"PUT", path, `{}`, "If-Match", tag},
		{"PUT", path, `{}`, "If-None-Match", "*"},
		{"DELETE", path, ``, "If-Match", tag},
		{"PUT", "/dgate/api/v1/document/d1?namespace=ns1&collection=c", `{}`, "If-Match", tag},
	} {
		if got := s.send(t, tt[0], tt[1], tt[2], tt[3], tt[4]); got.status != 412 {
			t.Errorf("%s: %d %s", strings.Join(tt, " "), got.status, got.body)
		}
	}
	got := s.send(t, "DELETE", "/dgate/api/v1/document?namespace=ns1&collection=c", "", "If-Match", tag)
	if refused := readError(t, got); got.status != 400 || refused.Code != "bad_request" {
		t.Errorf("delete all: %d %s", got.status, got.body)
	}
}
