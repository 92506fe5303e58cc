package cli_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dgate-io/caddy-dgate/adminext"
	"github.com/dgate-io/caddy-dgate/adminext/admintest"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

// clusterShell is a shell at a node that is one of three.
func clusterShell(t *testing.T) (*shell, *admintest.Cluster) {
	t.Helper()
	app := admintest.New(t)
	app.Others.TokenText = "dgate1:prod:secret:10.0.0.1:7373"
	app.Others.List = nil
	for _, id := range []string{"n1", "n2", "n3"} {
		app.Others.List = append(app.Others.List, adminext.Member{
			ID: id, Name: "name-" + id, Address: "10.0.0." + id[1:] + ":7373", Role: "voter", Leader: id == "n1", Self: id == "n1",
			Reachable: id != "n3", Version: "dev", Storage: "ok", Applied: 7,
		})
	}
	srv := httptest.NewServer(app.Handler())
	t.Cleanup(srv.Close)
	return &shell{url: srv.URL, dir: t.TempDir(), env: map[string]string{}}, app.Others
}

func TestCluster(t *testing.T) {
	tests := map[string]struct {
		line         string
		code         int
		call         string // what was asked of the cluster
		stdout, text string // what they have; the text is that of the error
	}{
		"join":                  {"cluster join a:1 b:2", 0, "join [a:1 b:2]", `"members"`, ""},
		"join nobody":           {"cluster join", 1, "", "", "requires at least 1 arg"},
		"leave":                 {"cluster leave", 0, "leave", `"members"`, ""},
		"remove":                {"cluster remove name-n2 --force", 0, "remove n2 force=true", "", ""},
		"remove a stranger":     {"cluster remove n9", 1, "", "", "there are n1 (name-n1), n2 (name-n2), n3 (name-n3)"},
		"transfer":              {"cluster transfer", 0, `transfer to ""`, "", ""},
		"transfer to one":       {"cluster transfer n2", 0, `transfer to "n2"`, "", ""},
		"recover, really":       {"cluster recover --yes --last-index 9", 0, "recover 9", "", ""},
		"recover, perhaps":      {"cluster recover", 1, "", "", "say --yes if they are lost"},
		"token":                 {"cluster token", 0, "token", "dgate1:prod:secret:10.0.0.1:7373\n", ""},
		"token as JSON":         {"cluster token -o json", 0, "token", `{` + "\n" + `  "token": "dgate1:`, ""},
		"members":               {"cluster members -o table", 0, "", "name-n3  n3  10.0.0.3:7373  voter  down                          dev\n", ""},
		"status":                {"cluster status -o table", 0, "", "Next:\n  - name-n3 (10.0.0.3:7373) is unreachable: start it", ""},
		"status, as JSON":       {"status", 0, "", `"faultTolerance": `, ""},
		"restore, perhaps":      {"restore x", 1, "", "", "say --yes if that is meant"},
		"restore what is not":   {"restore FILES/missing --yes", 1, "", "", "no such file"},
		"a topic that is none":  {"cluster explode", 3, "", "", "No help topic for 'explode'"},
		"completion of members": {"__complete cluster remove ␣", 0, "", "n2\tname-n2 10.0.0.2:7373\n", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sh, cluster := clusterShell(t)
			got := sh.run(t, tt.line)
			if got.Code != tt.code || !strings.Contains(got.Stdout, tt.stdout) || !strings.Contains(got.Stderr, tt.text) {
				t.Errorf("%d\n%s%s\nwant %d with\n%s%s", got.Code, got.Stdout, got.Stderr, tt.code, tt.stdout, tt.text)
			}
			if calls := strings.Join(cluster.Calls, "; "); calls != tt.call {
				t.Errorf("asked for %q, want %q", calls, tt.call)
			}
		})
	}
}

