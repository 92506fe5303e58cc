package harness

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Upstream is an HTTP server to be proxied to. It answers every request with an [Echo], unless the
// query asks for something else:
//
//	status=503      that status
//	delay=200ms     wait before answering, or until the client has gone
//	body=<text>     that body instead of the echo
//	type=<type>     that Content-Type
//	header=<n>:<v>  that header; may be repeated
//	gzip            a compressed body
//	bytes=1000000   so many bytes, as fast as they are taken
//	events=3        so many server-sent events, see below
//	abort           half an answer, and the connection is cut
//	trailer=<value> the trailer X-Trailer
//
// A request to upgrade to WebSocket gets a connection that sends every message back.
//
// Each event has data {"event":N,"ack":URL}, and the next is not sent before somebody has asked
// for that URL. So whoever reads them all through a proxy knows that it did not hold them back.
type Upstream struct {
	// URL has no slash at the end.
	URL string
	// Name is in every echo.
	Name string

	server   *httptest.Server // nil if dead
	ports    Ports
	requests atomic.Int64
	gone     atomic.Int64
	acks     sync.Map // path of the ack → chan struct{}, closed when it was asked for
	nextAck  atomic.Int64
}

// Echo is what an upstream has understood of a request.
type Echo struct {
	Upstream string            `json:"upstream"`
	Method   string            `json:"method"`
	Path     string            `json:"path"` // as it came, escaped
	Query    string            `json:"query"`
	Host     string            `json:"host"`
	Proto    string            `json:"proto"`
	Headers  map[string]string `json:"headers"`           // values joined by ", "
	Body     string            `json:"body"`              // at most 64 KiB of it
	BodySize int64             `json:"bodySize"`          // all of it
	SHA256   string            `json:"sha256"`            // of all of it
	Trailer  map[string]string `json:"trailer,omitempty"` // of the request
	Error    string            `json:"error,omitempty"`   // of reading the body
}

// Kinds of upstreams.
const (
	HTTP = "http" // HTTP/1.1, and HTTP/2 for who knows that it can
	TLS  = "tls"  // HTTP/1.1 and HTTP/2, with a certificate that nobody trusts
	Dead = "dead" // connections are refused
)

// NewUpstream starts an upstream that ends with the test.
func NewUpstream(t testing.TB, name, kind string) *Upstream {
	t.Helper()
	u, err := StartUpstream(name, kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// StartUpstream starts an upstream, which the caller must close. The name may be anything.
func StartUpstream(name, kind string) (*Upstream, error) {
	u := &Upstream{Name: name}
	if kind == Dead {
		addr, err := u.ports.Addr()
		u.URL = "http://" + addr
		return u, err
	}
	u.server = httptest.NewUnstartedServer(u)
	u.server.Config.Protocols = new(http.Protocols)
	u.server.Config.Protocols.SetHTTP1(true)
	switch kind {
	case HTTP, "":
		u.server.Config.Protocols.SetUnencryptedHTTP2(true)
		u.server.Start()
	case TLS:
		u.server.Config.Protocols.SetHTTP2(true)
		u.server.EnableHTTP2 = true
		u.server.StartTLS()
	default:
		u.server.Close()
		return nil, fmt.Errorf("unknown kind of upstream %q", kind)
	}
	u.URL = u.server.URL
	return u, nil
}

// Close ends the server and its connections.
func (u *Upstream) Close() {
	u.ports.Close()
	if u.server != nil {
		u.server.CloseClientConnections()
		u.server.Close()
	}
}

// Requests returns how many requests have come in, acks of events excluded.
func (u *Upstream) Requests() int { return int(u.requests.Load()) }

// Gone returns how many of the clients left before they had their answer.
func (u *Upstream) Gone() int { return int(u.gone.Load()) }

// ServeHTTP implements [http.Handler].
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ack, ok := u.acks.LoadAndDelete(r.URL.Path); ok {
		close(ack.(chan struct{}))
		return
	}
	u.requests.Add(1)
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		u.websocket(w, r)
		return
	}
	query := r.URL.Query()
	if delay, err := time.ParseDuration(query.Get("delay")); err == nil {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			u.gone.Add(1)
			return
		}
	}
	for _, header := range query["header"] {
		name, value, _ := strings.Cut(header, ":")
		w.Header().Add(name, value)
	}
	if typ := query.Get("type"); typ != "" {
		w.Header().Set("Content-Type", typ)
	}
	switch {
	case query.Has("events"):
		u.events(w, r, number(query, "events"))
	case query.Has("bytes"):
		w.Header().Set("Content-Length", query.Get("bytes"))
		if _, err := io.CopyN(w, zeros{}, int64(number(query, "bytes"))); err != nil {
			u.gone.Add(1)
		}
	case query.Has("abort"):
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		u.answer(w, r, query)
	}
}

