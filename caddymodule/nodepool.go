package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// nodes outlive configurations: the app of a new one finds the node of the old one here.
var nodes = caddy.NewUsagePool()

// nodeKey says what a node keeps its data in.
type nodeKey struct {
	dir    string
	memory bool
}

func (k nodeKey) String() string {
	if k.memory {
		return "memory"
	}
	return k.dir
}

// acquire finds or makes the node for key. There is only one node in a process that has a store open.
func acquire(key nodeKey) (*node, error) {
	if running := runningKey(key); running != key {
		return nil, cannotChange(running, key)
	}
	v, _, err := nodes.LoadOrNew(key, func() (caddy.Destructor, error) { return newNode(key), nil })
	if err != nil {
		return nil, err
	}
	return v.(*node), nil
}

// runningKey is the key of the node that has a store open, or otherwise if there is none.
func runningKey(otherwise nodeKey) nodeKey {
	nodes.Range(func(k, v any) bool {
		if n, ok := v.(*node); ok && n.open() {
			otherwise = k.(nodeKey)
			return false
		}
		return true
	})
	return otherwise
}

// cannotChange is why a configuration is refused.
func cannotChange(running, asked nodeKey) error {
	return fmt.Errorf("data_dir and storage cannot change while Caddy runs (running with %s, asked for %s): restart Caddy", running, asked)
}

// release gives a node back that was acquired.
func release(key nodeKey) error {
	_, err := nodes.Delete(key)
	return err
}
