package tests

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// What README shows is what happens: the example configuration runs as it is, on other ports, and
// answers what README says.
func TestReadme(t *testing.T) {
	readme := read(t, "../README.md")
	g := &gateway{harness.New(t, ""), t}
	upstream := reserve(t)
	text := strings.NewReplacer(
		"localhost:2019", host(g.Admin), "http://localhost:8080, http://127.0.0.1:8080", g.Site, "localhost:8081", upstream,
	).Replace(read(t, "../Caddyfile.example"))
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	resources := filepath.Join(dir, "examples/hello/resources.yaml")
	write(t, resources, strings.ReplaceAll(read(t, resources), "localhost:8081", upstream))
	g.Caddyfile = filepath.Join(dir, "Caddyfile")
	write(t, g.Caddyfile, text)
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}

	answer := g.do(harness.Request{URL: "/hello?user=ada"})
	if !strings.Contains(readme, answer.Body) {
		t.Errorf("README does not show the answer %s", answer.Body)
	}
	for line := range strings.Lines(read(t, "../examples/hello/hello.ts")) {
		if !strings.HasPrefix(line, "//") && !strings.Contains(readme, line) {
			t.Errorf("the module in README lacks the line %q of the example", line)
		}
	}

	module := between(t, readme, "<<'TS'\n", "TS\n")
	write(t, filepath.Join(dir, "hi.ts"), module)
	for line := range strings.SplitSeq(readme, "\n") {
		command, ok := strings.CutPrefix(line, "$ ./caddy ")
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		out, err := g.Command(ctx, "caddy", strings.Fields(command)...).CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	answer = g.do(harness.Request{URL: "/hi/bob"})
	if !strings.Contains(readme, "\n"+answer.Body+"\n") {
		t.Errorf("README does not show the answer %s", answer.Body)
	}
}

func host(raw string) string {
	u, _ := url.Parse(raw)
	return u.Host
}

// reserve is an address that nobody else gets during the test.
func reserve(t *testing.T) string {
	var ports harness.Ports
	t.Cleanup(ports.Close)
	addr, err := ports.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, from)
	found, _, end := strings.Cut(rest, to)
	if !ok || !end {
		t.Fatalf("README has nothing between %q and %q", from, to)
	}
	return found
}
