package raftstorage

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	n := New(logged(t, Config{Dir: dir}))
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"default"}, names(t, n, "namespace")); diff != "" {
		t.Errorf("namespaces of a new store (-want +got):\n%s", diff)
	}
	o := write(t, n, service("s", "http://a"))
	if n.DB().Applied() < o.Index {
		t.Error("not applied when Propose returned")
	}
	before := n.Status()
	stop(t, n)

	n = start(t, Config{Dir: dir})
	if diff := cmp.Diff([]string{"s"}, names(t, n, "service")); diff != "" {
		t.Errorf("services right after Open (-want +got):\n%s", diff)
	}
	after := n.Status()
	if after.ID != before.ID || after.ClusterID != before.ClusterID || after.Hash != before.Hash {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	write(t, n, service("s2", "http://a"))
}
