package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// What is wrong with a script is an error of the configuration, for `caddy validate` too.
func TestScriptErrors(t *testing.T) {
	const ok = `{"name": "m.ts", "source": "export const requestHandler = () => {}"}`
	file := filepath.Join(t.TempDir(), "m.ts")
	if err := os.WriteFile(file, []byte("\nexport const requestHandler = ("), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		fields string // of the handler
		app    string // the app's JSON, or none
		want   string // "" for none
	}{
		"works":                   {fields: `"modules": [` + ok + `]`},
		"limits":                  {fields: `"modules": [` + ok + `], "limits": {"cpu": "5ms", "body": 100}`},
		"syntax":                  {fields: `"modules": [{"name": "m.ts", "source": "\n(("}]`, want: "m.ts:2:3: "},
		"syntax in a file":        {fields: `"files": ["` + file + `"]`, want: "m.ts:2:32: "},
		"fetchUpstream":           {fields: `"modules": [{"name": "m.ts", "source": "export const fetchUpstream = () => ''"}]`, want: "there is no service here to choose an upstream for"},
		"no hook":                 {fields: `"modules": [{"name": "m.js", "type": "javascript", "source": "1"}]`, want: "m.js: has none of the hooks"},
		"no module":               {fields: ``, want: "there is no module to run"},
		"modules and files":       {fields: `"modules": [` + ok + `], "files": ["m.ts"]`, want: "modules or files, not both"},
		"nothing to watch":        {fields: `"modules": [` + ok + `], "watch": true`, want: "only files can be watched"},
		"missing file":            {fields: `"files": ["/nowhere/m.ts"]`, want: "open /nowhere/m.ts"},
		"an endless file":         {fields: `"files": ["/dev/zero"]`, want: "/dev/zero is not a script"},
		"a module twice":          {fields: `"modules": [` + ok + `, ` + ok + `]`, want: "module m.ts is there twice"},
		"no name":                 {fields: `"modules": [{"source": ""}]`, want: "modules[0]: has no name"},
		"another language":        {fields: `"modules": [{"name": "m", "type": "lua", "source": ""}]`, want: `type must be typescript or javascript, not "lua"`},
		"namespace":               {fields: `"modules": [` + ok + `], "namespace": "a b"`, want: `namespace "a b": name may only have`},
		"negative limits":         {fields: `"modules": [` + ok + `], "limits": {"cpu": -1, "vms": -1}`, want: "limits: cpu must not be negative\nlimits: vms must not be negative"},
		"environment":             {fields: `"modules": [{"name": "m.ts", "source": "export const requestHandler = { a: () => {} }[process.env.DGATE_TEST]"}]`, app: `{"env": ["DGATE_TEST"]}`},
		"environment not allowed": {fields: `"modules": [{"name": "m.ts", "source": "export const requestHandler = { a: () => {} }[process.env.DGATE_TEST]"}]`, app: `{}`, want: "has none of the hooks"},
		"unknown field of app":    {fields: `"modules": [` + ok + `]`, app: `{"data": "x"}`, want: `unknown field "data"`},
	}
	t.Setenv("DGATE_TEST", "a")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("XDG_DATA_HOME", dir)
			handler := strings.TrimSuffix(`{"handler": "dgate_js", `+tt.fields, ", ") + "}"
			apps := `"http": {"servers": {"s": {"listen": ["127.0.0.1:0"], "routes": [{"handle": [` + handler + `]}]}}}`
			if tt.app != "" {
				apps += `, "dgate": ` + tt.app
			}
			var config caddy.Config
			if err := json.Unmarshal([]byte(`{"admin": {"disabled": true}, "apps": {`+apps+`}}`), &config); err != nil {
				t.Fatal(err)
			}
			err := caddy.Validate(&config)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "caddy", "dgate")); !os.IsNotExist(err) {
				t.Errorf("there is a data directory: %v", err)
			}
		})
	}
}