// answer writes the echo or the body that the query has.
func (u *Upstream) answer(w http.ResponseWriter, r *http.Request, query url.Values) {
	echo := u.echo(r)
	body := []byte(query.Get("body"))
	if !query.Has("body") {
		body = echo.json()
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
	}
	if query.Has("gzip") {
		var buf bytes.Buffer
		zip := gzip.NewWriter(&buf)
		_, _ = zip.Write(body)
		_ = zip.Close()
		body = buf.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	if trailer := query.Get("trailer"); trailer != "" {
		w.Header().Set("Trailer", "X-Trailer")
		defer w.Header().Set("X-Trailer", trailer)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if query.Has("status") {
		w.WriteHeader(number(query, "status"))
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// json is indented for those who match lines of it.
func (e Echo) json() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(e) // strings and numbers
	return buf.Bytes()
}

func (u *Upstream) echo(r *http.Request) Echo {
	var kept bytes.Buffer
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(hash, &limited{&kept, 64 << 10}), r.Body)
	echo := Echo{
		Upstream: u.Name, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Host: r.Host, Proto: r.Proto, Headers: flat(r.Header), Trailer: flat(r.Trailer),
		Body: kept.String(), BodySize: size, SHA256: hex.EncodeToString(hash.Sum(nil)),
	}
	if err != nil {
		u.gone.Add(1)
		echo.Error = err.Error()
	}
	return echo
}

// events sends events, each when the one before has arrived.
func (u *Upstream) events(w http.ResponseWriter, r *http.Request, n int) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	for i := range n {
		path := fmt.Sprintf("/.ack/%d", u.nextAck.Add(1))
		acked := make(chan struct{})
		u.acks.Store(path, acked)
		_, _ = fmt.Fprintf(w, "id: %d\ndata: {\"event\":%d,\"ack\":%q}\n\n", i+1, i+1, u.URL+path)
		_ = flush()
		select {
		case <-acked:
		case <-r.Context().Done():
			u.gone.Add(1)
			return
		}
	}
}

func (u *Upstream) websocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(-1)
	for {
		typ, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), typ, message); err != nil {
			return
		}
	}
}

// Events reads server-sent events of an [Upstream] until the stream ends, asks for each one's ack,
// and returns how many there were.
func Events(client *http.Client, stream io.Reader, each func(data string)) (int, error) {
	n := 0
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		n++
		each(data)
		var event struct{ Ack string }
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return n, fmt.Errorf("event %d: %w", n, err)
		}
		resp, err := client.Get(event.Ack)
		if err != nil {
			return n, err
		}
		_ = resp.Body.Close()
	}
	return n, lines.Err()
}

func number(query url.Values, name string) int {
	n, _ := strconv.Atoi(query.Get(name))
	return n
}

func flat(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[name] = strings.Join(values, ", ")
	}
	return out
}

// zeros is an endless reader of the digit 0.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// limited writes the first n bytes and swallows the rest.
type limited struct {
	w io.Writer
	n int
}

func (l *limited) Write(p []byte) (int, error) {
	first := p[:min(len(p), l.n)]
	l.n -= len(first)
	_, err := l.w.Write(first)
	return len(p), err
}

var _ http.Handler = (*Upstream)(nil)