// A new secret needs no server, and is what the option secret takes as a key.
func TestNewSecret(t *testing.T) {
	sh := &shell{url: "http://127.0.0.1:1", dir: t.TempDir()}
	first, second := sh.run(t, "cluster token --new"), sh.run(t, "cluster token --new")
	if first.Code != 0 || first.Stdout == second.Stdout || len(first.Stdout) != 45 {
		t.Fatalf("%+v, %+v", first, second)
	}
	if _, err := peer.ParseSecret(first.Stdout); err != nil {
		t.Error(err)
	}
}

func TestBackup(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	sh, cluster := clusterShell(t)
	cluster.Data = strings.Repeat("all that is stored. ", 10_000)
	want := cluster.Data
	for name, content := range map[string]string{"key.txt": identity.String() + "\n", "recipients.txt": identity.Recipient().String() + "\n"} {
		if err := os.WriteFile(filepath.Join(sh.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sh.must(t,
		"backup -o FILES/plain",
		"backup --age "+identity.Recipient().String()+" -o FILES/secret",
		"backup --age FILES/recipients.txt -o FILES/secret2",
		"-o FILES/before backup",
	)
	if got := sh.run(t, "backup"); got.Stdout != want || !strings.Contains(got.Stderr, "backup: 200000 bytes, as of index") {
		t.Errorf("on the standard output: %d bytes, %s", len(got.Stdout), got.Stderr)
	}
	if got := sh.run(t, "backup -o FILES/plain"); got.Code != 1 || !strings.Contains(got.Stderr, "FILES/plain exists; say --force") {
		t.Errorf("a second time: %+v", got)
	}
	sh.must(t, "backup -o FILES/plain --force")
	for name, encrypted := range map[string]bool{"plain": false, "secret": true, "secret2": true, "before": false} {
		data, err := os.ReadFile(filepath.Join(sh.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if encrypted == strings.Contains(string(data), "stored") {
			t.Errorf("%s: encrypted is not %t", name, encrypted)
		}
		line := "restore FILES/" + name + " --yes"
		if encrypted {
			line += " --identity FILES/key.txt"
		}
		cluster.Data = ""
		sh.must(t, line)
		if cluster.Data != want {
			t.Errorf("%s: restored %d bytes, want %d", name, len(cluster.Data), len(want))
		}
	}
	refusals := map[string]string{
		"restore FILES/secret --yes":                                 "name the file with the identity it is for, with --identity",
		"restore FILES/plain --identity FILES/key.txt --yes":         "it is not encrypted with age",
		"restore FILES/secret --identity FILES/recipients.txt --yes": "--identity",
		"backup --age nobody -o FILES/new":                           "neither a recipient, which begins with age1, nor a file",
	}
	for line, text := range refusals {
		if got := sh.run(t, line); got.Code != 1 || !strings.Contains(got.Stderr, text) {
			t.Errorf("%s: %+v, want %s", line, got, text)
		}
	}
}

// Half a backup is no file, and a restore that breaks off is no restore.
func TestBackupBreaksOff(t *testing.T) {
	sh, cluster := clusterShell(t)
	cluster.Data, cluster.BreakOff, cluster.Err = strings.Repeat("x", 1<<20), true, os.ErrClosed
	got := sh.run(t, "backup -o FILES/half")
	entries, err := os.ReadDir(sh.dir)
	if got.Code != 1 || got.Stderr == "" || err != nil || len(entries) != 0 {
		t.Errorf("%+v; files %v, %v", got, entries, err)
	}

	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	cluster.BreakOff, cluster.Err = false, nil
	sh.must(t, "backup --age "+identity.Recipient().String()+" -o FILES/whole")
	data, err := os.ReadFile(filepath.Join(sh.dir, "whole"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"key.txt": []byte(identity.String()), "cut": data[:len(data)-100_000]} {
		if err := os.WriteFile(filepath.Join(sh.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cluster.Calls = nil
	got = sh.run(t, "restore FILES/cut --identity FILES/key.txt --yes")
	if got.Code != 1 || !strings.Contains(got.Stderr, "decrypt") || len(cluster.Calls) != 0 {
		t.Errorf("%+v, calls %v", got, cluster.Calls)
	}
}
