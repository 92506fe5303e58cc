package js

import (
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"
)

const (
	// matchLimit is how long a built-in may match a regular expression that
	// backtracks, in real time and whatever the CPU limit of the script. It is
	// the same for the whole process because regexp2 reads its own from a
	// package variable whenever an expression is compiled, which goja also does
	// in the middle of a match.
	matchLimit = 2 * DefaultCPU
	// matchPeriod is the granularity of the regular expressions' clock, by which
	// a match may take longer. It runs only while an expression is matching, and
	// for a second longer.
	matchPeriod = 20 * time.Millisecond
)

// A match that ran out of time must not be taken for one that has failed, which
// is what goja makes of it: a script that lets requests pass unless an
// expression matches would let them pass. When it ran out cannot be told from
// any clock of ours. regexp2 takes the time from a goroutine that writes it down
// now and then, and on a machine that is busy this may have been long ago.
//
// So the same clock is asked. A sentry is an expression that matches nothing and
// keeps what regexp2 gives it to match with, which knows a deadline: as long as
// a sentry that was started before some match can still go on, so could the match.
type sentry struct {
	re     *regexp2.Regexp
	runner *regexp2.Runner
}

// sentryPattern is the name under which regexp2 knows the sentries.
const sentryPattern = "sentry of github.com/dgate-io/caddy-dgate/internal/js"

// regexClock is regexp2's, and how a sentry gets the runner that reads it: regexp2
// does not say whose a runner is.
var regexClock struct {
	sync.Mutex
	runner *regexp2.Runner
}

func init() {
	// Before anything can have been compiled.
	regexp2.SetTimeoutCheckPeriod(matchPeriod)
	regexp2.DefaultMatchTimeout = matchLimit
	regexp2.RegisterEngine(sentryPattern, regexp2.RuntimeEngineData{
		CapSize:       1,
		FindFirstChar: func(r *regexp2.Runner) bool { regexClock.runner = r; return false },
		Execute:       func(*regexp2.Runner) error { return nil },
	})
}

// start sets the deadline to that of a match that begins now.
func (s *sentry) start() {
	if s.re == nil {
		s.re = regexp2.MustCompile(sentryPattern)
		s.re.MatchTimeout = matchLimit
	}
	regexClock.Lock()
	defer regexClock.Unlock()
	_, _ = s.re.MatchRunes(nil) // finds nothing, and fails only where it calls Execute
	s.runner = regexClock.runner
}

// late reports whether a match that has begun since may have run out of time.
func (s *sentry) late() bool { return s.runner.CheckTimeout() != nil }
