package tests

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// TestExamples runs each example as its README tells: with its Caddyfile as it is, on other ports,
// every command that the README shows prints what the README shows.
func TestExamples(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the examples use curl: ", err)
	}
	readmes, err := filepath.Glob("../examples/*/README.md")
	if err != nil || len(readmes) == 0 {
		t.Fatal("no examples: ", err)
	}
	for _, readme := range readmes {
		t.Run(filepath.Base(filepath.Dir(readme)), func(t *testing.T) {
			t.Parallel()
			c := runExample(t, filepath.Dir(readme))
			if _, err := os.Stat(filepath.Join(c.Env()["XDG_DATA_HOME"], "caddy", "dgate")); err == nil {
				t.Error("the example stores its resources where all that its user runs has them; it should say storage memory")
			}
		})
	}
}

// runExample runs the Caddyfile of a directory, and what its README shows.
func runExample(t *testing.T, dir string) *harness.Caddy {
	c := harness.New(t, "")
	place := copyExample(t, dir, c)
	c.Caddyfile = filepath.Join(place, "Caddyfile")
	c.Setenv("CADDY_ADMIN", host(c.Admin)) // where the Caddyfile does not say
	if env, err := os.ReadFile(filepath.Join(place, "example.env")); err == nil {
		for line := range strings.Lines(string(env)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			c.Setenv(name, value)
		}
	}
	if _, err := os.Stat(filepath.Join(place, "run.sh")); err != nil { // which starts what it needs
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range console(read(t, filepath.Join(place, "README.md"))) {
		if strings.Contains(step.command, "caddy run") {
			if strings.Contains(step.command, "--config") { // without, this has been done
				runBeside(t, c, step.command)
			}
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		out, err := c.Command(ctx, "sh", "-c", step.command).Output()
		cancel()
		if err != nil {
			t.Errorf("%s: %v", step.command, err)
		} else if !step.matches(string(out)) {
			t.Errorf("$ %s\n%s\nREADME shows\n%s", step.command, out, step.output)
		}
	}
	return c
}

// runBeside runs a further Caddy until the end of the test.
func runBeside(t *testing.T, c *harness.Caddy, command string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	p, err := harness.Run(c.Command(context.WithoutCancel(t.Context()), "sh", "-c", "exec "+command), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("log of %s:\n%s", command, read(t, log))
		}
	})
}

// localAddress is what the files of examples listen on, and connect to.
var localAddress = regexp.MustCompile(`localhost:\d+|:8080\b`)

// copyExample copies an example, with addresses that are free.
func copyExample(t *testing.T, dir string, c *harness.Caddy) string {
	place := t.TempDir()
	addresses := map[string]string{"localhost:2019": host(c.Admin), "localhost:8080": host(c.Site), ":8080": ":" + c.Env()["SITE_PORT"]}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(place, strings.TrimPrefix(path, dir))
		if d.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		write(t, to, localAddress.ReplaceAllStringFunc(read(t, path), func(address string) string {
			if addresses[address] == "" {
				addresses[address] = reserve(t)
			}
			return addresses[address]
		}))
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(to, info.Mode().Perm()|0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// step is a command in a README, and what it prints there.
type step struct{ command, output string }

// matches compares without blanks at the end. An ellipsis stands for anything.
func (s step) matches(output string) bool {
	expr := strings.ReplaceAll(regexp.QuoteMeta(trimLines(s.output)), "…", "[^\x00]*")
	return regexp.MustCompile("^" + expr + "$").MatchString(trimLines(output))
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \r")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// console lists the steps in the console blocks of a text.
func console(text string) []step {
	var steps []step
	inside := false
	for line := range strings.Lines(text) {
		switch command, ok := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			inside = strings.HasPrefix(line, "```console")
		case !inside:
		case ok:
			steps = append(steps, step{command: strings.TrimSpace(command)})
		case len(steps) > 0:
			steps[len(steps)-1].output += line
		}
	}
	return steps
}
