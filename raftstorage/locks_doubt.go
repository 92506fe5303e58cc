package raftstorage

import (
	"context"
	"maps"
	"time"
)

// settle gives back what doubtful attempts have got.
func (l *locker) settle(ctx context.Context, s *session) {
	for attempt, d := range s.doubts() {
		rec, found, err := l.look(d.name)
		if err != nil {
			return
		}
		if found && holderOf(rec) == (holder{s.key.Name, attempt}) {
			if _, err := l.group.change(ctx, deletion(rec)); err != nil && !outdated(err) {
				return
			}
			s.resolve(attempt)
		} else if time.Since(d.since) > l.timing.ttl { // until then it may yet come
			s.resolve(attempt)
		}
	}
}

func (s *session) born(attempt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[attempt] = true
}

func (s *session) forget(attempt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, attempt)
}

func (s *session) lives(attempt string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[attempt]
}

func (s *session) doubt(attempt, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubtful[attempt] = doubt{name, time.Now()}
}

func (s *session) resolve(attempt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.doubtful, attempt)
}

// doubts is a copy of the doubtful attempts.
func (s *session) doubts() map[string]doubt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.doubtful)
}
