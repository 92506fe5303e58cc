//go:build race

package js

// underRace is whether the race detector is on, which makes deep recursion a hundred times as slow.
const underRace = true
