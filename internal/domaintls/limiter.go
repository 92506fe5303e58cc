package domaintls

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound how many new certificates are asked for. Zero means without a bound.
type Limits struct {
	// PerHour is for all namespaces together.
	PerHour int
	// PerNamespace is for each namespace, also per hour.
	PerNamespace int
}

// window is how long a certificate counts.
const window = time.Hour

// Limiter counts new certificates. Its methods may be called from several goroutines.
type Limiter struct {
	limits atomic.Pointer[Limits]

	mu         sync.Mutex
	counted    map[string]time.Time // by name, when it was counted
	all        []taken              // oldest first
	namespaces map[string]int       // how many of them each has
	refused    map[Refusal]uint64
}

// taken is a certificate that counts.
type taken struct {
	name, namespace string
	at              time.Time
}

// Refusal is what refused certificates are counted by.
type Refusal struct {
	// Namespace is that of the domain.
	Namespace string
	// Limit is the option that refused: per_hour or per_namespace.
	Limit string
}

// LimitError says that a certificate is one too many.
type LimitError struct {
	Refusal
	// Bound is how many there may be per hour.
	Bound int
	// Until is when there is room for another.
	Until time.Time
}

// Error implements [error].
func (e *LimitError) Error() string {
	return fmt.Sprintf("namespace %s: %d new certificates per hour are allowed by the option %s, and used up until %s",
		e.Namespace, e.Bound, e.Limit, e.Until.UTC().Format(time.RFC3339))
}

// NewLimiter makes a limiter that refuses nothing.
func NewLimiter() *Limiter {
	l := &Limiter{counted: map[string]time.Time{}, namespaces: map[string]int{}, refused: map[Refusal]uint64{}}
	l.limits.Store(&Limits{})
	return l
}

// Configure changes the limits. What was counted stays counted.
func (l *Limiter) Configure(limits Limits) { l.limits.Store(&limits) }

// Limited tells whether there is a limit at all.
func (l *Limiter) Limited() bool { return *l.limits.Load() != Limits{} }

// Take counts a new certificate for a name, at now. The error is a [*LimitError]. A name counts once
// an hour, however often it is tried.
func (l *Limiter) Take(namespace, name string, now time.Time) error {
	limits := *l.limits.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	if _, ok := l.counted[name]; ok {
		return nil
	}
	if limits.PerHour > 0 && len(l.all) >= limits.PerHour {
		return l.refuse(namespace, "per_hour", limits.PerHour, l.all[len(l.all)-limits.PerHour].at)
	}
	if used := l.namespaces[namespace]; limits.PerNamespace > 0 && used >= limits.PerNamespace {
		return l.refuse(namespace, "per_namespace", limits.PerNamespace, l.inNamespace(namespace, used-limits.PerNamespace))
	}
	l.counted[name] = now
	l.namespaces[namespace]++
	l.all = append(l.all, taken{name, namespace, now})
	return nil
}

// inNamespace is when the certificate of a namespace was counted that came after so many others.
func (l *Limiter) inNamespace(namespace string, skip int) time.Time {
	for _, t := range l.all {
		if t.namespace != namespace {
			continue
		}
		if skip == 0 {
			return t.at
		}
		skip--
	}
	return time.Time{} // not as long as the counts are right
}

func (l *Limiter) refuse(namespace, limit string, bound int, at time.Time) error {
	e := &LimitError{Refusal{namespace, limit}, bound, at.Add(window)}
	l.refused[e.Refusal]++
	return e
}

// forget drops what is older than an hour.
func (l *Limiter) forget(now time.Time) {
	old := 0
	for old < len(l.all) && now.Sub(l.all[old].at) >= window {
		t := l.all[old]
		delete(l.counted, t.name)
		if l.namespaces[t.namespace]--; l.namespaces[t.namespace] == 0 {
			delete(l.namespaces, t.namespace)
		}
		old++
	}
	if old > 0 {
		l.all = append([]taken(nil), l.all[old:]...)
	}
}

// Counts are how many certificates count now in each namespace, and how many were ever refused.
func (l *Limiter) Counts(now time.Time) (inHour map[string]int, refused map[Refusal]uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	return maps.Clone(l.namespaces), maps.Clone(l.refused)
}
