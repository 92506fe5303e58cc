package hook

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// upstream is the answer that a responseModifier works on. Its body is read only
// if the script asks for it, and what was read is still sent on.
type upstream struct {
	resp *http.Response
	// src is the body as it came; nil while it has not been delivered.
	src io.ReadCloser
	// status and encoding are those of the answer as it came.
	status   int
	encoding string
	facts    bodyFacts
	keep     http.Header // what a Response in its place keeps, or nil
	limit    int64

	load    *load        // the reading of src, nil until a script wants it
	waiters []func()     // run on the VM's loop when load is done
	deliver func(func()) // completes what waits for a body that has not been delivered
	decoded []byte
	plain   bool // decoded is set

	written []byte        // what the script has put in place of the body
	stream  io.ReadCloser // the same, where Go reads it from elsewhere
	wrote   bool
}

// load is one reading of a body. Its fields are set before done is closed.
type load struct {
	done chan struct{}
	raw  []byte
	err  error
}

func newUpstream(resp *http.Response, limit int64) *upstream {
	return &upstream{
		resp: resp, src: resp.Body, limit: limit,
		status: resp.StatusCode, facts: factsOf(resp.Header), encoding: strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))),
	}
}

// ErrUpstreamBody is the cause when a script has read the body of an upstream's
// answer and the upstream did not send all of it: that is no fault of the script.
var ErrUpstreamBody = errors.New("the upstream's body broke off")

// brokenBodyError is an ErrUpstreamBody with what went wrong.
type brokenBodyError struct{ err error }

func (b *brokenBodyError) Error() string   { return "read the upstream's body: " + b.err.Error() }
func (b *brokenBodyError) Unwrap() []error { return []error{ErrUpstreamBody, b.err} }

// chosen tells whether status is not what the upstream has sent.
func (up *upstream) chosen(status int) bool { return status != up.status }

// loaded tells whether the content can be had without waiting.
func (up *upstream) loaded() bool {
	if up.wrote {
		return true
	}
	if up.load == nil {
		return false
	}
	select {
	case <-up.load.done:
		return true
	default:
		return false
	}
}

// start begins to read the body, once. finished is called on the reader's goroutine.
func (up *upstream) start(finished func()) {
	l := &load{done: make(chan struct{})}
	up.load = l
	src, size, limit := up.src, up.resp.ContentLength, up.limit
	go func() {
		l.raw, l.err = readAll(src, size, limit)
		close(l.done)
		finished()
	}()
}

// read returns a promise of what convert makes of the decoded content.
func (up *upstream) read(f *frame, convert func([]byte) (goja.Value, error)) goja.Value {
	promise, resolve, reject := f.vm.NewPromise()
	complete := func() {
		data, err := up.content(f)
		if err == nil {
			var v goja.Value
			if v, err = convert(data); err == nil {
				resolve(v)
				return
			}
		}
		reject(f.vm.Error(err))
	}
	if up.status == http.StatusSwitchingProtocols {
		reject(f.vm.Error(&js.TypeError{Message: "the upstream has switched protocols: there is no body to read"}))
		return promise
	}
	if up.loaded() {
		complete()
		return promise
	}
	up.waiters = append(up.waiters, complete)
	if up.load != nil && len(up.waiters) > 1 {
		return promise // whoever waits already wakes all
	}
	settle := f.vm.Pending()
	switch {
	case up.src == nil:
		up.load, up.deliver = &load{done: make(chan struct{})}, settle
	case up.load == nil:
		up.start(func() { settle(up.wake) })
	default: // being read, but so far only for reads without a promise
		reading := up.load
		go func() {
			<-reading.done
			settle(up.wake)
		}()
	}
	return promise
}

// wake completes the promises that wait for the body.
func (up *upstream) wake() {
	waiters := up.waiters
	up.waiters = nil
	for _, complete := range waiters {
		complete()
	}
}

// readNow waits for the content on the script's goroutine.
func (up *upstream) readNow(f *frame) []byte {
	if up.status == http.StatusSwitchingProtocols {
		f.vm.ThrowType("the upstream has switched protocols: there is no body to read")
	}
	if !up.loaded() {
		if up.src == nil {
			f.vm.ThrowType("the body has not arrived yet: use await upstream.readBody()")
		}
		if up.load == nil {
			up.start(func() {})
		}
		ctx := f.vm.Context()
		f.vm.Blocking(func() {
			select {
			case <-up.load.done:
			case <-ctx.Done():
			}
		})
		if ctx.Err() != nil {
			f.vm.Throw(fmt.Errorf("read the upstream's body: %w", context.Cause(ctx)))
		}
	}
	data, err := up.content(f)
	if err != nil {
		f.vm.Throw(err)
	}
	return data
}

