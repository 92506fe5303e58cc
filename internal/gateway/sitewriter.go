package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/hook"
)

// siteWriter is what the next handler of a site writes to where responseModifier or errorHandler
// wait for its answer. responseModifier starts when the header is written. The body is held back
// only if it asks for it, and goes on to the client untouched otherwise.
type siteWriter struct {
	visit    *visit
	w        http.ResponseWriter
	modifies bool // there is a responseModifier

	state   writerState
	run     *hook.ResponseRun       // not finished, or nil
	cancel  context.CancelCauseFunc // ends next
	watch   func() bool             // stops waiting for the hook's time to be up; nil if nothing is held back
	res     *http.Response          // what run works on
	framing framing                 // of res, as it came
	held    []byte                  // the body so far, for run
	late    http.Header             // what next sets after the header, as long as that is not sent on: trailers
	err     error                   // of responseModifier
	broken  bool                    // the client has got a part of an answer that it must not take for a whole one
}

// writerState says what becomes of what next writes.
type writerState uint8

const (
	untouched writerState = iota // nothing has been written
	passing                      // it goes to the client
	holding                      // it is held back for the hook
	dropping                     // the hook has answered in its place
	failed                       // nobody gets it: the hook has failed
)

// errEventStream is why the body of an event stream cannot be read.
var errEventStream = errors.New("an event stream has no end to wait for: its header can be changed, but not its body")

// errReplaced ends an event stream that nobody gets to see.
var errReplaced = errors.New("the answer has been replaced by responseModifier")

// errTimeUp ends a handler whose answer the hook has waited for until its time was up.
var errTimeUp = errors.New("responseModifier has waited for the body for longer than its timeout")

// begun tells whether the client has got something.
func (s *siteWriter) begun() bool { return s.state == passing || s.state == dropping }

// answer lets next answer. The error is that of next, or of the hook.
func (s *siteWriter) answer(next Next) error {
	defer func() {
		if s.run != nil { // next has failed or panicked: there is no answer to modify
			s.unwatch()
			s.run.Abandon()
			s.visit.ended(nil)
		}
	}()
	err := s.call(next)
	switch {
	case s.state == failed:
		return s.err
	case s.broken:
		panic(http.ErrAbortHandler)
	case s.state == dropping:
		return nil // the client has its answer, whatever has become of this one
	case err != nil:
		return err
	case s.state == untouched && s.modifies:
		s.WriteHeader(http.StatusOK)
	}
	if s.state == holding {
		s.run.Deliver(s.held)
		s.finish()
	}
	if s.broken {
		panic(http.ErrAbortHandler)
	}
	return s.err
}

// call calls next, at most until the hook has waited for long enough: that ends the context of its
// request. The reverse proxy panics when it cannot get rid of its answer, or does not get all of it.
// If it is the hook that does not want it, that is no reason to cut the connection.
func (s *siteWriter) call(next Next) error {
	ctx, cancel := context.WithCancelCause(s.visit.r.Context())
	defer cancel(nil)
	s.cancel = cancel
	defer func() {
		if s.state == holding && context.Cause(ctx) == errTimeUp { //nolint:errorlint // it is compared as it was given
			s.finish()
		}
		if s.state != failed && s.state != dropping {
			return
		}
		if x := recover(); x != nil && x != http.ErrAbortHandler { //nolint:errorlint // it is compared as it is thrown
			panic(x)
		}
	}()
	return next(s, s.visit.r.WithContext(ctx))
}

// Header implements [http.ResponseWriter].
func (s *siteWriter) Header() http.Header {
	if s.late != nil {
		return s.late
	}
	return s.w.Header()
}

// WriteHeader implements [http.ResponseWriter].
func (s *siteWriter) WriteHeader(status int) {
	switch {
	case s.state != untouched:
	case status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols:
		s.w.WriteHeader(status) // the answer is still to come
	case !s.modifies, s.upgrades(status):
		s.state = passing
		s.visit.release() // for what may be long
		s.w.WriteHeader(status)
	default:
		s.modify(status)
	}
}

// upgrades tells whether what follows is no body.
func (s *siteWriter) upgrades(status int) bool {
	return status == http.StatusSwitchingProtocols || s.visit.r.Method == http.MethodConnect && status >= 200 && status <= 299
}

// modify starts the hook.
func (s *siteWriter) modify(status int) {
	v, header := s.visit, s.w.Header()
	s.res = &http.Response{
		Status: strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status)), StatusCode: status,
		Proto: v.r.Proto, ProtoMajor: v.r.ProtoMajor, ProtoMinor: v.r.ProtoMinor,
		Header: header, ContentLength: contentLength(header), Request: v.r,
	}
	s.framing = framingOf(header)
	if err := v.borrow(); err != nil {
		s.fail(err)
		return
	}
	v.begin(hook.ResponseModifier)
	s.run = v.scope.StartResponseModifier(v.vm, s.res)
	s.run.Keep(v.before)
	s.run.Wait()
	switch {
	case s.run.Done():
		s.finish()
	case eventStream(header):
		s.run.Refuse(errEventStream)
		s.finish()
	default:
		s.state, s.late = holding, http.Header{}
		s.watch = context.AfterFunc(v.vm.Context(), func() { s.cancel(errTimeUp) })
	}
}

// unwatch tells whether next has not been ended.
func (s *siteWriter) unwatch() bool {
	stop := s.watch
	s.watch = nil
	return stop == nil || stop()
}

