package domaintls

import (
	"strings"
	"sync"
	"sync/atomic"
)

// maxPatterns bounds how many patterns are remembered. Each was in a stored domain.
const maxPatterns = 1 << 17

// seenPatterns is a bounded set of names, and of endings of names that begin with a dot.
type seenPatterns struct {
	all   sync.Map // of string to nothing
	count atomic.Int64
}

// has tells whether a name is in the set, or has an ending that is.
func (s *seenPatterns) has(name string) bool {
	if s.count.Load() == 0 {
		return false
	}
	if _, ok := s.all.Load(name); ok {
		return true
	}
	for i := strings.IndexByte(name, '.'); i >= 0; {
		if _, ok := s.all.Load(name[i:]); ok {
			return true
		}
		next := strings.IndexByte(name[i+1:], '.')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// add enters a pattern. When there are too many, any other one goes.
func (s *seenPatterns) add(pattern string) {
	if _, there := s.all.LoadOrStore(pattern, struct{}{}); there || s.count.Add(1) <= maxPatterns {
		return
	}
	s.all.Range(func(other, _ any) bool {
		if other == pattern {
			return true
		}
		if _, there := s.all.LoadAndDelete(other); there {
			s.count.Add(-1)
		}
		return false
	})
}
