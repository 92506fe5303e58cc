package domaintls

import (
	"crypto/x509"
	"maps"
	"sync"
	"time"
)

// Record is what has happened to the certificate of a name on this node.
type Record struct {
	// Leaf is what was served or obtained last; nil if that is not known.
	Leaf *x509.Certificate
	// Obtaining is since when a certificate is being obtained; zero if none is.
	Obtaining time.Time
	// Failed is when that failed for the last time; zero if it has succeeded since.
	Failed time.Time
	// Problem is why, as the issuer has put it.
	Problem string
	// Type is the type of an ACME problem, such as urn:ietf:params:acme:error:rateLimited, or "".
	Type string
	// Failures is how often it has failed since it last succeeded.
	Failures int
	// Next is when it is tried again, at the earliest; zero if nothing stands against it.
	Next time.Time

	// Version is that of the domain that it has failed for.
	Version uint64
}

// Log keeps a record for each name. Its methods may be called from several goroutines.
type Log struct {
	mu      sync.RWMutex
	records map[string]Record
}

// NewLog makes an empty log.
func NewLog() *Log { return &Log{records: map[string]Record{}} }

// Get gives the record of a name.
func (l *Log) Get(name string) (Record, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	r, ok := l.records[name]
	return r, ok
}

// All gives the records of all names.
func (l *Log) All() map[string]Record {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return maps.Clone(l.records)
}

// maxNames bounds how many names have a record.
const maxNames = 1 << 17

// change has a record changed. When there are too many, another one goes.
func (l *Log) change(name string, change func(*Record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.records[name]
	if !ok && len(l.records) >= maxNames {
		l.evict()
	}
	change(&r)
	l.records[name] = r
}

// evict drops one of a few records: one that nothing has to wait for, if there is one.
func (l *Log) evict() {
	const few = 16
	looked, victim := 0, ""
	for name, r := range l.records {
		if looked++; looked == 1 || r.Next.IsZero() {
			victim = name
		}
		if r.Next.IsZero() || looked == few {
			break
		}
	}
	delete(l.records, victim)
}

// Obtaining notes that a certificate is being obtained.
func (l *Log) Obtaining(name string, now time.Time) {
	l.change(name, func(r *Record) { r.Obtaining = now })
}

// Obtained notes that there is a new certificate.
func (l *Log) Obtained(name string) {
	l.change(name, func(r *Record) { *r = Record{Leaf: r.Leaf} })
}

// Served notes the certificate that a handshake got, or that is in storage. One that is not that from
// before ends a failure: another node has obtained it.
func (l *Log) Served(name string, leaf *x509.Certificate) {
	l.mu.RLock()
	known := l.records[name].Leaf
	l.mu.RUnlock()
	if leaf == nil || known == leaf {
		return
	}
	l.change(name, func(r *Record) {
		if r.Leaf == nil || leaf.NotAfter.After(r.Leaf.NotAfter) {
			*r = Record{Obtaining: r.Obtaining}
		}
		r.Leaf = leaf
	})
}

// retryPauses are how long to wait after each failure in a row. An attempt can be two failures for
// Let's Encrypt, one for each kind of challenge; it allows five for a name at once, and one more every
// twelve minutes.
var retryPauses = [...]time.Duration{
	2 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour,
}

// Failed notes that no certificate could be obtained for a name, while its domain had a version, and
// gives the record.
func (l *Log) Failed(name string, now time.Time, problem, kind string, version uint64) (record Record) {
	l.change(name, func(r *Record) {
		r.Obtaining, r.Failed, r.Problem, r.Type, r.Version = time.Time{}, now, problem, kind, version
		r.Next = now.Add(retryPauses[min(r.Failures, len(retryPauses)-1)])
		r.Failures++
		record = *r
	})
	return record
}

// Learn takes a failure over that another node has noted, or this one before it was started, if it is
// later than what is known.
func (l *Log) Learn(name string, other Record) {
	l.change(name, func(r *Record) {
		if other.Failed.After(r.Failed) {
			other.Leaf, other.Obtaining = r.Leaf, r.Obtaining
			*r = other
		}
	})
}

// Refused notes that a certificate was not even asked for, until then.
func (l *Log) Refused(name string, now time.Time, problem string, until time.Time, version uint64) {
	l.change(name, func(r *Record) {
		r.Obtaining, r.Failed, r.Problem, r.Type, r.Version = time.Time{}, now, problem, "", version
		r.Next = until
	})
}

// Reconsider forgets what no issuer has said: another configuration may have ended the cause.
func (l *Log) Reconsider() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, r := range l.records {
		if r.Type == "" && !r.Next.IsZero() {
			l.records[name] = Record{Leaf: r.Leaf, Obtaining: r.Obtaining}
		}
	}
}

// Waits tells that it is too early to try again, and why the last attempt has failed. A change of the
// domain, which has another version then, lets it be tried at once.
func (l *Log) Waits(name string, now time.Time, version uint64) (Record, bool) {
	r, _ := l.Get(name)
	return r, r.Version == version && now.Before(r.Next)
}
