package adminext_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
)

// TestDomains: a domain has the shape of the original DGate and its true priority, and its key is
// in no answer.
func TestDomains(t *testing.T) {
	const d = `{"name":"d","namespace":"default","patterns":["a.com"],"priority":7,"cert":"","key":"","tls":"auto"}`
	cert, key := resourcetest.Certificate(t, "b.com")
	secure := func(key string) string {
		data, err := json.Marshal(map[string]any{"name": "s", "patterns": []string{"b.com"}, "cert": cert, "key": key})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	quoted, err := json.Marshal(cert)
	if err != nil {
		t.Fatal(err)
	}
	s := `{"name":"s","namespace":"default","patterns":["b.com"],"priority":0,"cert":` + string(quoted) + `,"key":"**redacted**","tls":"auto"}`
	tests := map[string]struct {
		method, path, body string
		status             int
		want               string // the body, or the text of the error
	}{
		"put":                      {"PUT", "/domain", `{"name":"d","patterns":["a.com"],"priority":7,"cert":"","key":""}`, 201, `{"count":2,"data":[` + d + `,` + s + `],"status_code":201}`},
		"list":                     {"GET", "/domain", "", 200, `{"count":2,"data":[` + d + `,` + s + `],"status_code":200}`},
		"get":                      {"GET", "/domain/d?namespace=", "", 200, `{"data":` + d + `,"status_code":200}`},
		"item: get":                {"GET", "/domain/default/s", "", 200, `{"data":` + s + `,"status_code":200}`},
		"item: the key is kept":    {"PUT", "/domain/default/s", secure("**redacted**"), 200, `{"data":` + s + `,"status_code":200}`},
		"item: delete":             {"DELETE", "/domain/default/s", "", 204, ""},
		"delete":                   {"DELETE", "/domain", `{"name":"s"}`, 202, ""},
		"delete the absent":        {"DELETE", "/domain", `{"name":"zz"}`, 422, "domain not found: zz"},
		"item: delete the absent":  {"DELETE", "/domain/default/zz", "", 404, "domain not found: zz"},
		"get the absent":           {"GET", "/domain/zz", "", 404, "domain not found"},
		"no patterns":              {"PUT", "/domain", `{"name":"zz"}`, 400, "patterns are required"},
		"nothing":                  {"PUT", "/domain", `{}`, 400, "name is required; patterns are required"},
		"bad patterns":             {"PUT", "/domain", `{"name":"zz","patterns":["","/(/"]}`, 400, "patterns[0] must not be empty; patterns[1] must be a regular expression between slashes: missing closing )"},
		"a key that is not its":    {"PUT", "/domain", secure(strings.ReplaceAll(key, "M", "N")), 400, "key cannot be used with the certificate in cert"},
		"a key where no key is":    {"PUT", "/domain", `{"name":"d","patterns":["a.com"],"cert":` + string(quoted) + `,"key":"**redacted**"}`, 400, "cert does not name a.com, but b.com; key is **redacted**, but there is no stored value to keep"},
		"a namespace with domains": {"DELETE", "/namespace", `{"name":"default"}`, 400, "cannot delete namespace: default: domains still linked"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			server.setUp(t, `PUT /dgate/api/v1/domain `+secure(key), `PUT /dgate/api/v1/domain {"name":"d","patterns":["a.com"],"priority":7}`)
			got := server.send(t, tt.method, "/dgate/api/v1"+tt.path, tt.body)
			if got.status != tt.status {
				t.Errorf("status = %d, want %d", got.status, tt.status)
			}
			if tt.status >= 400 {
				if refused := readError(t, got); !strings.Contains(refused.Error, tt.want) {
					t.Errorf("error %q, want %q", refused.Error, tt.want)
				}
			} else if diff := cmp.Diff(tt.want, bare(got.body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if strings.Contains(got.body, "PRIVATE") || strings.Contains(got.body, strings.Split(key, "\n")[1]) {
				t.Errorf("the answer has the key: %s", got.body)
			}
		})
	}
}
