package cli_test

import (
	"bytes"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/internal/cli"
)

// shell runs commands against a server.
type shell struct {
	url   string
	dir   string
	env   map[string]string
	stdin string
}

// newShell starts the real admin API; files are written to the directory that FILES stands for.
func newShell(t *testing.T, files map[string]string) *shell {
	t.Helper()
	srv := httptest.NewServer(admintest.New(t).Handler())
	t.Cleanup(srv.Close)
	sh := &shell{url: srv.URL, dir: t.TempDir(), env: map[string]string{}}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(sh.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return sh
}

// result is what a command left.
type result struct {
	Code           int
	Stdout, Stderr string
}

// run runs a command line, split at spaces; ␣ is a space inside a word.
func (sh *shell) run(t *testing.T, line string) result {
	t.Helper()
	args := strings.Fields(strings.ReplaceAll(line, "FILES", sh.dir))
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "␣", " ")
	}
	env := map[string]string{"DGATE_ADMIN_API": sh.url + "/dgate"}
	maps.Copy(env, sh.env)
	var stdout, stderr bytes.Buffer
	program := cli.Program{Version: "test", Getenv: func(name string) string { return env[name] }}
	code := program.Run(t.Context(), args, strings.NewReader(sh.stdin), &stdout, &stderr)
	clean := func(b bytes.Buffer) string {
		return strings.NewReplacer(sh.dir, "FILES", strings.TrimPrefix(sh.url, "http://"), "HOST").Replace(b.String())
	}
	return result{code, clean(stdout), clean(stderr)}
}

// must runs commands that have to succeed.
func (sh *shell) must(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if got := sh.run(t, line); got.Code != 0 {
			t.Fatalf("%s: %d %s", line, got.Code, got.Stderr)
		}
	}
}

var metadata = regexp.MustCompile(`,\s+"createdAt": "[^"]+",\s+"updatedAt": "[^"]+",\s+"version": \d+`)

// bare is the output without what the original server did not have.
func bare(s string) string { return metadata.ReplaceAllString(s, "") }
