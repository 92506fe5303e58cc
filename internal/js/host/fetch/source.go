package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/domexception"
)

// exchange is a request that is being made, and then the answer to it. It ends with
// the call that has made it, unless it is kept, and with its time.
type exchange struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	release func() bool // from the call
	timer   *time.Timer // nil if there is no limit
	reason  goja.Value  // why a script has aborted it; nil if none has

	resp       *http.Response
	redirected bool
	took       time.Duration
}

// newExchange returns an exchange of a call. timeout is that of the whole, the body
// included; 0 means none.
func newExchange(call context.Context, timeout time.Duration) *exchange {
	x := new(exchange)
	x.ctx, x.cancel = context.WithCancelCause(context.WithoutCancel(call))
	x.release = context.AfterFunc(call, func() { x.cancel(context.Cause(call)) })
	if timeout > 0 {
		x.timer = time.AfterFunc(timeout, func() {
			x.cancel(domexception.Errorf("TimeoutError", "fetch timed out after %s", timeout))
		})
	}
	return x
}

// keep has the exchange go on after its call, until ctx ends.
func (x *exchange) keep(ctx context.Context) {
	if x.release() {
		x.release = context.AfterFunc(ctx, func() { x.cancel(context.Cause(ctx)) })
	}
}

// end ends the exchange. It may be called more than once, from any goroutine.
func (x *exchange) end() {
	if x.timer != nil {
		x.timer.Stop()
	}
	x.release()
	x.cancel(nil)
	if x.resp != nil {
		_ = x.resp.Body.Close() // all that matters is told by reading
	}
}

// errAborted is why an exchange was ended that a script has aborted.
var errAborted = errors.New("aborted")

// abort ends the exchange for a reason that the script gets to see.
func (x *exchange) abort(reason goja.Value) {
	if x.reason == nil {
		x.reason = reason
		x.cancel(errAborted)
	}
}

// failed is err, or why the exchange was ended.
func (x *exchange) failed(err error) error {
	if cause := context.Cause(x.ctx); cause != nil {
		return cause
	}
	return err
}

// source is a body that Go reads from elsewhere: that of an answer, or that of the
// request that a hook is called for.
type source struct {
	r    io.Reader
	size int64     // -1 if it is not known
	x    *exchange // that it belongs to; nil for a request's
	over error     // what reading the whole fails with if it is too large; may be nil
	err  error     // that it has ended with
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err // what is below may have been closed since
	}
	n, err := s.r.Read(p)
	if s.err = err; err != nil && s.x != nil {
		if !errors.Is(err, io.EOF) {
			s.err = s.x.failed(err)
		}
		s.x.end()
	}
	return n, s.err
}

// Close implements io.Closer. It ends the request behind an answer.
func (s *source) Close() error {
	if s.x != nil {
		s.x.end()
	}
	return nil
}

// all reads the source to its end.
func (s *source) all(limit int64) ([]byte, error) {
	defer s.Close()
	if s.size > limit {
		return nil, s.tooLarge(limit)
	}
	data, err := io.ReadAll(io.LimitReader(s, max(limit, limit+1))) // the one more overflows where there is no limit
	if err == nil && int64(len(data)) > limit {
		err = s.tooLarge(limit)
	}
	return data, err
}

// async is all off the loop: a promise of what the data is converted to.
func (s *source) async(vm *js.VM, limit int64, convert func(*js.VM, []byte) goja.Value) goja.Value {
	type result struct {
		data []byte
		err  error
	}
	return js.Async(vm, func(context.Context) (result, error) {
		data, err := s.all(limit)
		if errors.Is(err, errAborted) { // the reason is the script's
			return result{err: err}, nil
		}
		return result{data: data}, err
	}, func(vm *js.VM, r result) goja.Value {
		if r.err != nil {
			s.fail(vm, r.err)
		}
		return convert(vm, r.data)
	})
}

// fail throws an error of reading.
func (s *source) fail(vm *js.VM, err error) {
	if errors.Is(err, errAborted) {
		panic(s.x.reason)
	}
	vm.Throw(err)
}

func (s *source) tooLarge(limit int64) error {
	if s.over != nil {
		return s.over
	}
	return tooLarge(limit)
}

func tooLarge(limit int64) error {
	return fmt.Errorf("the body is larger than the %d bytes that a script may buffer", limit)
}