// content is the decoded body, once it is loaded.
func (up *upstream) content(f *frame) ([]byte, error) {
	switch {
	case up.wrote:
		return up.written, nil
	case errors.Is(up.load.err, errLimit):
		return nil, tooLarge("upstream", up.limit)
	case up.load.err != nil:
		return nil, &brokenBodyError{up.load.err}
	case up.plain:
		return up.decoded, nil
	}
	var data []byte
	var err error
	f.vm.Blocking(func() { data, err = decode(up.load.raw, up.encoding, up.limit) })
	if err != nil {
		return nil, err
	}
	up.decoded, up.plain = data, true
	return data, nil
}

// decode undoes a content encoding; not more than limit bytes come out of it.
func decode(raw []byte, encoding string, limit int64) ([]byte, error) {
	if len(raw) == 0 {
		return raw, nil
	}
	var r io.ReadCloser
	var err error
	switch encoding {
	case "", "identity":
		return raw, nil
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(raw))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(raw))
	default:
		return nil, fmt.Errorf("cannot decode the upstream's body: its content-encoding is %q, expected gzip, deflate or identity", encoding)
	}
	if err != nil {
		return nil, fmt.Errorf("decode the upstream's body as %s: %w", encoding, err)
	}
	defer r.Close() // it only fails with what reading has failed with
	data, err := readAll(r, int64(len(raw)), limit)
	if errors.Is(err, errLimit) {
		return nil, tooLarge("upstream", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("decode the upstream's body as %s: %w", encoding, err)
	}
	return slices.Clip(data), nil
}

// replace makes data the body of the answer.
func (up *upstream) replace(f *frame, data []byte) {
	if up.status == http.StatusSwitchingProtocols && up.resp.StatusCode == up.status {
		f.vm.ThrowType("the upstream has switched protocols: its answer has no body; set another status first")
	}
	resp := up.resp
	up.written, up.wrote = data, true
	resp.ContentLength = int64(len(data))
	resp.TransferEncoding = nil
	resp.Uncompressed = false
	resp.Trailer = nil
	resp.Header.Del("Trailer")
	resp.Header.Del("Content-Encoding")
	resp.Header["Content-Length"] = []string{strconv.Itoa(len(data))}
}

// finish leaves resp.Body as whoever sends the answer on needs it.
func (up *upstream) finish() {
	resp := up.resp
	head := resp.Request != nil && resp.Request.Method == http.MethodHead
	if up.wrote {
		if head && up.load != nil { // there was nothing to read that what is written could have come from
			resp.ContentLength = -1
		}
		up.facts.dropStale(resp.Header)
		setLength(resp.Header, resp.ContentLength)
		if partial := http.StatusPartialContent; up.status == partial && resp.StatusCode == partial && resp.Header["Content-Range"] == nil {
			up.setStatus(http.StatusOK) // what was written is no part of something
		}
	} else {
		up.facts.keepLength(resp.Header)
	}
	bodyless := !bodyAllowed(resp.StatusCode)
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols && up.status == resp.StatusCode:
	case bodyless && bodyAllowed(up.status), up.status == http.StatusSwitchingProtocols && !up.wrote:
		up.drop()
		resp.Body, resp.ContentLength, resp.TransferEncoding = http.NoBody, 0, nil
		resp.Header.Del("Content-Length")
	case up.wrote:
		up.drop()
		switch {
		case up.stream != nil && (bodyless || head):
			_ = up.stream.Close() // nobody reads it
			resp.Body = http.NoBody
		case up.stream != nil:
			resp.Body = up.stream
		case bodyless || head || len(up.written) == 0:
			resp.Body = http.NoBody
		default:
			resp.Body = io.NopCloser(bytes.NewReader(up.written))
		}
	case up.load != nil && up.src != nil:
		resp.Body = &loadedBody{load: up.load, src: up.src}
	case up.load != nil:
		resp.Body = io.NopCloser(bytes.NewReader(up.load.raw))
	}
}

// drop gives up the body as it came.
func (up *upstream) drop() {
	if up.src != nil {
		_ = up.src.Close() // nobody wants to know how it ended
	}
}

// loadedBody is a body that was read, or is still being read, for a script: the
// same bytes, and behind them what the limit has left unread.
type loadedBody struct {
	load *load
	src  io.ReadCloser
	r    io.Reader
}

// Read implements io.Reader.
func (b *loadedBody) Read(p []byte) (int, error) {
	if b.r == nil {
		<-b.load.done
		switch rest := bytes.NewReader(b.load.raw); {
		case b.load.err == nil:
			b.r = rest
		case errors.Is(b.load.err, errLimit):
			b.r = io.MultiReader(rest, b.src)
		default:
			b.r = io.MultiReader(rest, failedBody{b.src, b.load.err})
		}
	}
	return b.r.Read(p)
}

// Close implements io.Closer. It also ends a reading that is still going on.
func (b *loadedBody) Close() error { return b.src.Close() }
