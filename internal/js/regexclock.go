package js

import (
	"sync"
	"time"
	"weak"

	"github.com/dlclark/regexp2/v2"
)

// regexPeriod is the granularity of the regular expressions' clock. It runs
// only while an expression is matching, and for a second longer.
const regexPeriod = 20 * time.Millisecond

// regexSlack is added to the match timeout: the watchdog must have
// interrupted the script before a match gives up, because goja makes "no
// match" of a match that ran out of time, and a script that lets requests pass
// unless an expression matches would let them pass.
const regexSlack = 8 * tick

// regexClock holds the time limit of backtracking regular expressions. It is
// global because regexp2's own is: a package variable that is read whenever an
// expression is compiled, by goja.Compile and by new RegExp in a script. It
// only ever grows, to the longest CPU limit that a program with such expressions was compiled under; while it is written no engine
// runs a script or compiles one.
var regexClock = &regexLimit{limit: DefaultCPU}

type regexLimit struct {
	compiling sync.RWMutex // read while goja compiles

	mu    sync.Mutex
	limit time.Duration // the longest CPU limit provided for
	dogs  []weak.Pointer[watchdog]
}

func init() {
	// Before anything can have been compiled.
	regexp2.SetTimeoutCheckPeriod(regexPeriod)
	regexp2.DefaultMatchTimeout = regexClock.limit + regexSlack
}

// add makes r wait for the scripts of w when it changes.
func (r *regexLimit) add(w *watchdog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := r.dogs[:0]
	for _, p := range r.dogs {
		if p.Value() != nil {
			live = append(live, p)
		}
	}
	r.dogs = append(live, weak.Make(w))
}

// cover sees to it that expressions compiled from now on may match for as long
// as a script may compute under a limit of cpu, and returns the limit in force. That is a shorter
// one as long as a script is stuck in Go code.
// It must not be called by a script.
func (r *regexLimit) cover(cpu time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cpu <= r.limit {
		return r.limit
	}
	for _, p := range r.dogs {
		if w := p.Value(); w != nil {
			if !w.pause() {
				return r.limit // a script is stuck: the next compilation tries again
			}
			defer w.resume()
		}
	}
	r.compiling.Lock()
	defer r.compiling.Unlock()
	r.limit = cpu
	regexp2.DefaultMatchTimeout = cpu + regexSlack
	return cpu
}
