package tests

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// A secret is in no file that Caddy writes, in no log and in no answer, in whatever form, and is
// the same after the process was killed.
func TestSecretsStaySecret(t *testing.T) {
	const secret = "open-sesame-0123456789"
	g := startGateway(t, strings.Replace(harness.DefaultCaddyfile, "{\n", "{\n\tdebug\n", 1))
	var answers strings.Builder
	ask := func(method, path, body string) {
		t.Helper()
		answer := g.do(harness.Request{Method: method, URL: g.Admin + "/dgate/" + path, Body: strings.NewReader(body)})
		answers.WriteString(answer.String())
	}
	object := `{"name":"key","data":"` + secret + `","tags":["x"]}`
	ask("PUT", "api/v1/secret", object)
	ask("PUT", "api/v1/secret/default/key", object)
	ask("PUT", "api/v1/secret/default/key", strings.Replace(object, "x", "y", 1))
	ask("PUT", "api/v1/secret", strings.Replace(object, "key", "bad name", 1))
	ask("PUT", "api/v1/secret", strings.Replace(object, `"data"`, `"data":7,"daten"`, 1))
	ask("PUT", "api/v1/secret", strings.Replace(object, `"data":`, `"data":[`, 1))
	ask("PUT", "api/v1/secret/default/key", strings.Replace(object, `"data":`, `"namespace":"nowhere","data":`, 1))
	ask("PUT", "api/v1/secret/nowhere/key", object)
	for _, path := range []string{"api/v1/secret", "api/v1/secret/key", "api/v1/secret/default/key", "cluster/status", "changelog"} {
		ask("GET", path, "")
	}
	if !strings.Contains(answers.String(), "**redacted**") {
		t.Errorf("no answer shows a secret: %s", &answers)
	}

	g.route("secret", "", `import { getSecret } from "dgate/secret"
		export const requestHandler = (ctx) => ctx.response().send(getSecret("key"))`, nil)
	answer := func() {
		t.Helper()
		if got := g.do(harness.Request{URL: "/secret"}); got.Body != secret {
			t.Fatalf("a module reads %s", got)
		}
	}
	answer()
	ask("POST", "cluster/snapshot", "")
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	answer()
	ask("POST", "cluster/snapshot", "")

	texts := map[string][]byte{"answers": []byte(answers.String())}
	readAll(t, g.Dir, texts)
	for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))[:20], hex.EncodeToString([]byte(secret))} {
		for name, text := range texts {
			if bytes.Contains(text, []byte(form)) {
				t.Errorf("%s has %s", name, form)
			}
		}
	}
	encrypted := func(where string) bool {
		for name, text := range texts {
			if strings.HasSuffix(name, where) && bytes.Contains(text, []byte(`"data":"dg1.`)) {
				return true
			}
		}
		return false
	}
	for _, where := range []string{"/raft.db", "/state.db", uncompressed} {
		if !encrypted(where) {
			t.Errorf("no %s was found that has the secret encrypted", where)
		}
	}
	info, err := os.Stat(filepath.Join(g.Dir, "data/caddy/dgate/encryption.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info, err)
	}
}

// uncompressed is appended to the name of a file for what is compressed in it.
const uncompressed = ", uncompressed"

// readAll reads the files below a directory, and what is compressed in them.
func readAll(t *testing.T, dir string, into map[string][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		into[path] = data
		frame := bytes.Index(data, []byte{0x28, 0xb5, 0x2f, 0xfd}) // where zstd begins
		if frame < 0 {
			return nil
		}
		dec, err := zstd.NewReader(bytes.NewReader(data[frame:]))
		if err != nil {
			return err
		}
		defer dec.Close()
		plain, err := io.ReadAll(dec)
		if err == nil {
			into[path+uncompressed] = plain
		}
		return nil // what only looks like a beginning is none
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The admin API of a running Caddy compares whole values: an identical put changes nothing, although
// what is stored is encrypted anew each time.
func TestSecretsKeepTheirVersion(t *testing.T) {
	g := startGateway(t, caddyfile)
	tag := func() string {
		t.Helper()
		g.put("secret", "key", fields{"data": "open-sesame"})
		answer := g.do(harness.Request{URL: g.Admin + "/dgate/api/v1/secret/default/key"})
		if answer.Status != http.StatusOK {
			t.Fatal(answer)
		}
		return answer.Header.Get("ETag")
	}
	if first, second := tag(), tag(); first != second || first == "" {
		t.Errorf("the version went from %s to %s", first, second)
	}
}
