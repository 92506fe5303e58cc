package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
	"github.com/dgate-io/caddy-dgate/internal/js/host/stream"
)

// Answer is a Response that a hook has returned: what is to be sent to the client.
// Its content is either Body, which Go reads, or made by the script while it is
// being sent, by Pump. There may be neither.
type Answer struct {
	// Status is a status from 200 to 599.
	Status int
	// Header is a copy, which belongs to the caller. Those that were about the
	// connection the answer came by are not in it.
	Header http.Header
	// Body is nil if the script makes the content, and if there is none. It may be
	// read on any goroutine and after the call has ended, and must be closed.
	Body io.ReadCloser
	// Size is the length of Body, -1 if that is not known.
	Size int64

	stream *goja.Object // what is pumped, nil if nothing is
}

// AnswerOf returns the answer behind v, nil if v is no Response. Its body counts as
// read. If it is that of an answer of fetch, then from now on the request behind it
// ends with ctx, which should be that of the client, and not with the call.
func AnswerOf(ctx context.Context, v goja.Value) (*Answer, error) {
	r, ok := native.Data[*Response](v)
	if !ok {
		return nil, nil //nolint:nilnil // nil is no answer
	}
	if r.kind == "error" {
		return nil, errors.New("the response is a Response.error()")
	}
	b, err := r.body.take(r.c.vm)
	if err != nil {
		return nil, err
	}
	a := &Answer{Status: r.status, Header: r.header.Clone()}
	for _, name := range hopByHop {
		delete(a.Header, name)
	}
	switch {
	case b == nil:
	case b.stream != nil:
		a.stream = b.stream
	default:
		if b.src != nil && b.src.x != nil {
			b.src.x.keep(ctx)
		}
		a.Body, a.Size = b.reader(), b.size()
	}
	return a, nil
}

// Scripted tells whether the script makes the content, so that it has to be pumped.
func (a *Answer) Scripted() bool { return a.stream != nil }

// Pump gives write the content that the script makes, piece by piece, on the
// goroutine of the VM; write must not keep it. It returns a promise that is fulfilled when all is written,
// and rejected with what write or the script has failed with. It must be called
// while the call runs, which then has to wait for the promise:
//
//	var sent goja.Value
//	err := run.Do(func() error {
//		sent = answer.Pump(vm, write)
//		return nil
//	})
//	if err == nil {
//		_, err = run.Await(sent)
//	}
func (a *Answer) Pump(vm *js.VM, write func([]byte) error) goja.Value {
	return stream.Each(vm, a.stream, func(data []byte) goja.Value {
		if err := write(data); err != nil {
			vm.Throw(err)
		}
		return goja.Undefined()
	}, goja.Undefined)
}

// hopByHop are the headers that are about one connection only.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
