package domaintls

import (
	"sync"
	"sync/atomic"
)

// maxNames bounds how many names are remembered. Names that a certificate of its own covers may be
// any that strangers think of.
const maxNames = 1 << 17

// names is a bounded set.
type names struct {
	all   sync.Map // of string to nothing
	count atomic.Int64
}

func (n *names) has(name string) bool {
	if n.count.Load() == 0 {
		return false
	}
	_, ok := n.all.Load(name)
	return ok
}

func (n *names) add(name string) {
	if n.has(name) || n.count.Load() >= maxNames {
		return
	}
	if _, there := n.all.LoadOrStore(name, struct{}{}); !there {
		n.count.Add(1)
	}
}

func (n *names) remove(name string) {
	if _, there := n.all.LoadAndDelete(name); there {
		n.count.Add(-1)
	}
}
