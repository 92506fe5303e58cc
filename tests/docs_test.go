package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
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

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
)

// TestLinks follows the links of pages to other files of this repository, and to their headings.
func TestLinks(t *testing.T) {
	pages := []string{"../README.md", "../CHANGELOG.md", "../CONTRIBUTING.md"}
	for _, pattern := range []string{"../docs/*.md", "../docs/*/*.md", "../examples/*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], ":") {
				continue // elsewhere
			}
			name, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if name != "" {
				target = filepath.Join(filepath.Dir(page), name)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
			} else if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s: %s leads to no heading; there are %q", page, m[1], anchors(read(t, target)))
			}
		}
	}
}

// anchors are what the headings of a page are linked by, as GitHub does it.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(m[1])))
	}
	return all
}
