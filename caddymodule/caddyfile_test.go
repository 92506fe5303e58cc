package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // what Caddyfiles of users have
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected JSON and errors in testdata")

// separator stands between a Caddyfile and the JSON or the error that it becomes.
const separator = "----------\n"

// Each file in testdata is a Caddyfile and what it is adapted to. Paths that depend on where the
// checkout is are shown as {dir}.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfile"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source, want, _ := strings.Cut(string(data), separator)
			got := adapt(t, file, source)
			if *update {
				if err := os.WriteFile(file, []byte(source+separator+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("adapted (-want +got):\n%s", diff)
			}
		})
	}
}

// adapt gives the apps of a Caddyfile as JSON, or the error.
func adapt(t *testing.T, file, source string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(source), map[string]any{"filename": file})
	if err != nil {
		return strings.ReplaceAll(err.Error(), dir, "{dir}") + "\n"
	}
	for _, w := range warnings {
		t.Errorf("warning: %s", w)
	}
	var parsed struct {
		Apps map[string]any `json:"apps"`
	}
	if err := json.Unmarshal(config, &parsed); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(parsed.Apps); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), dir, "{dir}")
}
