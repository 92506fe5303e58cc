package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

// Client is for requests to what a test has started: it believes every certificate, follows no
// redirect, and leaves bodies as they come.
var Client = &http.Client{
	Timeout: 2 * Patience,
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	},
	Transport: &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true}, // they sign their own
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
	},
}

// Answer is a response that has been read.
type Answer struct {
	Proto   string
	Status  int
	Header  http.Header
	Body    string
	Trailer http.Header
}

// String shows the answer as a script sees it: status line, header fields in order of their names
// without Date, an empty line, and the body.
func (a *Answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s\n", a.Proto, a.Status, http.StatusText(a.Status))
	write := func(h http.Header) {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			for _, value := range h[name] {
				if name != "Date" {
					fmt.Fprintf(&b, "%s: %s\n", name, value)
				}
			}
		}
	}
	write(a.Header)
	b.WriteString("\n" + a.Body)
	if len(a.Trailer) > 0 {
		b.WriteString("\n")
		write(a.Trailer)
	}
	return b.String()
}

// Request is what [Do] sends. The zero value of a field is left to net/http.
type Request struct {
	Method, URL string
	Header      http.Header // Host included
	Body        io.Reader
}

// Do sends a request and reads the answer.
func Do(ctx context.Context, req Request) (*Answer, error) {
	resp, err := open(ctx, req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return &Answer{resp.Proto, resp.StatusCode, resp.Header, string(body), resp.Trailer}, err
}

// Get is [Do] with the defaults.
func Get(url string) (*Answer, error) {
	ctx, cancel := patient()
	defer cancel()
	return Do(ctx, Request{URL: url})
}

// Put sends JSON with PUT. Another answer than a 2xx is an error.
func Put(url, json string) error {
	ctx, cancel := patient()
	defer cancel()
	answer, err := Do(ctx, Request{
		Method: http.MethodPut, URL: url, Body: strings.NewReader(json),
		Header: http.Header{"Content-Type": {"application/json"}},
	})
	if err == nil && answer.Status/100 != 2 {
		err = errors.New(answer.String())
	}
	return err
}

func open(ctx context.Context, r Request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, r.Body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return Client.Do(req)
}

// Talk opens a WebSocket, sends each message, and returns what came back for each.
func Talk(url string, messages ...string) ([]string, error) {
	ctx, cancel := patient()
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: Client}) //nolint:bodyclose // Dial has read it
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w (%s)", err, resp.Status)
		}
		return nil, err
	}
	defer func() { _ = conn.CloseNow() }()
	var replies []string
	for _, message := range messages {
		if err := conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
			return replies, err
		}
		_, reply, err := conn.Read(ctx)
		if err != nil {
			return replies, err
		}
		replies = append(replies, string(reply))
	}
	return replies, conn.Close(websocket.StatusNormalClosure, "")
}

// Zeros is a body of n digits 0. It hides its length, so it is sent in chunks.
func Zeros(n int64) io.Reader { return io.LimitReader(zeros{}, n) }

// text is a body that may be sent again.
func text(s string) io.Reader {
	if s == "" {
		return nil
	}
	return bytes.NewReader([]byte(s))
}
