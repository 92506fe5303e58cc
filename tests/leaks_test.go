package tests

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// leaking is a Caddy that is told a key and a token, and says as much as it can.
const leaking = `{
	debug
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	grace_period 5s
	metrics
	dgate {
		encryption_key {env.LEAK_KEY}
	}
}

http://:{$SITE_PORT} {
	dgate_admin {
		token {env.LEAK_TOKEN}
	}
	dgate
}
`

// The private key of a domain, a secret, the token of the admin API and the key that encrypts are in
// no answer, export, metric, adapted configuration, log or file.
func TestNothingLeaks(t *testing.T) {
	cert, key := resourcetest.Certificate(t, "leak.example.com")
	planted := map[string]string{
		"the private key of a domain": strings.Split(key, "\n")[2], // a line of its middle
		"a secret":                    "planted-secret-0123456789",
		"the token":                   "planted-token-0123456789",
		"the encryption key":          "planted passphrase 0123456789",
	}
	g := &gateway{harness.New(t, leaking), t}
	g.Setenv("LEAK_KEY", planted["the encryption key"])
	g.Setenv("LEAK_TOKEN", planted["the token"])
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	texts := map[string][]byte{}
	ask := func(method, url, body string, header http.Header) {
		t.Helper()
		answer := g.do(harness.Request{Method: method, URL: url, Body: strings.NewReader(body), Header: header})
		texts[method+" "+url] = append(texts[method+" "+url], answer.String()...)
	}
	domain, err := json.Marshal(fields{"patterns": []string{"leak.example.com"}, "cert": cert, "key": key})
	if err != nil {
		t.Fatal(err)
	}
	authorized := http.Header{"Authorization": {"Bearer " + planted["the token"]}}
	for _, api := range []string{g.Admin, g.Site} {
		v1 := api + "/dgate/api/v1/"
		ask("PUT", v1+"domain/default/leak", string(domain), authorized)
		ask("PUT", v1+"domain/default/leak", strings.Replace(string(domain), "leak.example.com", "other.example.com", 1), authorized)
		ask("PUT", v1+"secret/default/leak", `{"data":"`+planted["a secret"]+`"}`, authorized)
		ask("PUT", v1+"secret/default/leak", `{"data":"`+planted["a secret"]+`","tags":7}`, authorized)
		ask("POST", v1+"apply?dryRun=true", `{"operations":[{"kind":"domain","put":`+strings.Replace(string(domain), "{", `{"name":"leak","namespace":"default",`, 1)+`}]}`, authorized)
		for _, path := range []string{"domain", "domain/default/leak", "secret", "secret/default/leak"} {
			ask("GET", v1+path, "", authorized)
		}
		ask("GET", v1+"secret", "", http.Header{"Authorization": {"Bearer wrong"}})
		ask("GET", api+"/dgate/metrics", "", authorized)
	}
	if stored := texts["GET "+g.Site+"/dgate/api/v1/domain/default/leak"]; !bytes.Contains(stored, []byte(`"key":"**redacted**"`)) {
		t.Fatalf("the domain was not stored: %s", stored)
	}
	for _, path := range []string{"/config/", "/metrics"} {
		ask("GET", g.Admin+path, "", nil)
	}
	for _, command := range []string{"dgate-cli export", "dgate-cli domain list -o table", "caddy adapt --config " + g.Caddyfile} {
		words := strings.Fields(command)
		out, err := g.Command(t.Context(), words[0], words[1:]...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		texts[command] = out
	}
	ask("POST", g.Admin+"/dgate/cluster/snapshot", "", nil)
	readAll(t, g.Dir, texts)
	for what, value := range planted {
		for where, text := range texts {
			if bytes.Contains(text, []byte(value)) {
				t.Errorf("%s has %s", where, what)
			}
		}
	}
}
