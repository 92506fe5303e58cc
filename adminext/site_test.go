package adminext_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // what Caddyfiles of users have

	"github.com/dgate-io/caddy-dgate/adminext"
)

// validate provisions what a Caddyfile says, without running it, and gives the log.
func validate(t *testing.T, caddyfile string) (logged string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	source := "{\n\tadmin off\n\tauto_https off\n\tlog {\n\t\toutput file " + file + "\n\t}\n}\n" + caddyfile
	data, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(source), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := new(caddy.Config)
	if err := json.Unmarshal(data, cfg); err != nil {
		t.Fatal(err)
	}
	err = caddy.Validate(cfg)
	text, readErr := os.ReadFile(file)
	if readErr != nil && !os.IsNotExist(readErr) {
		t.Fatal(readErr)
	}
	return string(text), err
}

const account = "basic_auth {\n me $2a$04$cfCSavfFTB8oj9IKy2hLiegA4F5RBQAFoPwrVRTFOjYy6uQ6kyhZG\n}\n"

// TestWarning: whoever leaves the door open is told, as far as it can be known.
func TestWarning(t *testing.T) {
	t.Setenv("DGATE_TEST_TOKEN", "t")
	tests := map[string]struct {
		caddyfile string
		warned    bool
	}{
		"nothing":                        {":8080 {\n dgate_admin\n}", true},
		"a handler that does not count":  {":8080 {\n header x y\n dgate_admin\n}", true},
		"one of several addresses":       {"http://a {\n bind 127.0.0.1 192.0.2.1\n dgate_admin\n}", true},
		"authentication of another path": {"http://a {\n handle /x {\n " + account + "respond x\n }\n handle {\n dgate_admin\n }\n}", true},
		"authentication of another site": {"http://a {\n " + account + "}\nhttp://b {\n dgate_admin\n}", true},
		"a reverse proxy":                {":8080 {\n route {\n reverse_proxy /x localhost:1\n dgate_admin\n }\n}", true},
		"a token":                        {":8080 {\n dgate_admin {\n token {env.DGATE_TEST_TOKEN}\n }\n}", false},
		"this machine":                   {"http://a {\n bind 127.0.0.1 [::1] localhost\n dgate_admin\n}", false},
		"a socket":                       {"http://a {\n bind unix//run/x.sock\n dgate_admin\n}", false},
		"authentication":                 {":8080 {\n dgate_admin\n " + account + "}", false},
		"authentication with a matcher":  {":8080 {\n dgate_admin\n basic_auth /dgate/*" + strings.TrimPrefix(account, "basic_auth") + "}", false},
		"authentication around it":       {"http://a {\n " + account + "handle_path /ops/* {\n dgate_admin\n }\n}", false},
		"another server is asked":        {":8080 {\n forward_auth localhost:1 {\n uri /auth\n }\n dgate_admin\n}", false},
		"client certificates":            {"https://a {\n tls internal {\n client_auth {\n mode require\n }\n }\n dgate_admin\n}", false},
		"certificates, if there are any": {"https://a {\n tls internal {\n client_auth {\n mode request\n }\n }\n dgate_admin\n}", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			logged, err := validate(t, tt.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(logged, "ANYBODY WHO REACHES"); warned != tt.warned {
				t.Errorf("warned: %v\n%s", warned, logged)
			}
		})
	}
}

