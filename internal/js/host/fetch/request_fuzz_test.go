package fetch_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
)

// FuzzRequest gives URLs and methods of any kind: what is taken is absolute, and
// means the same when it is read again.
func FuzzRequest(f *testing.F) {
	for _, url := range []string{"http://x", "HTTPS://u:p@x.org:443/a b?c#d", "http://[::1]:80", "http://0x7f.1", "http://%zz", "//x", "http://ü.de/\u2028", "http:x"} {
		f.Add(url, "GET")
	}
	f.Add("http://x", "post\r\n")
	host := hosttest.Host{Globals: globals(fetch.New(fetch.Options{}))}
	f.Fuzz(func(t *testing.T, url, method string) {
		input, _ := json.Marshal([]string{strings.ToValidUTF8(url, "?"), strings.ToValidUTF8(method, "?")})
		got, err := host.Eval(t, `const [url, method] = `+string(input)+`;
			let r;
			try { r = new Request(url, { method }) } catch (e) { return e instanceof TypeError }
			const again = new Request(r.url, { method: r.method });
			return /^https?:\/\/[^\/]/.test(r.url) && again.url === r.url && again.method === r.method && /^[!-~]*$/.test(r.url) && !/[\s]/.test(r.method)`)
		if err != nil || got != "true" {
			t.Errorf("%s: got %s, error %v", input, got, err)
		}
	})
}
