//go:build !unix

package js

import "time"

var processStart = time.Now()

// cpuTime stands in for the CPU time of the process, which is not known here.
func cpuTime(now time.Time) time.Duration { return now.Sub(processStart) }
