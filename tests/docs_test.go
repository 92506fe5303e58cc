package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocs runs the pages of docs that have a Caddyfile. A page is an example like those of
// TestExamples, in one file: a block of code that is fenced by "```ts auth.ts" is the file auth.ts.
func TestDocs(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the pages use curl: ", err)
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range pages {
		text := read(t, page)
		files := namedBlocks(text)
		if files["Caddyfile"] == "" {
			continue
		}
		ran++
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "README.md"), text)
			for name, content := range files {
				file := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, file, content)
			}
			runExample(t, dir)
		})
	}
	if ran == 0 {
		t.Error("no page has a Caddyfile: has the form of the pages changed?")
	}
}

// namedBlocks are the blocks of code of a text that have a name, by name.
func namedBlocks(text string) map[string]string {
	files := map[string]string{}
	name, inside := "", false
	for line := range strings.Lines(text) {
		switch info, fence := strings.CutPrefix(line, "```"); {
		case fence && inside:
			name, inside = "", false
		case fence:
			inside = true
			_, name, _ = strings.Cut(strings.TrimSpace(info), " ")
		case name != "":
			files[name] += line
		}
	}
	return files
}