// finish waits for the hook and sends what it has left of the answer.
func (s *siteWriter) finish() {
	run, inTime := s.run, s.unwatch()
	s.run = nil
	err := run.Finish()
	if err == nil && !inTime { // it has settled just now, but there is no more of the body to come
		err = errTimeUp
	}
	if err := s.visit.returned(err); err != nil {
		s.fail(err)
		return
	}
	s.visit.release()
	if s.visit.scope.Answered() { // the hook has not changed the answer, but sent one itself
		s.state, s.late = dropping, http.Header{}
		return
	}
	res, header := s.res, s.w.Header()
	replaced := run.Replaced() || res.Body == http.NoBody
	s.framing.restore(header, res, replaced)
	s.w.WriteHeader(res.StatusCode)
	switch {
	case res.Body != nil:
		s.send(res.Body, replaced && res.ContentLength < 0)
	case !replaced && len(s.held) > 0: // the hook has settled without it
		s.send(io.NopCloser(bytes.NewReader(s.held)), false)
	}
	if replaced {
		s.state, s.late = dropping, http.Header{}
		return
	}
	maps.Copy(header, s.late)
	s.state, s.late, s.held = passing, nil, nil
}

// send sends a body. One of unknown length may be a stream of events.
func (s *siteWriter) send(body io.ReadCloser, flush bool) {
	defer body.Close() //nolint:errcheck // all that matters is told by reading
	to := io.Writer(s.w)
	if flush {
		to = flushing{s.w}
	}
	if _, err := io.Copy(to, body); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		s.broken = true
	}
}

// flushing sends each piece at once.
type flushing struct{ http.ResponseWriter }

// Write implements [io.Writer].
func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	return n, err
}

// fail notes that the hook has failed. Nothing has been sent.
func (s *siteWriter) fail(err error) {
	if errors.Is(err, hook.ErrBodyTooLarge) { // not the client's
		err = &StatusError{Status: http.StatusInternalServerError, Err: err}
	}
	s.state, s.err, s.late, s.held = failed, err, http.Header{}, nil
}

// Write implements [http.ResponseWriter].
func (s *siteWriter) Write(p []byte) (int, error) {
	if s.state == untouched {
		s.WriteHeader(http.StatusOK)
	}
	switch s.state {
	case holding:
		s.hold(p)
	case dropping:
		if eventStream(s.w.Header()) {
			return 0, errReplaced
		}
	case failed:
		return 0, s.err
	default:
		return s.w.Write(p)
	}
	return len(p), nil
}

// hold keeps a part of the body for the hook. When it gets too large, the hook's reading fails; if
// the hook can do without, all goes on to the client.
func (s *siteWriter) hold(p []byte) {
	limit := s.visit.maxBody
	if s.held == nil {
		s.held = make([]byte, 0, min(max(s.res.ContentLength, int64(len(p))), limit))
	}
	s.held = append(s.held, p...)
	switch {
	case int64(len(s.held)) > limit:
		s.run.Deliver(s.held)
		s.finish()
	case s.run.Resume():
		s.finish()
	}
}

// ReadFrom implements [io.ReaderFrom], so that the server can send files without copying them.
func (s *siteWriter) ReadFrom(r io.Reader) (int64, error) {
	if s.state == untouched {
		s.WriteHeader(http.StatusOK)
	}
	if s.state == passing {
		return io.Copy(s.w, r)
	}
	return io.Copy(struct{ io.Writer }{s}, r)
}

// FlushError is what [http.ResponseController] calls.
func (s *siteWriter) FlushError() error {
	if s.state == untouched {
		s.WriteHeader(http.StatusOK)
	}
	if s.state != passing {
		return nil
	}
	return http.NewResponseController(s.w).Flush()
}

// Flush implements [http.Flusher], for those who do not use [http.ResponseController].
func (s *siteWriter) Flush() { _ = s.FlushError() } // it has no way to say

// Hijack implements [http.Hijacker].
func (s *siteWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(s.w).Hijack()
	if err == nil && s.state == untouched {
		s.state = passing
		s.visit.release()
	}
	return conn, buf, err
}

// Unwrap lets [http.ResponseController] find what is not here.
func (s *siteWriter) Unwrap() http.ResponseWriter { return s.w }

// framing are the headers that say where an answer ends. They stay as they came, whatever a script
// makes of them, unless the body is another.
type framing [len(hook.Framing)][]string

func framingOf(h http.Header) (f framing) {
	for i, name := range hook.Framing {
		f[i] = slices.Clip(h[name])
	}
	return f
}

func (f framing) restore(h http.Header, res *http.Response, replaced bool) {
	for i, name := range hook.Framing {
		switch {
		case replaced && (name == "Content-Length" || name == "Transfer-Encoding" || name == "Trailer"), f[i] == nil:
			delete(h, name)
		default:
			h[name] = f[i]
		}
	}
	if replaced && res.ContentLength >= 0 && res.StatusCode != http.StatusNoContent && res.StatusCode != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.FormatInt(res.ContentLength, 10)}
	}
}

// contentLength is what the header says, or -1.
func contentLength(h http.Header) int64 {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// eventStream tells whether an answer goes on for as long as the client listens.
func eventStream(h http.Header) bool {
	typ, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && typ == "text/event-stream"
}

var (
	_ http.ResponseWriter = (*siteWriter)(nil)
	_ io.ReaderFrom       = (*siteWriter)(nil)
	_ http.Flusher        = (*siteWriter)(nil)
	_ http.Hijacker       = (*siteWriter)(nil)
)
