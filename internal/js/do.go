package js

import "errors"

// Do calls fn, Go code that may call into the script, as a part of the call and
// under its limits: conversions of a result that run toString or toJSON, for
// example. It is for the time between Wait and End. The error is what fn has
// returned, or an *Error for what the script has thrown or broken in it.
func (r *Run) Do(fn func() error) error {
	vm := r.vm
	if vm.dead {
		return errors.New("js: the VM has been interrupted and cannot run any more")
	}
	vm.slot.enter(0)
	var err error
	if x := vm.protect(func() { err = fn() }); x != nil {
		e := vm.failure(x, Throw)
		r.fail(e)
		err = e
	}
	failed := r.err
	r.leave() // may find that fn has taken too long
	if r.err != failed {
		err = r.err
	}
	return err
}
