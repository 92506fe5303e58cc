package cluster

import (
	"fmt"
	"slices"
	"time"
)

// spans are times that are looked at together.
type spans []time.Duration

// at returns the time that so many hundredths of all do not exceed.
func (s spans) at(percent int) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[(len(sorted)*percent+99)/100-1]
}

func (s spans) String() string {
	if len(s) == 0 {
		return "none"
	}
	r := func(d time.Duration) time.Duration {
		if d < 10*time.Millisecond {
			return d.Round(10 * time.Microsecond)
		}
		return d.Round(time.Millisecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v, max %v (%d)", r(s.at(50)), r(s.at(99)), r(slices.Max(s)), len(s))
}
