package buffer

import (
	"github.com/dop251/goja"

	"github.com/dgate-io/caddy-dgate/internal/js/host/native"
)

// lazy stands in the chain of prototypes for methods that are made on first use.
type lazy struct {
	c       *class
	members *native.Members[*class]
}

var _ goja.DynamicObject = (*lazy)(nil)

// Get implements goja.DynamicObject.
func (l *lazy) Get(key string) goja.Value { return l.members.Get(l.c.vm, l.c, key) }

// Has implements goja.DynamicObject.
func (l *lazy) Has(key string) bool { return l.members.Has(key) }

// Set implements goja.DynamicObject: nothing is set here, but on what inherits from it.
func (l *lazy) Set(string, goja.Value) bool { return false }

// Delete implements goja.DynamicObject.
func (l *lazy) Delete(key string) bool { return !l.Has(key) }

// Keys implements goja.DynamicObject: methods are not listed.
func (l *lazy) Keys() []string { return nil }
