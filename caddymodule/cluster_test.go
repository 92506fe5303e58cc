package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/raftstorage/peer"
)

const testSecret = "correct horse battery staple"

func TestClusterMistakes(t *testing.T) {
	t.Setenv("DGATE_TEST_SECRET", testSecret)
	t.Setenv("DGATE_TEST_EMPTY", "")
	t.Setenv("DGATE_TEST_JOIN", "10.0.0.1:7373, 10.0.0.2")
	token := peer.Token{Cluster: "prod", Secret: testSecret, Addresses: []string{"10.0.0.1:7373"}}.String()
	file := filepath.Join(t.TempDir(), "no.pem")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(filepath.Dir(file), "missing.pem")
	tests := map[string]struct {
		cluster Cluster
		want    string // what the error has; "" is none
	}{
		"nothing but the block":          {Cluster{}, ""},
		"a name":                         {Cluster{Name: "prod"}, ""},
		"a secret":                       {Cluster{Secret: "{env.DGATE_TEST_SECRET}"}, ""},
		"several addresses in one":       {Cluster{Secret: testSecret, Join: []string{"{env.DGATE_TEST_JOIN}"}}, ""},
		"a token":                        {Cluster{Token: token}, ""},
		"loopback for loopback":          {Cluster{Listen: "127.0.0.1:7373", Advertise: "127.0.0.1:7373"}, ""},
		"an empty variable":              {Cluster{Secret: "{env.DGATE_TEST_EMPTY}"}, "cluster: secret: evaluated placeholder {env.DGATE_TEST_EMPTY} is empty"},
		"an unset variable in join":      {Cluster{Secret: testSecret, Join: []string{"{env.DGATE_TEST_NOT_SET}:7373"}}, "cluster: join: evaluated placeholder {env.DGATE_TEST_NOT_SET} is empty"},
		"a short secret":                 {Cluster{Secret: "hunter2"}, "cluster: secret must be at least 32 bytes"},
		"a short previous secret":        {Cluster{Secret: testSecret, SecretPrevious: []string{"hunter2"}}, "cluster: secret_previous must be at least 32 bytes"},
		"only a previous secret":         {Cluster{SecretPrevious: []string{testSecret}}, "there is no secret"},
		"a role that there is not":       {Cluster{Role: "observer"}, `role must be voter or edge, not "observer"`},
		"edge without join":              {Cluster{Secret: testSecret, Role: "edge"}, "role edge needs join"},
		"nobody to find":                 {Cluster{Secret: testSecret, Expect: 3}, "expect 3 needs join: the addresses of all 3"},
		"an even number":                 {Cluster{Secret: testSecret, Expect: 4, Join: []string{"a"}}, "expect 4 must be 1, 3 or 5"},
		"join without a secret":          {Cluster{Join: []string{"10.0.0.1:7373"}}, "need secret"},
		"listening without a secret":     {Cluster{Listen: ":7373"}, "listen :7373 can be reached from outside"},
		"no port":                        {Cluster{Secret: testSecret, Listen: "10.0.0.1"}, `listen "10.0.0.1" must be host:port`},
		"an address that is none":        {Cluster{Secret: testSecret, Join: []string{"http://10.0.0.1:7373"}}, "join http://10.0.0.1:7373 has an unknown scheme"},
		"a service that is none":         {Cluster{Secret: testSecret, Join: []string{"srv://example.com"}}, "does not name a service"},
		"advertise loopback":             {Cluster{Secret: testSecret, Advertise: "127.0.0.1:7373"}, "advertise 127.0.0.1:7373 is reached from this machine only"},
		"advertise everything":           {Cluster{Secret: testSecret, Advertise: "0.0.0.0:7373"}, "no address that others could connect to"},
		"advertise no port":              {Cluster{Secret: testSecret, Advertise: "10.0.0.1:http"}, `advertise "10.0.0.1:http"`},
		"a name with a space":            {Cluster{Name: "my cluster"}, "the name of the cluster"},
		"a token and a secret":           {Cluster{Token: token, Secret: testSecret}, "token has a name and a secret already"},
		"a token that is none":           {Cluster{Token: "prod"}, "`dgate-cli cluster token` prints one"},
		"own certificates, without one":  {Cluster{TLS: &ClusterTLS{CA: file, Cert: file}}, "tls needs three files, and key is missing"},
		"own certificates, without file": {Cluster{TLS: &ClusterTLS{CA: missing, Cert: file, Key: file}}, "tls ca: open " + missing},
		"own certificates that are none": {Cluster{TLS: &ClusterTLS{CA: file, Cert: file, Key: file}}, file + " has no certificate in PEM"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cluster, err := tt.cluster.provision("test")
			switch {
			case tt.want == "" && (err != nil || cluster == nil):
				t.Errorf("%v, error %v", cluster, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %s", err, tt.want)
			case err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), testSecret)):
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
}

func TestClusterOptions(t *testing.T) {
	t.Setenv("DGATE_TEST_JOIN", "10.0.0.1:7373, 10.0.0.2")
	c := Cluster{Token: peer.Token{Cluster: "prod", Secret: testSecret, Addresses: []string{"10.0.0.9:7373"}}.String(), Join: []string{"{env.DGATE_TEST_JOIN}"}, Role: "edge", LeaveOnExit: true}
	cluster, err := c.provision("v1")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cluster.Join, " "); got != "10.0.0.1:7373 10.0.0.2 10.0.0.9:7373" {
		t.Errorf("join %s", got)
	}
	if cluster.Name != "prod" || !cluster.Edge || !cluster.LeaveOnExit || cluster.Version != "v1" || cluster.Secret.Text() != testSecret {
		t.Errorf("%+v", cluster)
	}
}

// Without a key of its own, what a node encrypts is readable with the cluster's secret, and with
// previous ones.
func TestClusterKeys(t *testing.T) {
	app := func(change func(*App)) *App {
		a := &App{Cluster: &Cluster{Secret: testSecret, SecretPrevious: []string{testSecret + " of old"}}}
		change(a)
		return a
	}
	tests := map[string]struct {
		app  *App
		keys int
		want string
	}{
		"the secrets' keys":           {app(func(*App) {}), 2, ""},
		"after those of the option":   {app(func(a *App) { a.keks = []*keyring.KEK{keyring.NewKEK()} }), 3, ""},
		"no secret, no key":           {app(func(a *App) { a.Cluster = &Cluster{} }), 0, ""},
		"own certificates need a key": {app(func(a *App) { a.Cluster = &Cluster{TLS: certificatesOfOwn(t)} }), 0, "needs the option encryption_key"},
		"own certificates with a key": {app(func(a *App) {
			a.Cluster = &Cluster{TLS: certificatesOfOwn(t)}
			a.keks = []*keyring.KEK{keyring.NewKEK()}
		}), 1, ""},
		"own certificates and a secret": {app(func(a *App) { a.Cluster.TLS = certificatesOfOwn(t) }), 2, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.app.provisionCluster()
			if tt.want == "" && (err != nil || len(tt.app.keks) != tt.keys) {
				t.Errorf("%d keys, want %d; error %v", len(tt.app.keks), tt.keys, err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
