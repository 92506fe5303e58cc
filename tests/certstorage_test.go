package tests

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// sharedCertificates is a site with a certificate of Caddy's own authority, all in the store.
const sharedCertificates = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust
	storage dgate
%s}

https://internal.test:{$HTTPS_PORT} {
	tls internal
	respond "ok"
}
`

// authority is the root certificate of Caddy's own authority.
func authority(t *testing.T, c *harness.Caddy) *x509.Certificate {
	t.Helper()
	got, err := harness.Get(c.Admin + "/pki/ca/local")
	if err != nil {
		t.Fatal(err)
	}
	var ca struct {
		Root string `json:"root_certificate"`
	}
	if err := json.Unmarshal([]byte(got.Body), &ca); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(ca.Root))
	if block == nil {
		t.Fatalf("no root certificate in %s", got.Body)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// handshake waits for a certificate of name that root vouches for.
func handshake(t *testing.T, c *harness.Caddy, name string, root *x509.Certificate) *x509.Certificate {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(root)
	var leaf *x509.Certificate
	err := harness.Await(func() error {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", "127.0.0.1:"+c.Env()["HTTPS_PORT"], &tls.Config{ServerName: name, RootCAs: pool})
		if err != nil {
			return err
		}
		leaf = conn.ConnectionState().PeerCertificates[0]
		return conn.Close()
	})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return leaf
}

// TestCertificateStorage has a Caddy keep its certificates and its authority in the store.
func TestCertificateStorage(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]string{"without a dgate block": "", "with a dgate block": "\tdgate\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, fmt.Sprintf(sharedCertificates, block))
			root := authority(t, c)
			leaf := handshake(t, c, "internal.test", root)

			archive := beside(t, c, root, "validate", "export", "import")
			checkKeysHidden(t, c, archive)

			began := time.Now()
			if err := c.Restart(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("a restart takes %v", took)
			}
			if again := authority(t, c); !again.Equal(root) {
				t.Error("after a restart there is another authority")
			}
			if again := handshake(t, c, "internal.test", root); !again.Equal(leaf) {
				t.Error("after a restart there is another certificate")
			}
			if err := c.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if again := handshake(t, c, "internal.test", root); !again.Equal(leaf) {
				t.Error("after a crash there is another certificate")
			}
		})
	}
}

// TestCertificateStorageOfAnotherProcess has two Caddys with the same data directory. The second one asks
// the first one, and takes its place when that is gone.
func TestCertificateStorageOfAnotherProcess(t *testing.T) {
	t.Parallel()
	first := harness.Start(t, fmt.Sprintf(sharedCertificates, ""))
	root := authority(t, first)
	leaf := handshake(t, first, "internal.test", root)
	second := harness.New(t, fmt.Sprintf(sharedCertificates, ""))
	second.Setenv("XDG_DATA_HOME", first.Env()["XDG_DATA_HOME"])
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	same := func(c *harness.Caddy, when string) {
		t.Helper()
		if !authority(t, c).Equal(root) || !handshake(t, c, "internal.test", root).Equal(leaf) {
			t.Errorf("%s there is another authority or certificate", when)
		}
	}
	same(second, "beside the first process")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := second.Reload(); err != nil {
		t.Fatal(err)
	}
	same(second, "without the first process")
	beside(t, second, root, "validate", "export", "import")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	same(first, "beside the second process")
}

// beside runs commands of Caddy beside a server, and returns what it has exported.
func beside(t *testing.T, c *harness.Caddy, root *x509.Certificate, commands ...string) (archive map[string]string) {
	t.Helper()
	run := func(args ...string) {
		t.Helper()
		began := time.Now()
		if out, err := c.Command(t.Context(), "caddy", args...).CombinedOutput(); err != nil {
			t.Fatalf("caddy %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		t.Logf("caddy %s took %v", args[0], time.Since(began))
	}
	exported := filepath.Join(t.TempDir(), "export.tar")
	for _, command := range commands {
		switch command {
		case "validate":
			run("validate", "--config", c.Caddyfile)
		case "export":
			run("storage", "export", "--config", c.Caddyfile, "--output", exported)
			archive = untar(t, exported)
			rootFile := archive["pki/authorities/local/root.crt"]
			if block, _ := pem.Decode([]byte(rootFile)); block == nil || !bytes.Equal(block.Bytes, root.Raw) {
				t.Errorf("exported another root certificate: %s", rootFile)
			}
		case "import":
			run("storage", "import", "--config", c.Caddyfile, "--input", exported)
		}
	}
	if again := authority(t, c); !again.Equal(root) {
		t.Error("there is another authority now")
	}
	return archive
}

func untar(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	values := map[string]string{}
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			t.Fatal(err)
		}
		value, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		values[header.Name] = string(value)
	}
}

// checkKeysHidden looks for private keys in every file of a Caddy.
func checkKeysHidden(t *testing.T, c *harness.Caddy, archive map[string]string) {
	t.Helper()
	keys := map[string]string{}
	for name, value := range archive {
		if strings.HasSuffix(name, ".key") {
			lines := strings.Split(value, "\n")
			if len(lines) < 3 {
				t.Errorf("%s is no key", name)
				continue
			}
			keys[name] = lines[1]
		}
	}
	if len(keys) < 3 {
		t.Errorf("%d keys are exported", len(keys))
	}
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for name, key := range keys {
			if bytes.Contains(data, []byte(key)) {
				t.Errorf("%s is in clear in %s", name, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCommandsWithoutStore says that trying a configuration begins nothing, and that there is nothing
// to export where nothing is.
func TestCommandsWithoutStore(t *testing.T) {
	t.Parallel()
	c := harness.New(t, fmt.Sprintf(sharedCertificates, "\tdgate\n"))
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	if out, err := c.Command(ctx, "caddy", "validate", "--config", c.Caddyfile).CombinedOutput(); err != nil {
		t.Errorf("validate: %v\n%s", err, out)
	}
	out, err := c.Command(ctx, "caddy", "storage", "export", "--config", c.Caddyfile, "--output", filepath.Join(t.TempDir(), "x")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is no store in") {
		t.Errorf("export: %v\n%s", err, out)
	}
	store := filepath.Join(c.Env()["XDG_DATA_HOME"], "caddy", "dgate")
	if _, err := os.Stat(store); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made: %v", store, err)
	}
	if err := c.Write(fmt.Sprintf(sharedCertificates, "\tdgate {\n\t\tdata_dir one\n\t}\n")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.Caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(strings.Replace(string(text), "storage dgate", "storage dgate {\n\t\tdata_dir two\n\t}", 1)); err != nil {
		t.Fatal(err)
	}
	out, err = c.Command(ctx, "caddy", "validate", "--config", c.Caddyfile).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "leave the first one out, or make them the same") {
		t.Errorf("two data directories: %v\n%s", err, out)
	}
}
