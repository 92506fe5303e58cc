package tests

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// A script works with whatever comes after it on a site.
func TestSiteNeighbours(t *testing.T) {
	g, up := startNeighbours(t)
	page := harness.Request{URL: "/files/a"}
	answer := g.do(page)
	etag := answer.Header.Get("ETag")
	zip := http.Header{"Accept-Encoding": {"gzip"}}
	tests := map[string]struct {
		req    harness.Request
		status int
		body   string
		header map[string]string
	}{
		"respond":               {harness.Request{URL: "/respond"}, 200, "module respond.ts", nil},
		"in place of respond":   {harness.Request{URL: "/respond?name=ada"}, 200, "hello ada", nil},
		"file":                  {page, 200, "some text", map[string]string{"X-Touched": "request", "Content-Length": "9"}},
		"file, HEAD":            {harness.Request{Method: "HEAD", URL: "/files/a"}, 200, "", map[string]string{"X-Touched": "request", "Content-Length": "9"}},
		"file, range":           {harness.Request{URL: "/files/a", Header: http.Header{"Range": {"bytes=5-"}}}, 206, "text", map[string]string{"Content-Range": "bytes 5-8/9", "X-Touched": "request"}},
		"file, not modified":    {harness.Request{URL: "/files/a", Header: http.Header{"If-None-Match": {etag}}}, 304, "", map[string]string{"X-Touched": "request", "Etag": etag}},
		"file, missing":         {harness.Request{URL: "/files/b"}, 404, "sorry: 404", map[string]string{"X-Error": "404"}},
		"rewritten file":        {harness.Request{URL: "/rewritten/a"}, 200, "SOME TEXT", map[string]string{"Content-Length": "9", "Etag": "", "Accept-Ranges": ""}},
		"rewritten file, range": {harness.Request{URL: "/rewritten/a", Header: http.Header{"Range": {"bytes=5-"}, "If-Range": {`"x"`}}}, 200, "SOME TEXT", map[string]string{"Content-Range": ""}},
		"rewritten file, HEAD":  {harness.Request{Method: "HEAD", URL: "/rewritten/a"}, 200, "", nil},
		"proxy":                 {harness.Request{URL: "/proxy?body=x&header=X-Up:1"}, 200, "x", map[string]string{"X-Touched": "request", "X-Up": "1"}},
		"proxy, status":         {harness.Request{URL: "/proxy?body=x&status=503"}, 503, "x", map[string]string{"X-Touched": "request"}},
		"proxy, gzip":           {harness.Request{URL: "/proxy?body=x&gzip", Header: zip}, 200, "x", map[string]string{"Content-Encoding": "gzip"}},
		"php":                   {harness.Request{Method: "POST", URL: "/php/x.php", Body: strings.NewReader("hi")}, 200, "PHP SAYS HI", map[string]string{"X-Method": "POST"}},
		"file, moved by script": {harness.Request{URL: "/moved/a"}, 200, "some text", nil},
		"templates":             {harness.Request{URL: "/templates/a"}, 200, "{{UPPER `SHOUTED`}} {{.REQ.METHOD}}", nil},
		"encode":                {harness.Request{URL: "/encode", Header: zip}, 200, strings.ToUpper("/encode " + os.Getenv("TEXT")), map[string]string{"Content-Encoding": "gzip"}},
		"matcher":               {harness.Request{URL: "/matched/secret"}, 403, "denied", nil},
		"matcher, other path":   {harness.Request{URL: "/matched/other"}, 200, "open", nil},
		"a script chooses":      {harness.Request{URL: "/dynamic?body=x&to=" + strings.TrimPrefix(up.URL, "http://")}, 200, "x", nil},
		"throws":                {harness.Request{URL: "/fail/throw"}, 500, "sorry: 500", map[string]string{"X-Error": "500", "X-DGate-Error": "fail.ts:3:30: requestModifier: Error: boom"}},
		"loops":                 {harness.Request{URL: "/fail/loop"}, 500, "sorry: 500", nil},
		"never settles":         {harness.Request{URL: "/fail/never"}, 500, "sorry: 500", nil},
		"too late":              {harness.Request{URL: "/fail/late"}, 500, "sorry: 500", nil},
		"body within limits":    {harness.Request{Method: "POST", URL: "/fail/body", Body: strings.NewReader("x")}, 200, "not reached", nil},
		"body over the limit":   {harness.Request{Method: "POST", URL: "/fail/body", Body: strings.NewReader(strings.Repeat("x", 2000))}, 413, "sorry: 413", nil},
		"answers":               {harness.Request{URL: "/fail/denied"}, 403, "denied", map[string]string{"X-Error": ""}},
		"rescues":               {harness.Request{URL: "/rescue/b"}, 404, "no page /rescue/b", map[string]string{"X-Error": ""}},
		"need not rescue":       {harness.Request{URL: "/rescue/a"}, 200, "there", nil},
		"leaves it as it is":    {harness.Request{Method: "POST", URL: "/rescue/a"}, 405, "sorry: 405", map[string]string{"Allow": "GET, HEAD"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := g.do(tt.req)
			if got.Header.Get("Content-Encoding") == "gzip" {
				got.Body = unzipped(t, got.Body)
			}
			if got.Status != tt.status || got.Body != tt.body {
				t.Errorf("%d %q, want %d %q", got.Status, got.Body, tt.status, tt.body)
			}
			for name, want := range tt.header {
				if got := got.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
	if err := g.AwaitLog(`"dgate":\s*\{"namespace":"default","module":"respond.ts"\}`); err != nil {
		t.Error(err)
	}
	if err := g.AwaitLog(`(?i)error.*dgate\.module\.default\.fail\.ts.*a hook failed.*fail.ts:3:\d+: requestModifier: Error: boom`); err != nil {
		t.Error(err)
	}
}

// A script that waits for the body of a proxied answer does so for as long as it may, and no longer.
func TestSiteStalls(t *testing.T) {
	left := make(chan struct{}, 1)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half of")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	}))
	defer up.Close()
	t.Setenv("UP", up.URL)
	g := startSite(t, `	dgate_js upper.ts {
		limits {
			timeout 200ms
		}
	}
	reverse_proxy {$UP}`, siteFiles)
	if got := g.do(harness.Request{URL: "/"}); got.Status != 500 || got.Body != "" {
		t.Errorf("%d %q", got.Status, got.Body)
	}
	<-left
}

// What streams goes on streaming: events, WebSockets, trailers, and files of any size.
func TestSiteStreams(t *testing.T) {
	g, _ := startNeighbours(t)
	t.Run("events", func(t *testing.T) {
		resp, err := harness.Client.Get(g.Site + "/proxy?events=3")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		n, err := harness.Events(harness.Client, resp.Body, func(string) {})
		if n != 3 || err != nil || resp.Header.Get("X-Touched") != "request" {
			t.Errorf("%d events, %v, header %v", n, err, resp.Header)
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		got, err := harness.Talk(g.Site+"/proxy", "a", "b")
		if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
	t.Run("trailers", func(t *testing.T) {
		got := g.do(harness.Request{URL: "/proxy?trailer=t"})
		if got.Trailer.Get("X-Trailer") != "t" || got.Header.Get("X-Touched") != "request" {
			t.Error(got)
		}
	})
	t.Run("a large file", func(t *testing.T) {
		const size = 64 << 20
		text := strings.Repeat("0123456789abcdef", size/16)
		writeFile(t, g.Caddy, "files/large", text)
		resp, err := harness.Client.Get(g.Site + "/files/large")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		hash := sha256.New()
		if n, err := io.Copy(hash, resp.Body); n != size || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		want := sha256.Sum256([]byte(text))
		if got := hex.EncodeToString(hash.Sum(nil)); got != hex.EncodeToString(want[:]) || resp.ContentLength != size {
			t.Errorf("another file, of %d bytes", resp.ContentLength)
		}
	})
	t.Run("a large file, rewritten", func(t *testing.T) { // it is over the limit that there is without another
		writeFile(t, g.Caddy, "rewritten/large", strings.Repeat("x", 11<<20))
		if got := g.do(harness.Request{URL: "/rewritten/large"}); got.Status != http.StatusInternalServerError || got.Body != "sorry: 500" {
			t.Errorf("%d, %d bytes", got.Status, len(got.Body))
		}
	})
}

// A hundred clients at a time, slow ones and those that leave among them, leave nothing behind.
func TestSiteUnderLoad(t *testing.T) {
	g, _ := startNeighbours(t)
	paths := []string{"/proxy?bytes=20000000", "/respond?name=x", "/files/a", "/rewritten/a", "/proxy?body=x", "/encode", "/fail/throw", "/rescue/b", "/proxy?events=1000"}
	round := func() {
		var clients sync.WaitGroup
		for i := range 100 {
			clients.Go(func() {
				path := paths[i%len(paths)]
				resp, err := harness.Client.Get(g.Site + path)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close() //nolint:errcheck // it may have been left
				if strings.Contains(path, "events=") || strings.Contains(path, "bytes=") {
					return // leaves in the middle, or before it has read anything
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			})
		}
		clients.Wait()
	}
	round()
	harness.Client.CloseIdleConnections()
	before := goroutines(g)
	for range 5 {
		round()
	}
	if err := harness.Await(func() error {
		harness.Client.CloseIdleConnections()
		if after := goroutines(g); after > before+20 { // connections to the upstream are kept
			return fmt.Errorf("%d goroutines, and %d before", after, before)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
