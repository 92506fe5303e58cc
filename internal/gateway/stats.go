package gateway

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/hook"
)

// What is counted hangs on the compiled resources, and is handed on when they are compiled again.
// So it goes when its resource goes, and what is still in flight then counts for nobody.

// RouteStats counts the requests of one route.
type RouteStats struct {
	// Took is how long requests took, until the end of the answer.
	Took Durations

	answers atomic.Pointer[answerCount]
}

// answerCount counts the answers with one status. They are a list: few statuses are ever used.
type answerCount struct {
	status int
	count  atomic.Uint64
	next   *answerCount
}

// observe counts a request.
func (s *RouteStats) observe(status int, took time.Duration) {
	s.Took.Observe(took)
	for {
		first := s.answers.Load()
		for c := first; c != nil; c = c.next {
			if c.status == status {
				c.count.Add(1)
				return
			}
		}
		c := &answerCount{status: status, next: first}
		c.count.Store(1)
		if s.answers.CompareAndSwap(first, c) {
			return
		}
	}
}

// Answers gives how many requests were answered with each status.
func (s *RouteStats) Answers() iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		for c := s.answers.Load(); c != nil; c = c.next {
			if !yield(c.status, c.count.Load()) {
				return
			}
		}
	}
}

// ServiceStats counts the attempts to reach the upstreams of one service.
type ServiceStats struct {
	// Took is how long attempts took, until the headers of the answer or the failure.
	Took Durations
	// Failures counts attempts without an answer, those of clients that left excepted.
	Failures atomic.Uint64
}

// HookStats counts the calls of one hook of one module.
type HookStats struct {
	// Took is how long calls took, waiting included.
	Took Durations
	// Failures counts calls that failed, those of clients that left excepted.
	Failures atomic.Uint64
}

// moduleStats has the stats of each hook, in the order of [hook.Hooks].
type moduleStats struct {
	hooks [len(hook.Hooks)]HookStats
	users int
}

// modules has the stats of modules that a route or a site begins with. Both can have one of the
// same name.
type modules struct {
	mu     sync.Mutex
	byName map[Names]*moduleStats
}

// use gives the stats of a module to one more user.
func (m *modules) use(name Names) *moduleStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.byName[name]
	if s == nil {
		s = new(moduleStats)
		m.byName[name] = s
	}
	s.users++
	return s
}

// drop takes what use has given back.
func (m *modules) drop(name Names) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.byName[name]
	if s.users--; s.users == 0 {
		delete(m.byName, name)
	}
}

// Count counts a request that has been answered with status.
func (m Match) Count(status int, took time.Duration) { m.Plan.stats.observe(status, took) }

// CountUnmatched counts a request that no route took.
func (g *Gateway) CountUnmatched(status int, took time.Duration) { g.unmatched.observe(status, took) }

// Routes gives what was counted of each route that there is. Last are the requests that no route
// took, without names.
func (g *Gateway) Routes() iter.Seq2[Names, *RouteStats] {
	return func(yield func(Names, *RouteStats) bool) {
		for _, n := range g.namespaces() {
			for _, p := range n.plans {
				if !yield(Names{Namespace: p.names.Namespace, Route: p.names.Route}, p.stats) {
					return
				}
			}
		}
		yield(Names{}, &g.unmatched)
	}
}

// Services gives what was counted of each service that there is.
func (g *Gateway) Services() iter.Seq2[Names, *ServiceStats] {
	return func(yield func(Names, *ServiceStats) bool) {
		for _, n := range g.namespaces() {
			for name, s := range n.services {
				if !yield(Names{Namespace: n.res.Name, Service: name}, s.stats) {
					return
				}
			}
		}
	}
}

// namespaces are those of the table, if there is one.
func (g *Gateway) namespaces() map[string]*namespace {
	if t := g.table.Load(); t != nil {
		return t.namespaces
	}
	return nil
}

// HookName names a hook of a module.
type HookName struct{ Namespace, Module, Hook string }

// Hooks gives what was counted of each hook of each module that a route or a site begins with.
func (g *Gateway) Hooks() iter.Seq2[HookName, *HookStats] {
	return func(yield func(HookName, *HookStats) bool) {
		g.modules.mu.Lock()
		defer g.modules.mu.Unlock()
		for name, s := range g.modules.byName {
			for i := range s.hooks {
				if !yield(HookName{name.Namespace, name.Module, hook.Hooks[i].Name}, &s.hooks[i]) {
					return
				}
			}
		}
	}
}

// Builds is how long it took to compile tables.
func (g *Gateway) Builds() *Durations { return &g.builds }