// TestTokenMistakes: errors name the variable, and not what is in it.
func TestTokenMistakes(t *testing.T) {
	t.Setenv("DGATE_TEST_EMPTY", "")
	t.Setenv("DGATE_TEST_SPACE", "hunter 2")
	tests := map[string]struct{ token, want string }{
		"not set": {"{env.DGATE_TEST_UNSET}", "token: evaluated placeholder {env.DGATE_TEST_UNSET} is empty"},
		"empty":   {"{env.DGATE_TEST_EMPTY}", "token: evaluated placeholder {env.DGATE_TEST_EMPTY} is empty"},
		"nothing": {`""`, "a token must not be empty, and have no spaces"},
		"spaces":  {"{env.DGATE_TEST_SPACE}", "a token must not be empty, and have no spaces"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := validate(t, ":8080 {\n dgate_admin {\n token "+tt.token+"\n }\n}")
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// TestSitePaths: what is not below /dgate/ is for others, and whatever matches paths in front sees
// the path that is answered. Nothing runs here, so that what gets through is answered with 503.
func TestSitePaths(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	site := new(adminext.Site)
	if err := site.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	const next, api, refused = http.StatusTeapot, http.StatusServiceUnavailable, http.StatusBadRequest
	tests := map[string]int{
		"/":                          next,
		"/x":                         next,
		"/dgate":                     next, // which the matcher /dgate/* does not match
		"/dgatex/api/v1/namespace":   next,
		"//dgate/api/v1/namespace":   next,
		"/DGATE/api/v1/namespace":    next,
		"/%64gate/api/v1/namespace":  next,
		"/x/../dgate/":               next,
		"/dgate/":                    api,
		"/dgate/api/v1/namespace":    api,
		"/dgate/api/v1/namespace/..": refused,
		"/dgate/../x":                refused,
		"/dgate/%2e%2e/x":            refused,
		"/dgate/api/v1/document/default/c/..%2F..%2F..%2F..%2F..%2F..%2Fx": refused,
		"/dgate/api/v1/document/default/c/a%2F%2E%2Fb":                     refused,
		"/dgate/api/v1/document/default/c/a%2Fb..c":                        api,
		"/dgate/nothing": http.StatusNotFound,
	}
	for path, want := range tests {
		w := httptest.NewRecorder()
		err := site.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(next)
			return nil
		}))
		if err != nil || w.Code != want {
			t.Errorf("%s: %d, want %d, %v", path, w.Code, want, err)
		}
	}
}

// TestRebinding: a page whose name was made to lead here is of the same origin, and all the same of
// somebody else. Nothing runs here, so that what gets through is answered with 503.
func TestRebinding(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	const through, refused = http.StatusServiceUnavailable, http.StatusForbidden
	tests := map[string]struct {
		method, host string
		header       string
		token        string
		want         int
	}{
		"a write of a page":       {"PUT", "evil.example:8080", "Origin: http://evil.example:8080", "", refused},
		"a read of a page":        {"GET", "evil.example", "Sec-Fetch-Site: same-origin", "", refused},
		"a name like an address":  {"PUT", "127.0.0.1.evil.example", "Origin: http://127.0.0.1.evil.example", "", refused},
		"a name like localhost":   {"PUT", "localhost.evil.example", "Origin: http://localhost.evil.example", "", refused},
		"no host":                 {"PUT", "", "Origin: http://evil.example", "", refused},
		"a program":               {"PUT", "admin.example", "", "", through},
		"our page on localhost":   {"PUT", "LocalHost:8080", "Origin: http://LocalHost:8080", "", through},
		"our page on an address":  {"PUT", "192.0.2.1:8080", "Origin: http://192.0.2.1:8080", "", through},
		"our page on an IPv6 one": {"PUT", "[::1]", "Origin: http://[::1]", "", through},
		"our page with a token":   {"PUT", "admin.example", "Origin: http://admin.example", "t", through},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			site := new(adminext.Site)
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "/dgate/api/v1/namespace", strings.NewReader(`{"name":"a"}`))
			r.Host = tt.host
			if tt.token != "" {
				site.Tokens = []string{tt.token}
				r.Header.Set("Authorization", "Bearer "+tt.token)
			}
			if err := site.Provision(ctx); err != nil {
				t.Fatal(err)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			if err := site.ServeHTTP(w, r, nil); err != nil || w.Code != tt.want {
				t.Errorf("%d %s, want %d, %v", w.Code, w.Body, tt.want, err)
			}
		})
	}
}
