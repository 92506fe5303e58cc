package raftstorage

import (
	"errors"
	"testing"
	"time"
)

// A closed node cannot be configured, and says so at once.
func TestConfigureAfterClose(t *testing.T) {
	t.Parallel()
	n := start(t, Config{Dir: t.TempDir(), timing: quick()})
	s := n.store
	stop(t, n)
	for what, configure := range map[string]func() error{
		"the node":              func() error { return n.Configure(&Cluster{Listen: "127.0.0.1:0"}) },
		"one that closes later": func() error { return s.configure((&Cluster{Listen: "127.0.0.1:0"}).withDefaults()) },
	} {
		done := make(chan error, 1)
		go func() { done <- configure() }()
		select {
		case err := <-done:
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it hangs", what)
		}
	}
}
