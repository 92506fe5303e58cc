package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestRefusedOptions: what the JSON of the app has wrong is refused, with the option and the value.
func TestRefusedOptions(t *testing.T) {
	tests := map[string]struct{ app, want string }{
		"an unknown option":             {`{"datadir": "x"}`, `unknown field "datadir"`},
		"a storage that there is not":   {`{"storage": "disk"}`, `storage must be persistent or memory, not "disk"`},
		"a placeholder of nothing":      {`{"data_dir": "{env.DGATE_TEST_NOT_SET}"}`, `data_dir: evaluated placeholder {env.DGATE_TEST_NOT_SET} is empty`},
		"a pattern that is none":        {`{"allowed_domains": ["a b"]}`, `allowed_domains: "a b"`},
		"a file that is not there":      {`{"resources": ["/nowhere/at/all.yaml"]}`, `resources: `},
		"a tag with a comma":            {`{"tags": ["a", "b,c"]}`, `tags: "b,c" must be`},
		"a tag of two lines":            {`{"tags": ["a\nb"]}`, `tags: "a\nb" must be`},
		"a tag of an unset one":         {`{"tags": ["a", "{env.DGATE_TEST_NOT_SET}"]}`, `tags: evaluated placeholder {env.DGATE_TEST_NOT_SET} is empty`},
		"a tag that expands to two":     {`{"tags": ["{env.DGATE_TEST_TWO}"]}`, `tags: "a,b" must be`},
		"files in an unset directory":   {`{"resources": ["{env.DGATE_TEST_NOT_SET}/*.yaml"]}`, `resources: evaluated placeholder {env.DGATE_TEST_NOT_SET} is empty`},
		"a file beside an expanded one": {`{"resources": ["{env.DGATE_TEST_DIR}/all.yaml"]}`, `resources: /nowhere/at/all.yaml: no such file`},
		"an assignment":                 {`{"env": ["STAGE=prod"]}`, `env: "STAGE=prod" must be the name`},
		"a placeholder for a name":      {`{"env": ["{env.STAGE}"]}`, `env: "{env.STAGE}" must be the name`},
		"a short key":                   {`{"encryption_key": ["short"]}`, `encryption_key must be`},
		"a negative limit":              {`{"limits": {"cpu": -1}}`, `limits: cpu must not be negative`},
		"a policy that there is not":    {`{"limits": {"fetch": "private"}}`, `limits: fetch: `},
		"a header that is none":         {`{"global_headers": {"X Served": ["a"]}}`, `global_headers: "X Served" must be the name of a header`},
		"a header of the connection":    {`{"global_headers": {"Connection": ["close"]}}`, `global_headers: "Connection" says where`},
		"a header without a value":      {`{"global_headers": {"X-A": []}}`, `global_headers: "X-A" must have a value`},
		"a header of two lines":         {`{"global_headers": {"X-A": ["a\r\nX-B: b"]}}`, `global_headers: "X-A" must have a value without line breaks`},
		"a header of an unset one":      {`{"global_headers": {"X-A": ["{env.DGATE_TEST_NOT_SET}"]}}`, `global_headers: "X-A": evaluated placeholder {env.DGATE_TEST_NOT_SET} is empty`},
		"a header that is not a list":   {`{"global_headers": {"X-A": "a"}}`, `global_headers`},
		"default_namespace as a word":   {`{"default_namespace": "off"}`, `default_namespace`},
	}
	t.Setenv("DGATE_TEST_TWO", "a,b")
	t.Setenv("DGATE_TEST_DIR", "/nowhere/at")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := caddy.Validate(&caddy.Config{AppsRaw: caddy.ModuleMap{"dgate": json.RawMessage(tt.app)}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
