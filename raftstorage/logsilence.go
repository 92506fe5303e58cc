package raftstorage

import (
	"sync"
	"time"
)

// silence lets a message through once in a while: raft repeats several times a second, for every
// server that it does not reach, that it does not reach it.
type silence struct {
	mu    sync.Mutex
	since map[string]time.Time
	count map[string]int // left out since then
}

const (
	// silent is how long a message that was logged is not repeated.
	silent = 10 * time.Second
	// silences bounds how many messages are known apart.
	silences = 256
)

// pass tells whether a message is logged now, and how often it was not since the last time.
func (s *silence) pass(message string) (repeated int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if last, known := s.since[message]; known && now.Sub(last) < silent {
		s.count[message]++
		return 0, false
	}
	if s.since == nil || len(s.since) >= silences {
		s.since, s.count = map[string]time.Time{}, map[string]int{}
	}
	repeated = s.count[message]
	s.since[message], s.count[message] = now, 0
	return repeated, true
}
