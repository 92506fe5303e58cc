package js

// WaitUntil is [Run.Wait] for callers that have something to do before the run
// has settled: it also returns when the run waits and enough returns true. It
// tells whether the run has settled.
func (r *Run) WaitUntil(enough func() bool) bool {
	for !r.Resume() {
		if enough() {
			return false
		}
		r.vm.loop.wait(r.vm.own)
		r.used = 0
	}
	return true
}
