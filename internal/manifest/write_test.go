package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// some are resources of every kind.
const some = `
-- f.yaml --
namespaces:
  - name: n
    tags: [a, "yes"]
services:
  - name: s
    namespace: n
    urls: [http://a, http://b]
    retries: 0
    requestTimeout: 1m30s
  - name: plain
    urls: [http://a]
modules:
  - name: js
    namespace: n
    payload: Ly8gaGk=
    moduleType: javascript
  - name: ts
    payload: Ly8gaGk=
routes:
  - name: r
    namespace: n
    paths: [/]
    methods: [GET]
    service: s
    modules: [js]
    stripPath: true
domains:
  - name: d
    patterns: ["*.example.com", "/[a-z]+/"]
    priority: 3
collections:
  - name: c
    schema:
      type: [object, "null", string, number]
      additionalProperties: true
    visibility: public
  - name: free
documents:
  - id: a/b c
    collection: c
    data: {b: 1.50, a: [1e400, null, "1e400", "null", "<<", " x\n\ny ", "true", "2001-01-01", "0x1", "\u0007\u2028é", {}, []]}
  - id: "1"
    collection: c
    data: null
secrets:
  - name: k
    data: hunter2
`

func encoded(t *testing.T, rs Resources) (all []string) {
	t.Helper()
	for _, r := range rs {
		data, err := resource.Marshal(r.Object)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Key().Kind+" "+string(data))
	}
	return all
}

// TestWrite: what is written is read as what it was.
func TestWrite(t *testing.T) {
	files, err := Reader{Env: environment}.Read([]string{unpack(t, some) + "/f.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	var objs []resource.Object
	for i := range files.Resources { // in any order
		objs = append(objs, files.Resources[len(files.Resources)-1-i].Object)
	}
	for name, w := range map[string]Writer{"f.yaml": {}, "f.json": {JSON: true}} {
		for _, apart := range []bool{false, true} {
			dir := t.TempDir()
			if apart {
				w.File = func(name string, content []byte) error {
					file := filepath.Join(dir, name)
					if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
						return err
					}
					return os.WriteFile(file, content, 0o600)
				}
			}
			var out bytes.Buffer
			if err := w.Write(&out, objs); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), "hunter2") || apart != strings.Contains(out.String(), "modules/n/js.js") {
				t.Errorf("%s:\n%s", name, &out)
			}
			if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			again, err := Reader{Env: environment}.Read([]string{dir})
			if err != nil {
				t.Fatalf("%v\n%s", err, &out)
			}
			sorted := cmp.Transformer("set", func(all []string) map[string]bool {
				set := map[string]bool{}
				for _, s := range all {
					set[s] = true
				}
				return set
			})
			if diff := cmp.Diff(encoded(t, files.Resources), encoded(t, again.Resources), sorted); diff != "" {
				t.Errorf("%s (-want +got):\n%s\n%s", name, diff, &out)
			}
		}
	}
}

// TestWritten has the form for people.
func TestWritten(t *testing.T) {
	var out bytes.Buffer
	err := Writer{}.Write(&out, []resource.Object{
		&resource.Secret{Name: "k", Namespace: "default", Data: "hunter2"},
		&resource.Service{Name: "s", Namespace: "default", URLs: []string{"http://a"}, Retries: 3, RetryTimeout: resource.Duration(50e6)},
	})
	want := `# What is secret cannot be exported. **redacted** keeps the value that a server has
# already. For another server, put a value there, such as "{env.NAME}".
services:
  - name: s
    urls:
      - http://a
    namespace: default
    retryTimeout: 50ms
secrets:
  - name: k
    namespace: default
    data: '**redacted**'
`
	if diff := cmp.Diff(want, out.String()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzYAML: JSON that is written as YAML is read as the same JSON.
func FuzzYAML(f *testing.F) {
	f.Add([]byte(`{"b":1.50,"a":[1e400,null,"1e400"," x\n\ny ","\u0085\ufeff","a: b","- x\n","#"]}`))
	f.Add([]byte(`{"<<":{"=":"~"},"y":"\t\n","":"\n","multi":"a\nb\n"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 || !json.Valid(data) || bytes.Contains(data, []byte(`\ufffd`)) {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var value any
		if err := dec.Decode(&value); err != nil {
			return
		}
		clean := jsonOf(value) // valid UTF-8, and each key once
		tree, err := YAML(clean)
		if err != nil {
			t.Fatal(err)
		}
		text, err := EncodeYAML(tree)
		if err != nil {
			t.Fatal(err)
		}
		again, err := jsonFromYAML(text)
		if err != nil || !bytes.Equal(clean, again) {
			t.Errorf("%s\n%s\n%s\n%v", clean, text, again, err)
		}
	})
}

func jsonFromYAML(text []byte) (json.RawMessage, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	likeJSON(&doc)
	return toJSON(doc.Content[0])
}
