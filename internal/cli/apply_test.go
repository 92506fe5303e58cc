package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

const gatewayFile = `namespaces:
  - name: prod
services:
  - name: users
    urls: [http://a]
    namespace: prod
modules:
  - name: hi
    payloadFile: hi.ts
    namespace: prod
routes:
  - name: hi
    paths: [/hi]
    methods: [GET]
    namespace: prod
    service: users
    modules: [hi]
collections:
  - name: c
documents:
  - id: d/1 x
    collection: c
    data: {b: 1.0, a: [null, "1"]}
secrets:
  - name: key
    data: "{env.KEY}"
`

// edited is gatewayFile with some changes.
func edited(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(gatewayFile) }

func gatewayFiles() map[string]string {
	return map[string]string{
		"a.yaml":  gatewayFile,
		"hi.ts":   "export const requestHandler = () => {}",
		"b.yaml":  edited("[http://a]", "[http://a, http://b]\n    retryTimeout: 1s", "{env.KEY}", "other", "1.0", "1"),
		"no.yaml": "namespaces:\n  - name: prod\nservices: []\nroutes: []\nsecrets:\n",
		"bad.yaml": "services:\n  - name: s\n    urls: [http://a]\nroutes:\n  - name: r\n    paths: [/]\n" +
			"    methods: [GET]\n    service: none\n",
		"wrong.yaml":  "services:\n  - name: s\n    urls:\n      - ftp://a\n    retires: 1\n",
		"one.yaml":    "routes:\n  - {name: r, paths: [/], methods: [GET], service: none}\n",
		"plain.yaml":  "services:\n  - {name: s, urls: [http://a]}\n",
		"docs.yaml":   "documents:\n  - {id: other, collection: c, data: 1}\n",
		"secret.yaml": "secrets:\n  - {name: new, data: '**redacted**'}\n  - {name: other, data: x}\n",
	}
}

const created = "+ namespace prod\n+ service prod/users\n+ module prod/hi\n+ route prod/hi\n+ collection default/c\n" +
	"+ document default/c/d/1 x\n+ secret default/key\n7 to create, 0 to change, 0 to delete; 0 resources are as listed\n"

