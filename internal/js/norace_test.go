//go:build !race

package js

const underRace = false
