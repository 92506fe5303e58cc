package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/adminclient/original/originaltest"
)

const importPlan = `+ namespace shop
+ service shop/orders
+ service shop/users
+ module shop/auth
+ module shop/b-entry
+ route shop/users
+ domain default/all
+ domain shop/shop
+ collection shop/carts
+ collection shop/hidden
10 to create, 0 to change, 0 to delete; 1 resource is as listed
documents: 1203 to create, 0 to change; 0 resources are as read
`

const notImported = `not imported:
  collection shop/hidden: its documents cannot be read: 403 error from server: collection is private
  secret shop/stripe: the server does not show its value; set it by hand
  route shop/never: paths: are required
`

func TestImport(t *testing.T) {
	sh := newShell(t, nil)
	from := originaltest.Start(t)
	from.Authorized = func(r *http.Request) bool { return r.Header.Get("X-DGate-Key") == "key" }
	line := "import --from " + from.URL() + " --from-header X-DGate-Key:␣key"

	if diff := cmp.Diff(result{2, importPlan, notImported}, sh.run(t, line+" --dry-run")); diff != "" {
		t.Fatalf("the plan (-want +got):\n%s", diff)
	}
	if got := sh.run(t, "service get users -n shop"); got.Code != 1 {
		t.Fatalf("--dry-run has stored something: %s", got.Stdout)
	}
	if diff := cmp.Diff(result{2, importPlan + "imported\n", notImported}, sh.run(t, line)); diff != "" {
		t.Fatalf("the import (-want +got):\n%s", diff)
	}
	for command, want := range map[string]string{
		"route get users -n shop":                     `"auth",`, // first: it was the entry
		"domain get shop -n shop":                     `"priority": 7`,
		"document get c1202 collection=carts -n shop": `"items": 1202`,
		"document get c0000 collection=carts -n shop": `"items": 0`,
	} {
		if got := sh.run(t, command); !strings.Contains(got.Stdout, want) {
			t.Errorf("%s: %s%s", command, got.Stdout, got.Stderr)
		}
	}

	// What has changed since is taken over by the next import, and what is only here stays.
	sh.must(t, "service create mine -n shop urls=http://mine", "service create users -n shop urls=http://changed")
	from.Resources["shop"]["secret"], from.Resources["shop"]["collection"] = nil, from.Resources["shop"]["collection"][:1]
	from.Resources["shop"]["route"] = from.Resources["shop"]["route"][1:]
	from.Documents["shop"]["carts"][7]["data"] = 7
	want := "~ service shop/users\n    urls: http://changed → http://users.internal:8080\n    retryTimeout: 0s → 50ms\n" +
		"0 to create, 1 to change, 0 to delete; 9 resources are as listed\n" +
		"documents: 0 to create, 1 to change; 1202 resources are as read\nimported\n"
	got := sh.run(t, line)
	// The collection of the changed document has a schema that it violates.
	if !strings.Contains(got.Stderr, "document shop/carts/c0007: data") {
		t.Errorf("%d %s%s", got.Code, got.Stdout, got.Stderr)
	}
	from.Documents["shop"]["carts"][7]["data"] = originaltest.Resource{"items": "seven"}
	sh.must(t, "service create users -n shop urls=http://changed")
	if diff := cmp.Diff(result{0, want, ""}, sh.run(t, line)); diff != "" {
		t.Errorf("the second import (-want +got):\n%s", diff)
	}
	sh.must(t, "service get mine -n shop")
}

// TestImportReferences: what refers to something that is left out is left out too.
func TestImportReferences(t *testing.T) {
	sh := newShell(t, nil)
	from := originaltest.Start(t)
	from.Resources["shop"]["service"][1]["urls"] = []string{"ftp://users"}
	from.Resources["shop"]["collection"][0]["schema"] = originaltest.Resource{"type": "zzz"}
	got := sh.run(t, "import -n shop --from "+from.URL())
	for _, want := range []string{"  service shop/users: urls[0]: must have the scheme", "  route shop/users: service: service not found: users\n", "  document shop/carts/c0000: its collection is left out (and 1202 more)\n"} {
		if !strings.Contains(got.Stderr, want) || got.Code != 2 {
			t.Errorf("%d without %q:\n%s", got.Code, want, got.Stderr)
		}
	}
	sh.must(t, "service get orders -n shop")
}

// TestImportToFiles: the files are what apply reads.
func TestImportToFiles(t *testing.T) {
	sh := newShell(t, nil)
	from := originaltest.Start(t)
	from.Resources["shop"]["route"] = from.Resources["shop"]["route"][1:]
	from.Resources["shop"]["module"] = append(from.Resources["shop"]["module"], originaltest.Resource{"name": "../../../pwn", "payload": "MQ=="})
	dir := filepath.Join(sh.dir, "out")
	if got := sh.run(t, "import --from "+from.URL()+" --dir "+dir); got.Code != 2 || got.Stdout != "" || !strings.HasPrefix(got.Stderr, "wrote 1214 resources to FILES/out/resources.yaml\nnot imported:\n") ||
		!strings.Contains(got.Stderr, "  module shop/../../../pwn: name must begin with a letter or a digit\n") {
		t.Fatalf("%d %s%s", got.Code, got.Stdout, got.Stderr)
	}
	source, err := os.ReadFile(filepath.Join(dir, "modules/shop/auth.ts"))
	if err != nil || string(source) != "export const ok = true;\n" {
		t.Errorf("%s, %v", source, err)
	}
	sh.must(t, "apply -f "+dir)
	if got := sh.run(t, "import --from "+from.URL()); !strings.HasPrefix(got.Stdout, "nothing to change;") {
		t.Errorf("import after apply: %s%s", got.Stdout, got.Stderr)
	}
}

func TestImportMistakes(t *testing.T) {
	sh := newShell(t, nil)
	from := originaltest.Start(t)
	from.Authorized = func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return user == "me" && password == "pw"
	}
	tests := map[string]struct{ line, stdin, want string }{
		"no server":      {"import", "", "input error: no server to import from; name it with --from <url>\n"},
		"no credentials": {"import --from " + from.URL(), "", "read the original: namespaces: 401 error from server\n"},
		"a wrong header": {"import --from http://a --from-header key", "", "read the original: --from-header must be 'Name: value'\n"},
		"no namespace":   {"import -n no --from " + from.URL() + " --from-auth me", "pw\n", "password for me:\nread the original: the server has no namespace no\n"},
		"this DGate":     {"import --from " + sh.url + "/dgate -n no", "", "read the original: the server has no namespace no\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sh.stdin = tt.stdin
			if diff := cmp.Diff(result{1, "", tt.want}, sh.run(t, tt.line)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