func TestApply(t *testing.T) {
	apply := []string{"apply -f FILES/a.yaml"}
	const same = "nothing to change; 7 resources are as listed\n"
	tests := map[string]struct {
		before []string
		line   string
		stdin  string
		want   result
	}{
		"a diff":                   {line: "diff -f FILES/a.yaml", want: result{2, created, ""}},
		"an apply":                 {line: "apply -f FILES/a.yaml", want: result{0, created + "applied, at index N\n", ""}},
		"a dry run":                {before: []string{"apply --dry-run -f FILES/a.yaml"}, line: "diff FILES/a.yaml", want: result{2, created, ""}},
		"an apply again":           {before: apply, line: "apply -y --file FILES/a.yaml", want: result{0, same, ""}},
		"a diff of nothing":        {before: apply, line: "diff --prune -f FILES/a.yaml", want: result{0, same, ""}},
		"changes":                  {before: apply, line: "diff -f FILES/b.yaml", want: result{2, "~ service prod/users\n    urls: http://a → http://a,http://b\n    retryTimeout: 0s → 1s\n~ document default/c/d/1 x\n    data\n~ secret default/key\n    data\n0 to create, 3 to change, 0 to delete; 4 resources are as listed\n", ""}},
		"a delete of what is used": {before: append(apply, "mod mk other payload=eA== -n prod"), line: "apply --prune FILES/no.yaml", want: result{0, "- route prod/hi\n- service prod/users\n0 to create, 0 to change, 2 to delete; 1 resource is as listed\napplied, at index N\n", ""}},
		"only what is listed":      {before: apply, line: "diff --prune FILES/plain.yaml", want: result{2, "+ service default/s\n1 to create, 0 to change, 0 to delete; 0 resources are as listed\n", ""}},
		"documents":                {before: apply, line: "diff --prune -f FILES/docs.yaml", want: result{2, "+ document default/c/other\n- document default/c/d/1 x\n1 to create, 0 to change, 1 to delete; 0 resources are as listed\n", ""}},
		"a namespace by its flag":  {before: apply, line: "diff --prune -f - -n default", stdin: "secrets: []", want: result{2, "- secret default/key\n0 to create, 0 to change, 1 to delete; 0 resources are as listed\n", ""}},
		"nothing in a file":        {line: "apply -f -", stdin: "# nothing", want: result{0, "nothing to change; 0 resources are as listed\n", ""}},
		"namespaces by the flag":   {before: []string{"ns mk n"}, line: "apply FILES/plain.yaml -n n", want: result{0, "+ service n/s\n1 to create, 0 to change, 0 to delete; 0 resources are as listed\napplied, at index N\n", ""}},
		"a namespace to come":      {line: "apply --prune FILES/plain.yaml -n nn", want: result{1, "", "FILES/plain.yaml:2: 400 error from server: namespace not found: nn\n"}},
		"all namespaces":           {line: "apply FILES/plain.yaml -n *", want: result{1, "", "input error: * as a namespace is for list only\n"}},
		"no file":                  {line: "diff", want: result{1, "", "input error: no files; name them with -f <file>\n"}},
		"no such file":             {line: "diff -f FILES/none.yaml", want: result{1, "", "FILES/none.yaml: no such file\n"}},
		"mistakes in a file":       {line: "apply FILES/wrong.yaml", want: result{1, "", "FILES/wrong.yaml:5: service: retires is not a field of service; did you mean retries?\nFILES/wrong.yaml:4: service: urls[0] must have the scheme http, https, h2c, ws or wss\n"}},
		"mistakes of the server":   {line: "apply FILES/bad.yaml", want: result{1, "", "400 error from server: FILES/bad.yaml:5: route default/r: service not found: none\n"}},
		"a mistake of one":         {line: "diff FILES/one.yaml", want: result{1, "", "FILES/one.yaml:2: 400 error from server: service not found: none\n"}},
		"a secret of nothing":      {line: "apply FILES/secret.yaml", want: result{1, "", "400 error from server: FILES/secret.yaml:2: secret default/new: data is **redacted**, but there is no stored value to keep\n"}},
		"an unknown output":        {line: "diff FILES/plain.yaml -o source", want: result{1, "", "output source is for module get\n"}},
		"a plan for programs":      {line: "diff FILES/plain.yaml -o yaml", want: result{2, "index: N\nresults:\n  - kind: service\n    key:\n      name: s\n      namespace: default\n    action: created\n    version: 0\n", ""}},
		"an apply for programs":    {line: "apply FILES/plain.yaml -o yaml", want: result{0, "index: N\nresults:\n  - kind: service\n    key:\n      name: s\n      namespace: default\n    action: created\n    version: 0\n", "applied, at index N\n"}},
	}
	index := regexp.MustCompile(`(index:? )\d+`)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sh := newShell(t, gatewayFiles())
			sh.env["KEY"] = "hunter2"
			sh.must(t, tt.before...)
			sh.stdin = tt.stdin
			got := sh.run(t, tt.line)
			got.Stdout, got.Stderr = index.ReplaceAllString(got.Stdout, "${1}N"), index.ReplaceAllString(got.Stderr, "${1}N")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.line, diff)
			}
		})
	}
}

