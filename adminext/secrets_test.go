package adminext_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const plainSecret = "hunter2-0123456789"

// TestSecrets: what is answered about a secret never has its value.
func TestSecrets(t *testing.T) {
	const k = `{"name":"k","namespace":"default","data":"**redacted**"}`
	const given = `"data":"` + plainSecret + `"`
	tests := map[string]struct {
		method, path, body string
		status             int
		want               string // the body, or the text of the error
	}{
		"put":                   {"PUT", "/secret", `{"name":"s",` + given + `}`, 201, `{"count":2,"data":[` + k + `,{"name":"s","namespace":"default","data":"**redacted**"}],"status_code":201}`},
		"put the same":          {"PUT", "/secret", `{"name":"k",` + given + `}`, 201, `{"count":1,"data":[` + k + `],"status_code":201}`},
		"list":                  {"GET", "/secret", "", 200, `{"count":1,"data":[` + k + `],"status_code":200}`},
		"get":                   {"GET", "/secret/k", "", 200, `{"data":` + k + `,"status_code":200}`},
		"item: get":             {"GET", "/secret/default/k", "", 200, `{"data":` + k + `,"status_code":200}`},
		"item: create":          {"PUT", "/secret/default/s", `{` + given + `,"tags":["x"]}`, 201, `{"data":{"name":"s","namespace":"default","data":"**redacted**","tags":["x"]},"status_code":201}`},
		"item: keep the value":  {"PUT", "/secret/default/k", `{"data":"**redacted**","tags":["x"]}`, 200, `{"data":{"name":"k","namespace":"default","data":"**redacted**","tags":["x"]},"status_code":200}`},
		"delete":                {"DELETE", "/secret", `{"name":"k"}`, 202, ""},
		"item: delete":          {"DELETE", "/secret/default/k", "", 204, ""},
		"nothing to keep":       {"PUT", "/secret/default/s", `{"data":"**redacted**"}`, 400, "there is no stored value to keep"},
		"no value":              {"PUT", "/secret", `{"name":"s"}`, 400, "data is required"},
		"a list":                {"PUT", "/secret", `{"name":"s","data":["` + plainSecret + `"]}`, 400, "data must be a string"},
		"a bad name":            {"PUT", "/secret", `{"name":"a b",` + given + `}`, 400, "name may only have"},
		"an unknown namespace":  {"PUT", "/secret", `{"name":"s","namespace":"zz",` + given + `}`, 400, "namespace not found: zz"},
		"an unknown field":      {"PUT", "/secret/default/s", `{"date":"x",` + given + `}`, 400, "date is not a field of secret"},
		"half a string":         {"PUT", "/secret/default/s", `{"data":"` + plainSecret, 400, "error unmarshalling body"},
		"more than fits":        {"PUT", "/secret/default/s", `{"data":"` + strings.Repeat(plainSecret, 4000) + `"}`, 400, "data must not be larger than 65536 bytes"},
		"a failed precondition": {"PUT", "/secret/default/s", `{` + given + `}`, 412, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.setUp(t, `PUT /dgate/api/v1/secret {"name":"k",`+given+`}`)
			var headers []string
			if tt.status == 412 {
				headers = []string{"If-Match", "*"}
			}
			got := s.send(t, tt.method, "/dgate/api/v1"+tt.path, tt.body, headers...)
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
			if strings.Contains(got.body, plainSecret) {
				t.Errorf("the value is in the answer: %s", got.body)
			}
			for _, entry := range s.Logs.All() {
				t.Errorf("logged: %s %v", entry.Message, entry.ContextMap())
			}
		})
	}
}
