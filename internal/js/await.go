package js

import (
	"errors"

	"github.com/dop251/goja"
)

// Await runs the script until the promise v has settled, as a part of the call
// and within its limits, and returns what it has settled with; what is no
// promise is returned as it is. It is for the time between Wait and End. A
// promise that is rejected fails only this Await.
func (r *Run) Await(v goja.Value) (goja.Value, error) {
	obj, ok := v.(*goja.Object)
	if !ok {
		return v, nil
	}
	p := promiseOf(obj)
	if p == nil {
		return v, nil
	}
	vm := r.vm
	if vm.dead {
		return nil, errors.New("js: the VM has been interrupted and cannot run any more")
	}
	r.promise, r.value, r.err, r.done = p, nil, nil, false
	vm.slot.enter(0)
	r.again()
	r.leave()
	return r.Wait()
}
