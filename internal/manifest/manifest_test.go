package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// unpack writes the files of an archive into a new directory and returns it.
func unpack(t testing.TB, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := unpack(t, `
-- b/routes.yaml --
# routes may come before what they refer to
routes:
  - name: r
    paths: [/r]
    methods: [GET]
    service: s
    modules: [m]
---
services:
  - &common
    name: s
    urls: [http://a]
    retryTimeout: 50ms
  - <<: *common
    name: s2
-- b/m.ts --
export const requestHandler = () => {}
-- a.json --
{"namespaces": [{"name": "other"}], "modules": [{"name": "m", "payloadFile": "b/m.ts"}, {"name": "m", "namespace": "other", "payload": "MQ=="}], "services": null}
-- empty.yaml --
# nothing yet
`)
	objs, err := Load([]string{dir + "/b/*.yaml", dir + "/a.json", dir + "/*.yaml", dir + "/none/*.yaml", dir + "/a.json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objs {
		data, err := resource.Encode(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o.Key().Kind+" "+string(data))
	}
	want := []string{
		`namespace {"name":"other"}`,
		`service {"name":"s","urls":["http://a"],"namespace":"default","retries":3,"retryTimeout":50000000,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`,
		`service {"name":"s2","urls":["http://a"],"namespace":"default","retries":3,"retryTimeout":50000000,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`,
		`module {"name":"m","namespace":"default","payload":"ZXhwb3J0IGNvbnN0IHJlcXVlc3RIYW5kbGVyID0gKCkgPT4ge30K","moduleType":"typescript"}`,
		`module {"name":"m","namespace":"other","payload":"MQ==","moduleType":"typescript"}`,
		`route {"name":"r","paths":["/r"],"methods":["GET"],"preserveHost":false,"stripPath":false,"service":"s","namespace":"default","modules":["m"]}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

// environment has two variables.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"API_KEY": "hunter2", "EMPTY": ""}[name]
	return value, ok
}

func TestCollections(t *testing.T) {
	dir := unpack(t, `
-- f.yaml --
documents:
  - id: alice
    collection: users
    data:
      born: 1990-01-02
      age: 42
      ratio: 0.50
      big: 123456789012345678901234567890
      huge: 1e400
      hex: 0xff
      codes: {200: OK, true: "yes"}
      nothing: null
      list: [&x {b: 2, a: 1}, {<<: *x, c: 3}]
      text: !!str 1e400
  - {id: "007", collection: users, data: 7}
collections:
  - name: users
    schema:
      type: object
      required: [born]
secrets:
  - name: key
    data: "Bearer {env.API_KEY}!"
  - name: literal
    data: "{env.API_KEY"
`)
	objs, err := Load([]string{dir + "/f.yaml"}, environment)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range objs {
		data, err := resource.Encode(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(data))
	}
	want := []string{
		`{"name":"users","namespace":"default","schema":{"type":"object","required":["born"]},"visibility":"private","type":"document"}`,
		`{"id":"alice","collection":"users","namespace":"default","data":{"born":"1990-01-02","age":42,"ratio":0.50,"big":123456789012345678901234567890,"huge":1e400,"hex":255,"codes":{"200":"OK","true":"yes"},"nothing":null,"list":[{"b":2,"a":1},{"c":3,"b":2,"a":1}],"text":"1e400"}}`,
		`{"id":"007","collection":"users","namespace":"default","data":7}`,
		`{"name":"key","namespace":"default","data":"Bearer hunter2!"}`,
		`{"name":"literal","namespace":"default","data":"{env.API_KEY"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

// A digest needs no environment, and sees an edit.
func TestDigest(t *testing.T) {
	dir := unpack(t, "-- f.yaml --\nsecrets:\n  - {name: key, data: '{env.NOT_SET}'}\n-- g.yaml --\nsecrets:\n  - {name: key, data: '{env.OTHER}'}\n")
	f, g := Digest([]string{dir + "/f.yaml"}), Digest([]string{dir + "/g.yaml"})
	if f == "" || f == g {
		t.Errorf("digests %q and %q", f, g)
	}
	// A key that is not there yet does not fit the certificate.
	dir = unpack(t, "-- f.yaml --\ndomains:\n  - {name: d, patterns: [a.example.com], cert: '{env.CERT}', key: '{env.KEY}'}\n")
	if Digest([]string{dir + "/f.yaml"}) == "" {
		t.Error("no digest of a domain")
	}
}

func TestMistakes(t *testing.T) {
	tests := map[string]struct{ file, want string }{
		"unknown kind":                 {"sevices:\n  - name: a\n", `f.yaml:1: "sevices" is not a kind of resource; did you mean services?`},
		"singular":                     {"service:\n  - name: a\n", `f.yaml:1: "service" is not a kind of resource; did you mean services?`},
		"not a mapping":                {"- a\n", "f.yaml:1: expected a mapping from kinds (namespaces, services, modules, routes, domains, collections, documents, secrets) to lists"},
		"not a list":                   {"services:\n  a: b\n", "f.yaml:2: services must be a list"},
		"not a resource":               {"services:\n  - a\n", "f.yaml:2: a service must be a mapping from fields to values"},
		"unknown field":                {"services:\n  - name: a\n    urls: [http://a]\n    retires: 2\n", "f.yaml:4: service: retires is not a field of service; did you mean retries?"},
		"wrong type":                   {"services:\n  - name: a\n    urls: [http://a]\n    retries: many\n", "f.yaml:4: service: retries must be a whole number"},
		"every mistake":                {"services:\n  - name: a b\n    urls: [ftp://a]\nroutes:\n  - name: r\n    methods: [get]\n", "f.yaml:2: service: name may only have ASCII letters, digits, '.', '_' and '-'\nf.yaml:3: service: urls[0] must have the scheme http, https, h2c, ws or wss\nf.yaml:5: route: paths are required\nf.yaml:6: route: unsupported method: get"},
		"listed twice":                 {"services:\n  - {name: a, urls: [http://a]}\n  - {name: a, urls: [http://b]}\n", "f.yaml:3: service default/a is listed before, at f.yaml:2"},
		"no such payload":              {"modules:\n  - name: m\n    payloadFile: no.ts\n", "f.yaml:3: module: payloadFile: open no.ts: no such file or directory"},
		"both payloads":                {"modules:\n  - name: m\n    payload: MQ==\n    payloadFile: m.ts\n", "f.yaml:4: module: payload and payloadFile are given; one is enough"},
		"payload is not repeated":      {"modules:\n  - name: m\n    payload: '*'\n", "f.yaml:3: module: payload must be base64 (standard alphabet, padded)"},
		"a variable that is not set":   {"secrets:\n  - name: k\n    data: '{env.NOT_SET}'\n", "f.yaml:3: secret: data: the environment variable NOT_SET is not set"},
		"a variable that is empty":     {"secrets:\n  - name: k\n    data: 'x{env.EMPTY}'\n", "f.yaml:3: secret: data: the environment variable EMPTY is empty"},
		"a variable elsewhere":         {"services:\n  - name: s\n    urls: ['{env.API_KEY}']\n", "f.yaml:3: service: urls[0] must begin with a scheme: http, https, h2c, ws or wss"},
		"a variable in a domain's key": {"domains:\n  - name: d\n    patterns: [a.example.com]\n    cert: x\n    key: '{env.NOT_SET}'\n", "f.yaml:5: domain: key: the environment variable NOT_SET is not set"},
		"a secret is not repeated":     {"secrets:\n  - name: k\n    data: [hunter2]\n", "f.yaml:3: secret: data must be a string"},
		"data that JSON has not":       {"documents:\n  - id: d\n    collection: c\n    data: .nan\n", "f.yaml:4: document: .nan is not a number in JSON"},
		"deep in a schema":             {"collections:\n  - name: c\n    schema:\n      type: object\n      properties:\n        a b:\n          type: objekt\n", `f.yaml:7: collection: schema.properties["a b"].type must match one of the schemas under anyOf: (1) must be one of "array", "boolean", "integer", "null", "number", "object", "string"; (2) must be an array`},
		"deep in a list":               {"services:\n  - name: s\n    urls:\n      - http://a\n      - ftp://b\n", "f.yaml:5: service: urls[1] must have the scheme http, https, h2c, ws or wss"},
		"another spelling":             {"services:\n  - name: s\n    urls: [http://a]\n    retry_timeout: -1s\n", "f.yaml:4: service: retryTimeout must not be negative"},
		"a key that is a mapping":      {"documents:\n  - id: d\n    collection: c\n    data:\n      ? {a: b}\n      : 1\n", "f.yaml:5: document: a key must be a text"},
		"not YAML":                     {"services: [\n", "f.yaml: yaml: line 1: did not find expected node content"},
		"not a key":                    {"namespaces:\n  - {1: 2}\n", "f.yaml:2: namespace: 1 is not a field of namespace; its fields are name, tags"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, "-- f.yaml --\n"+tt.file)
			_, err := Load([]string{dir + "/f.yaml"}, environment)
			if err == nil {
				t.Fatal("no mistake was found")
			}
			if diff := cmp.Diff(tt.want, strings.ReplaceAll(err.Error(), dir+"/", "")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := Load([]string{"no/such.yaml"}, nil); err == nil || err.Error() != "no/such.yaml: no such file" {
		t.Errorf("error %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("services:\n  - name: a\n    urls: [http://a]\n"))
	f.Add([]byte("a: &a [*a, *a]\nservices: *a\n"))
	f.Add([]byte("services: [{name: &x [*x]}]"))
	f.Add([]byte("modules: [{name: m, payload: MQ==, ? {a: b} : c}]\n---\n!!binary x: y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		objs, err := Load([]string{file}, environment)
		if err != nil {
			return
		}
		for _, o := range objs {
			if err := o.Validate(); err != nil {
				t.Errorf("%s was read and is not valid: %v", o.Key(), err)
			}
		}
	})
}

// Files of a directory, and the standard input.
func TestRead(t *testing.T) {
	dir := unpack(t, "-- d/b.yml --\nroutes: []\n-- d/a.json --\n{\"services\":[{\"name\":\"s\",\"urls\":[\"http://a\"]}]}\n-- d/sub/c.yaml --\nx\n-- d/m.ts --\nx\n-- a[1].yaml --\nsecrets:\n-- empty/m.ts --\nx\n")
	r := Reader{Env: environment, Namespace: "n", Stdin: strings.NewReader("namespaces: [{name: n}]\n")}
	files, err := r.Read([]string{dir + "/d", Stdin, dir + "/a[1].yaml", dir + "/no*.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range files.Resources {
		got = append(got, strings.TrimPrefix(r.Place, dir)+" "+r.Key().String())
	}
	if diff := cmp.Diff([]string{"stdin:1 namespace n", "/d/a.json:1 service n/s"}, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{dir + "/no*.yaml"}, files.Unmatched); diff != "" {
		t.Errorf("unmatched (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"route": true, "service": true, "namespace": true, "secret": true}, files.Kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	for pattern, want := range map[string]string{
		Stdin:          "stdin: there is no standard input here",
		dir + "/empty": "/empty: the directory has no files .yaml, .yml, .json",
	} {
		if _, err := (Reader{}).Read([]string{pattern}); err == nil || strings.TrimPrefix(err.Error(), dir) != want {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