// TestOvertaken: what somebody else changes between the plan and the apply is not overwritten.
func TestOvertaken(t *testing.T) {
	app := admintest.New(t)
	api := app.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.RawQuery == "" {
			_, err := app.Writer().Put(r.Context(), &resource.Namespace{Name: "prod", Tags: []string{"mine"}}, state.Condition{})
			if err != nil {
				t.Error(err)
			}
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	sh := newShell(t, gatewayFiles())
	sh.url, sh.env["KEY"] = srv.URL, "hunter2"
	want := result{1, created, "412 error from server: FILES/a.yaml:2: namespace prod: namespace exists already: prod; " +
		"it has changed since the plan was made, and nothing was applied: look at a new plan\n"}
	if diff := cmp.Diff(want, sh.run(t, "apply -f FILES/a.yaml")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := sh.run(t, "ns get prod -o yaml"); !strings.Contains(got.Stdout, "mine") {
		t.Errorf("overwritten: %s", got.Stdout)
	}
	if got := sh.run(t, "svc get users -n prod"); got.Code == 0 {
		t.Errorf("applied in part: %s", got.Stdout)
	}
}

// TestExport: what was exported changes nothing where it comes from, and makes the same elsewhere.
func TestExport(t *testing.T) {
	for name, flags := range map[string]string{"yaml": "", "json": "-o json", "a directory": "--dir FILES/out", "a directory of json": "-o json --dir FILES/out"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sh := newShell(t, gatewayFiles())
			sh.env["KEY"] = "hunter2"
			sh.must(t, "apply FILES/b.yaml", "ns mk extra tags=yes,1", "mod mk js payload=eA== type=javascript", "col mk users schema:={\"type\":\"object\",\"required\":[]}",
				`doc mk e collection=users data:={"z":1E3,"a":[12345678901234567890,"1e5"]}`)
			file := "-"
			if strings.Contains(flags, "--dir") {
				file = "FILES/out"
			}
			got := sh.run(t, "export --documents "+flags)
			if got.Code != 0 || strings.Contains(got.Stdout, "hunter2") {
				t.Fatalf("%d %s\n%s", got.Code, got.Stdout, got.Stderr)
			}
			sh.stdin = got.Stdout
			if again := sh.run(t, "diff --prune -f "+file); again.Code != 0 {
				t.Errorf("not the same: %d %s\n%s\n%s", again.Code, again.Stdout, again.Stderr, got.Stdout)
			}
			all := sh.run(t, "export --documents --secrets=false")
			sh.stdin = all.Stdout
			other := newShell(t, nil)
			other.stdin = all.Stdout
			other.must(t, "apply -f -")
			if diff := cmp.Diff(all, other.run(t, "export --documents --secrets=false")); diff != "" {
				t.Errorf("elsewhere (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExportParts(t *testing.T) {
	sh := newShell(t, gatewayFiles())
	sh.env["KEY"] = "hunter2"
	sh.must(t, "apply FILES/a.yaml")
	want := result{0, `namespaces:
  - name: prod
services:
  - name: users
    urls:
      - http://a
    namespace: prod
modules:
  - name: hi
    namespace: prod
    payload: ZXhwb3J0IGNvbnN0IHJlcXVlc3RIYW5kbGVyID0gKCkgPT4ge30=
routes:
  - name: hi
    paths:
      - /hi
    methods:
      - GET
    service: users
    namespace: prod
    modules:
      - hi
`, ""}
	if diff := cmp.Diff(want, sh.run(t, "export -n prod")); diff != "" {
		t.Errorf("a namespace (-want +got):\n%s", diff)
	}
	got := sh.run(t, "export -n prod --dir FILES/new/out")
	if diff := cmp.Diff(result{0, "", "wrote 4 resources to FILES/new/out/resources.yaml\n"}, got); diff != "" {
		t.Errorf("a directory (-want +got):\n%s", diff)
	}
	code, err := os.ReadFile(filepath.Join(sh.dir, "new/out/modules/prod/hi.ts"))
	if err != nil || string(code) != gatewayFiles()["hi.ts"] {
		t.Errorf("%s %v", code, err)
	}
	for line, want := range map[string]string{
		"export -n none":  "404 error from server: namespace not found\n",
		"export -o table": "output of export must be one of json, yaml\n",
	} {
		if got := sh.run(t, line); got.Code != 1 || got.Stderr != want {
			t.Errorf("%s: %d %s", line, got.Code, got.Stderr)
		}
	}
}
