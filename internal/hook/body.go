package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// ErrBodyTooLarge is the cause when a script wants a body that is larger than
// Info.MaxBody. The gateway answers a request body with 413.
var ErrBodyTooLarge error = &js.LimitError{Kind: js.Body, Message: "body is larger than the limit"}

// ErrRequestBody is the cause when a script has read the body of the request and the
// client did not send all of it, or not as it should: that is no fault of the script.
var ErrRequestBody = errors.New("the request's body cannot be read")

// brokenRequestError is an ErrRequestBody with what went wrong.
type brokenRequestError struct{ err error }

func (b *brokenRequestError) Error() string   { return "read the request's body: " + b.err.Error() }
func (b *brokenRequestError) Unwrap() []error { return []error{ErrRequestBody, b.err} }

// clientBody is the body of a request, for those who read it on behalf of a script.
type clientBody struct{ io.Reader }

// Read implements io.Reader.
func (b clientBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it as it is
		err = &brokenRequestError{err}
	}
	return n, err
}

// requestBody is the body of the request, read at most once and only when asked for.
type requestBody struct {
	data   []byte
	loaded bool
	err    error // of the first read; later reads fail the same way
}

// read returns the whole body. The request keeps a body with the same content.
func (b *requestBody) read(f *frame) []byte {
	if !b.loaded && b.err == nil {
		b.load(f)
	}
	if b.err != nil {
		f.vm.Throw(b.err)
	}
	return b.data
}

func (b *requestBody) load(f *frame) {
	r := f.s.r
	if r.Body == nil || r.Body == http.NoBody {
		b.loaded = true
		return
	}
	limit := f.s.info.MaxBody
	if limit > 0 && r.ContentLength > limit {
		b.err = tooLarge("request", limit)
		return
	}
	// Reading waits for the client, and a read cannot be called off: it has a
	// goroutine, so that the hook can end without it.
	type result struct {
		data []byte
		err  error
	}
	src, size, done := r.Body, r.ContentLength, make(chan result, 1)
	go func() {
		data, err := readAll(clientBody{src}, size, limit)
		done <- result{data, err}
	}()
	ctx := f.vm.Context()
	f.vm.Blocking(func() {
		select {
		case got := <-done:
			b.data, b.err = got.data, got.err
		case <-ctx.Done():
			b.err = fmt.Errorf("read the request's body: %w", context.Cause(ctx))
			r.Body = failedBody{src, b.err} // the goroutine still reads from src
		}
	})
	switch {
	case b.err == nil:
		b.loaded = true
		r.Body = replay{bytes.NewReader(b.data), src}
	case errors.Is(b.err, errLimit):
		// What was read goes back in front, so that the request can still be sent on.
		r.Body = replay{io.MultiReader(bytes.NewReader(b.data), src), src}
		b.data, b.err = nil, tooLarge("request", limit)
	case ctx.Err() == nil:
		b.data = nil
		r.Body = failedBody{src, b.err}
	}
}

// write replaces the body with what a script gave.
func (b *requestBody) write(f *frame, v goja.Value) {
	b.replace(f.s.r, f.bytes("writeBody", v))
}

// replace makes data the body of r, whatever it had before.
func (b *requestBody) replace(r *http.Request, data []byte) {
	old := r.Body
	b.data, b.loaded, b.err = data, true, nil
	r.Body = io.NopCloser(bytes.NewReader(data))
	if old != nil && old != http.NoBody {
		r.Body = replay{bytes.NewReader(data), old}
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	r.ContentLength = int64(len(data))
	r.TransferEncoding = nil
	r.Trailer = nil
	r.Header.Del("Trailer")
	r.Header["Content-Length"] = []string{strconv.Itoa(len(data))}
	if len(data) == 0 {
		r.Body = http.NoBody
	}
}

// replay reads from one place and closes another.
type replay struct {
	io.Reader
	io.Closer
}

// failedBody is a body that could not be read; whoever reads it gets the reason.
type failedBody struct {
	io.Closer
	err error
}

// Read implements io.Reader.
func (b failedBody) Read([]byte) (int, error) { return 0, b.err }

// errLimit is what readAll returns for too much data.
var errLimit = errors.New("limit reached")

// readAll reads at most limit bytes. With errLimit it also returns what it has read.
func readAll(r io.Reader, size, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	if size > 0 {
		buf.Grow(int(min(size, 1<<20)) + bytes.MinRead)
	}
	if limit <= 0 {
		_, err := buf.ReadFrom(r)
		return buf.Bytes(), err
	}
	_, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	if err == nil && int64(buf.Len()) > limit {
		err = errLimit
	}
	return buf.Bytes(), err
}

func tooLarge(whose string, limit int64) error {
	return fmt.Errorf("the %s's %w of %d bytes", whose, ErrBodyTooLarge, limit)
}

// buffer gives scripts a copy of data: what they do to it changes nothing else.
func (f *frame) buffer(data []byte) goja.Value {
	return f.vm.ArrayBuffer(slices.Clone(data))
}

// bytes copies what a script wants to send; anything but text and bytes throws.
func (f *frame) bytes(what string, v goja.Value) []byte {
	data, ok := f.vm.Bytes(v)
	if !ok {
		f.vm.ThrowType("%s: invalid type %s, expected a string, an ArrayBuffer or a typed array (%s for other values)", what, native.TypeName(v), jsonFor(what))
	}
	return slices.Clone(data)
}

func jsonFor(what string) string {
	if what == "writeBody" {
		return "writeJson"
	}
	return "json"
}

// json is JSON.stringify, with null for what has no JSON.
func (f *frame) json(what string, v goja.Value) []byte {
	if native.IsPromise(v) {
		f.vm.ThrowType("%s: the value is a Promise: is an await missing?", what)
	}
	data, err := f.vm.Stringify(v)
	if err != nil {
		f.vm.Throw(err)
	}
	if data == nil {
		return []byte("null")
	}
	return data
}
