package hook

import (
	"net/http"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
)

// ResponseRun is a responseModifier that has been started. It exists for callers
// that have the head of an answer before its body: they start the hook with a
// response whose Body is nil, and if it then is not done, Deliver the body later
// and Finish. All on one goroutine.
type ResponseRun struct {
	f   *frame
	up  *upstream
	run *js.Run

	delivered bool // the hook has been given the body
}

// StartResponseModifier runs the hook until it has settled or waits for
// something. Finish or Abandon must be called.
func (s *Scope) StartResponseModifier(vm *js.VM, resp *http.Response) *ResponseRun {
	f := s.bind(vm)
	up := newUpstream(resp, s.info.MaxBody)
	f.up, f.hook = up, ResponseModifier
	f.upstreamObj, f.upstreamHeaders = nil, nil
	return &ResponseRun{f: f, up: up, run: vm.Start(s.r.Context(), ResponseModifier, f, f.context(), f.upstream())}
}

// Keep names headers of the answer that are not of whoever has given it. They stay when
// the hook returns a Response to take its place, unless that has them too.
func (r *ResponseRun) Keep(h http.Header) { r.up.keep = h }

// Wait goes on with the hook until it has settled or waits for the body.
func (r *ResponseRun) Wait() { r.run.WaitUntil(r.WantsBody) }

// Resume goes on with the hook as far as it gets without waiting, and tells whether it has settled:
// also because its time is up.
func (r *ResponseRun) Resume() bool { return r.run.Resume() }

// Done tells whether the hook has settled.
func (r *ResponseRun) Done() bool { return r.run.Done() }

// WantsBody tells whether the hook waits for a body that is to be delivered.
func (r *ResponseRun) WantsBody() bool { return r.up.deliver != nil }

// Replaced tells whether the hook has put another body in place of the answer's.
func (r *ResponseRun) Replaced() bool { return r.up.wrote }

// Deliver gives the hook the body of the answer, still encoded as its header says.
func (r *ResponseRun) Deliver(body []byte) {
	var err error
	if limit := r.up.limit; limit > 0 && int64(len(body)) > limit {
		err = errLimit
	}
	r.delivered = true
	r.deliver(body, err)
}

// Refuse tells the hook why there is no body to wait for. That of the answer is left alone.
func (r *ResponseRun) Refuse(why error) {
	r.deliver(nil, why)
}

func (r *ResponseRun) deliver(body []byte, err error) {
	up := r.up
	if up.src != nil || up.loaded() {
		return
	}
	if up.load == nil {
		up.load = &load{done: make(chan struct{})}
	}
	up.load.raw, up.load.err = body, err
	close(up.load.done)
	if up.deliver != nil {
		settle := up.deliver
		up.deliver = nil
		settle(up.wake)
	}
}

// Abandon gives the hook up: there is no answer any more that it could change. It takes the place
// of Finish.
func (r *ResponseRun) Abandon() {
	_ = r.f.end(r.run, nil)
	r.f.up = nil
	r.f.dropBags()
}

// Finish waits for the hook and leaves the answer as it is to be sent on. A body
// that was not delivered and not replaced is nil.
func (r *ResponseRun) Finish() error {
	f := r.f
	v, err := r.run.Wait()
	if _, object := v.(*goja.Object); err == nil && object {
		err = r.up.replaceWith(f, r.run, v)
	}
	if err == nil && f.bagged() {
		err = r.run.Do(func() error { f.closeBags(); return nil })
	}
	err = f.end(r.run, err)
	f.up = nil
	if err == nil {
		r.up.finish()
		if up := r.up; up.src == nil && !r.delivered && !up.wrote && up.resp.Body != http.NoBody {
			up.resp.Body = nil
		}
	}
	return err
}
