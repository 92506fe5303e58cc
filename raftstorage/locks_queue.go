package raftstorage

import "slices"

// ticket is a place in the queue of those on this node who want the same lock. Only the first one
// asks the cluster.
type ticket struct {
	turn chan struct{} // closed when it is the first
}

// enqueue takes the last place, and tells whether that is the first.
func (l *locker) enqueue(name string) (t *ticket, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t = &ticket{turn: make(chan struct{})}
	l.queues[name] = append(l.queues[name], t)
	first = len(l.queues[name]) == 1
	if first {
		close(t.turn)
	}
	return t, first
}

// dequeue gives a place up.
func (l *locker) dequeue(name string, t *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queues[name]
	i := slices.Index(queue, t)
	if i < 0 {
		return
	}
	queue = slices.Delete(queue, i, i+1)
	if len(queue) == 0 {
		delete(l.queues, name)
		return
	}
	l.queues[name] = queue
	if i == 0 {
		close(queue[0].turn)
	}
}
