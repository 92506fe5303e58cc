package hook

import (
	"slices"

	"github.com/dop251/goja"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/headers"
)

// frame is a Scope as one VM sees it. It is what the VM runs under, and what
// every view compares with to know whether its time is over. A frame is never
// moved to another VM: objects that an earlier VM has kept still point to it.
type frame struct {
	s  *Scope
	vm *js.VM
	c  *vmCache

	hook   int
	unsent bool       // the running hook has written something that is not flushed
	late   *late      // of a Worker, else nil
	pumped goja.Value // the promise of an answer that the script still makes, or nil
	// up is the answer that the running responseModifier works on, else nil.
	up *upstream

	// The objects, nil until a script asks for them.
	ctxObj, requestObj, responseObj, upstreamObj, queryObj *goja.Object
	requestHeaders                                         headers.View
	responseHeaders, upstreamHeaders                       *headers.View

	locals, ctxBag, requestBag, responseBag bag
}

// bind returns the frame for running on vm, the one used before if it is the same VM.
func (s *Scope) bind(vm *js.VM) *frame {
	if s.frame != nil && s.frame.vm == vm {
		return s.frame
	}
	f := &s.first
	if f.vm != nil {
		f = new(frame)
	}
	f.s, f.vm, f.c = s, vm, cacheOf(vm)
	s.frame = f
	return f
}

// Namespace names the namespace that the running script belongs to. Host modules
// that keep data per namespace ask the scope of the VM for it.
func (f *frame) Namespace() string {
	if ns := f.s.info.Namespace; ns != nil {
		return ns.Name
	}
	return ""
}

// Check implements headers.Guard: it throws unless f is the frame that its VM runs
// now and the request still is there.
func (f *frame) Check() {
	if !f.running() || f.late.begun() {
		f.vm.ThrowType("request is finished")
	}
}

// running tells whether f is the frame that its VM runs now.
func (f *frame) running() bool {
	now, _ := f.vm.Scope().(*frame)
	return now == f
}

// object makes the JavaScript object of a view.
func (f *frame) object(view goja.DynamicObject) *goja.Object {
	return f.c.rt.NewDynamicObject(view)
}

// bag holds the properties that scripts add to one of the views. Between hooks it
// is only JSON, so that what a hook leaves behind does not depend on the VM.
type bag struct{ obj *goja.Object }

// open returns the bag's object, with what earlier hooks left in it.
func (b *bag) open(f *frame, kept *[]byte) *goja.Object {
	if b.obj != nil {
		return b.obj
	}
	if *kept != nil {
		if v, err := f.vm.ParseJSON(*kept); err == nil {
			b.obj, _ = v.(*goja.Object)
		}
	}
	if b.obj == nil {
		b.obj = f.c.rt.NewObject()
	}
	return b.obj
}

// get returns a property of the bag, or nil.
func (b *bag) get(f *frame, kept *[]byte, key string) goja.Value {
	if b.obj == nil && *kept == nil {
		return nil
	}
	return b.open(f, kept).Get(key)
}

// own tells whether a script has put key into the bag.
func (b *bag) own(f *frame, kept *[]byte, key string) bool {
	if b.obj == nil && *kept == nil {
		return false
	}
	return slices.Contains(b.open(f, kept).Keys(), key)
}

func (b *bag) set(f *frame, kept *[]byte, key string, v goja.Value) bool {
	return b.open(f, kept).Set(key, v) == nil
}

func (b *bag) delete(f *frame, kept *[]byte, key string) bool {
	if b.obj == nil && *kept == nil {
		return true
	}
	return b.open(f, kept).Delete(key) == nil
}

// close turns the bag into JSON. What JSON cannot hold (functions, cycles) is lost.
func (b *bag) close(f *frame, kept *[]byte) {
	if b.obj == nil {
		return
	}
	obj := b.obj
	b.obj, *kept = nil, nil
	if len(obj.Keys()) == 0 {
		return
	}
	data, err := f.vm.Stringify(obj)
	if err != nil {
		f.vm.Logger().Warn("properties that a script has added to ctx, request or response are lost: they cannot be kept as JSON", zap.Error(err))
		return
	}
	*kept = data
}

// bagged tells whether the running hook has touched a bag.
func (f *frame) bagged() bool {
	return f.locals.obj != nil || f.ctxBag.obj != nil || f.requestBag.obj != nil || f.responseBag.obj != nil
}

// closeBags closes all bags. It may run script code (toJSON, getters).
func (f *frame) closeBags() {
	f.locals.close(f, &f.s.bags().locals)
	f.ctxBag.close(f, &f.s.bags().ctx)
	f.requestBag.close(f, &f.s.bags().request)
	f.responseBag.close(f, &f.s.bags().response)
}

// dropBags forgets what a hook that failed has put into the bags.
func (f *frame) dropBags() {
	f.locals, f.ctxBag, f.requestBag, f.responseBag = bag{}, bag{}, bag{}, bag{}
}
