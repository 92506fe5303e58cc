package raftstorage

import "context"

// Lock is a lock that this node holds.
type Lock struct {
	// Token grows with every holder of a lock.
	Token uint64
}

// Context is done when the lock is lost.
func (l *Lock) Context() context.Context { return context.Background() }

// Unlock gives the lock back.
func (l *Lock) Unlock(context.Context) error { return pending("unlock") }

// Lock waits until nobody else in the cluster holds the lock called name, and takes it.
func (n *Node) Lock(context.Context, string) (*Lock, error) { return nil, pending("lock") }

// TryLock takes a lock that nobody holds, and returns nil if somebody does.
func (n *Node) TryLock(context.Context, string) (*Lock, error) { return nil, pending("lock") }

// Once is true for exactly one caller per slot of a job in the cluster.
func (n *Node) Once(context.Context, string, string) (bool, error) { return false, pending("once") }
