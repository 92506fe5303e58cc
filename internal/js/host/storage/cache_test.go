package storage

import (
	"fmt"
	"testing"
	"time"
)

// TestBound puts in more than there is room for: what was not used for longest goes.
func TestBound(t *testing.T) {
	t.Parallel()
	c := New()
	k := func(i int) key { return key{"ns", fmt.Sprint(i)} }
	const size = 1 << 20
	fits := maxTotal / (size + overhead + 3)
	for i := range fits {
		c.set(k(i), make([]byte, size), time.Time{})
	}
	c.get(k(0))
	c.set(k(fits), make([]byte, 2*size), time.Time{})
	for i, want := range map[int]bool{0: true, 1: false, 2: false, 3: true, fits - 1: true, fits: true} {
		if got := c.get(k(i)) != nil; got != want {
			t.Errorf("%d is there: %t, want %t", i, got, want)
		}
	}
	for i := range 2 * fits { // the same values again and again take no room of their own
		c.set(k(i%5), []byte("1"), time.Time{})
	}
	for i := range fits + 1 {
		c.remove(k(i))
	}
	if c.size != 0 || c.entries.Len() != 0 {
		t.Errorf("%d bytes and %d entries are left of nothing", c.size, c.entries.Len())
	}
	for i := range maxTotal/overhead + 1000 { // entries of no size are bounded as well
		c.set(k(i), nil, time.Time{})
	}
	if most := maxTotal / overhead; c.size > maxTotal || c.entries.Len() > most {
		t.Errorf("%d bytes and %d entries, want at most %d and %d", c.size, c.entries.Len(), maxTotal, most)
	}
}
