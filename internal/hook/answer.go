package hook

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/fetch"
)

// respond answers with the Response that a hook has returned, if it is one. Content
// that a script makes is pumped before the hook ends, and the header waits for the first
// piece of it: what fails until then is a failure of the hook, for which there is a better
// answer. Any other content is left to SendRest.
func (f *frame) respond(v goja.Value) error {
	s := f.s
	a, err := fetch.AnswerOf(s.r.Context(), v)
	if a == nil || err != nil {
		return err
	}
	if s.wrote {
		if a.Body != nil {
			_ = a.Body.Close() // nobody reads it
		}
		return errors.New("the hook has returned a response after it had sent one")
	}
	h := s.w.Header()
	for name, values := range a.Header {
		if name == "Set-Cookie" {
			values = append(h[name], values...)
		}
		h[name] = values
	}
	s.status = a.Status
	switch {
	case a.Body != nil:
		s.writeHead(a.Status, a.Size)
		s.rest = &rest{a.Body, a.Size}
	case a.Scripted() && s.r.Method != http.MethodHead && bodyAllowed(a.Status):
		f.pumped = a.Pump(f.vm, f.piece)
	default:
		s.writeHead(a.Status, -1)
	}
	return nil
}

// pump waits until content that a script makes has been sent. An error is that of a hook
// that has not answered; what fails later is for SendRest to tell, as the hook itself has
// done its work.
func (f *frame) pump(r *js.Run) error {
	_, err := r.Await(f.pumped)
	f.pumped = nil
	switch {
	case err == nil:
		f.s.writeHeader(http.StatusOK) // there has been no piece
	case !f.s.wrote:
		return err
	default:
		f.s.broken = err
	}
	return nil
}

// piece sends a piece of content that a script makes.
func (f *frame) piece(data []byte) error {
	f.s.writeHeader(http.StatusOK)
	var err error
	f.vm.Blocking(func() {
		if _, err = f.s.w.Write(data); err == nil {
			_ = http.NewResponseController(f.s.w).Flush() // it says whether it is supported
		}
	})
	if errors.Is(err, http.ErrBodyNotAllowed) {
		return nil
	}
	return err
}

// SendRest sends the content of a Response that a hook has returned, as far as that
// needs no script. It is called last, when the VM has been given back, and may take
// as long as the client and the sender of the content do. With an error the client
// has got only a part of what it was promised, also where a script was to make it.
func (s *Scope) SendRest() error {
	if s.rest == nil {
		return s.broken
	}
	rest := s.rest
	s.rest = nil
	defer func() { _ = rest.body.Close() }() // all that matters is told by reading
	var to io.Writer = s.w
	if rest.size < 0 {
		to = flushing{s.w}
	}
	n, err := io.Copy(to, rest.body)
	switch {
	case errors.Is(err, http.ErrBodyNotAllowed): // an answer that has no body by its status or method
		return nil
	case err == nil && n < rest.size && s.r.Method != http.MethodHead:
		return io.ErrUnexpectedEOF
	}
	return err
}

// flushing sends each piece at once: content of unknown length may be a stream of events.
type flushing struct{ w http.ResponseWriter }

// Write implements io.Writer.
func (f flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		_ = http.NewResponseController(f.w).Flush() // it says whether it is supported
	}
	return n, err
}

// replaceWith puts the Response that a responseModifier has returned in place of the
// upstream's answer. What a script makes is collected first, within the limit of bodies.
func (up *upstream) replaceWith(f *frame, run *js.Run, v goja.Value) error {
	var a *fetch.Answer
	var made bytes.Buffer
	var pumped goja.Value
	err := run.Do(func() error {
		var err error
		if a, err = fetch.AnswerOf(f.s.r.Context(), v); err != nil {
			f.vm.Throw(err)
		}
		if a != nil && a.Scripted() {
			pumped = a.Pump(f.vm, func(data []byte) error {
				if up.limit > 0 && int64(made.Len()+len(data)) > up.limit {
					return tooLarge("response", up.limit)
				}
				made.Write(data)
				return nil
			})
		}
		return nil
	})
	if a == nil || err != nil {
		return err
	}
	if pumped != nil {
		if _, err := run.Await(pumped); err != nil {
			return err
		}
	}
	h := up.resp.Header
	clear(h)
	maps.Copy(h, up.keep)
	for name, values := range a.Header {
		if name != "Content-Encoding" || up.encoding == "" { // what it would have from the upstream's headers is not so any more
			h[name] = values
		}
	}
	up.setStatus(a.Status)
	up.replace(f, made.Bytes())
	up.stream = a.Body
	if a.Body != nil {
		up.resp.ContentLength = a.Size
	}
	return nil
}

// setLength says how long a body is, -1 if that is not known.
func setLength(h http.Header, length int64) {
	if length < 0 {
		delete(h, "Content-Length")
		return
	}
	h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
}
