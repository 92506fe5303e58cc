package raftstorage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"github.com/dgate-io/caddy-dgate/internal/keyring"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// TestDamagedMember: whatever happens to the files of a member, it is a member again soon, under
// another id, with the data of the others; and the files are there to look at.
func TestDamagedMember(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(3, 3)
	const i = 2
	dir := c.cfgs[i].Dir
	key := filepath.Join(dir, keyring.FileName)
	must(t, os.WriteFile(key, []byte("not touched"), 0o600))
	c.cfgs[i].joins(c.address(0), c.address(1))
	cases := map[string]func(){
		"a log with other bytes": func() { damagePages(t, filepath.Join(dir, logFile)) },
		"a log that was cut off": func() { must(t, os.Truncate(filepath.Join(dir, logFile), 9000)) },
		"no log":                 func() { must(t, os.Remove(filepath.Join(dir, logFile))) },
		"no id":                  func() { must(t, os.Remove(filepath.Join(dir, serverIDFile))) },
		"no snapshots": func() {
			must(t, os.RemoveAll(filepath.Join(dir, snapshotDir)))
			cutStart(t, c.cfgs[i], 4)
		},
	}
	for name, harm := range cases {
		t.Run(name, func(t *testing.T) {
			write(t, c.nodes[c.leads()], service("a", "http://"+numbered("a", time.Now().Nanosecond())))
			c.eventually("take a snapshot", func() bool { return c.nodes[i].Snapshot() == nil })
			id := c.nodes[i].Status().ID
			stop(t, c.nodes[i])
			harm()
			c.open(i)
			if now := c.nodes[i].Status(); now.ID == id || !strings.Contains(now.Rebuilt, damagedDir) {
				t.Errorf("status: %+v", now)
			}
			c.voters(3)
			c.same()
			servers := c.nodes[i].store.servers()
			if _, there := findServer(servers, id); there || len(servers) != 3 {
				t.Errorf("members: %+v", servers)
			}
			asides, err := filepath.Glob(filepath.Join(dir, damagedDir+"*"))
			if len(asides) != 1 || err != nil {
				t.Fatalf("set aside: %v %v", asides, err)
			}
			for _, file := range []string{state.FileName, clusterIDFile} {
				if _, err := os.Stat(filepath.Join(asides[0], file)); err != nil {
					t.Errorf("not set aside: %v", err)
				}
			}
			must(t, os.RemoveAll(asides[0]))
			stop(t, c.nodes[i])
			c.open(i)
			if now := c.nodes[i].Status(); now.Rebuilt != "" {
				t.Errorf("after another start: %s", now.Rebuilt)
			}
			c.voters(3)
		})
	}
	if text, err := os.ReadFile(key); string(text) != "not touched" || err != nil {
		t.Errorf("the key file: %q %v", text, err)
	}
}

// damagePages changes a byte in each page of a database.
func damagePages(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	for i := 2 * 4096; i < len(data); i += 4096 {
		data[i] ^= 0x55
	}
	must(t, os.WriteFile(path, data, 0o600))
}

// joins gives a node a join list.
func (c *Config) joins(addresses ...string) {
	cluster := *c.Cluster
	cluster.Join = addresses
	c.Cluster = &cluster
}

// cutStart removes the first entries of a log.
func cutStart(t *testing.T, cfg Config, to uint64) {
	t.Helper()
	log, err := raftboltdb.New(raftboltdb.Options{Path: cfg.path(logFile), BoltOptions: logOptions(false)})
	must(t, err)
	must(t, log.DeleteRange(1, to))
	must(t, log.Close())
}

// TestDamageWithoutOthers: a server that has nobody to learn from, or cannot tell from whom, keeps
// its files and says what is wrong.
func TestDamageWithoutOthers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		join   []string
		change func(cfg Config) // beside the damage
		want   string
	}{
		"alone":                       {nil, func(Config) {}, "is damaged and was left as it is"},
		"others have never joined it": {[]string{"127.0.0.1:1"}, func(Config) {}, "is damaged and was left as it is"},
		"no cluster is known":         {[]string{"127.0.0.1:1"}, func(cfg Config) { must(t, os.Remove(cfg.path(clusterIDFile))) }, "is damaged and was left as it is"},
		"again and again": {[]string{"127.0.0.1:1"}, func(cfg Config) {
			for _, name := range []string{"1", "2", "3"} {
				must(t, os.Mkdir(cfg.path(damagedDir+name), 0o700))
			}
		}, "something damages the files"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 1)
			stop(t, c.nodes[0])
			cfg := c.cfgs[0]
			cfg.joins(tt.join...)
			must(t, os.Truncate(cfg.path(logFile), 9000))
			tt.change(cfg)
			before, err := os.ReadDir(cfg.Dir)
			must(t, err)
			if err := New(cfg).Open(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want …%s…", err, tt.want)
			}
			after, err := os.ReadDir(cfg.Dir)
			must(t, err)
			if len(after) != len(before) {
				t.Errorf("files: %v, before %v", after, before)
			}
		})
	}
}

// TestSettingAsideInterrupted: wherever the process ends, no server comes out of it that has an old
// id and no log, or that is free to form another cluster.
func TestSettingAsideInterrupted(t *testing.T) {
	t.Parallel()
	c := alone(t)
	c.grow(2, 2)
	const i = 1
	c.settled(i)
	stop(t, c.nodes[i])
	cfg := c.cfgs[i]
	id, err := os.ReadFile(cfg.path(serverIDFile))
	must(t, err)
	cluster := c.nodes[0].Status().ClusterID
	must(t, os.Truncate(cfg.path(logFile), 9000))
	moves := append(append([]string{serverIDFile, pledgeFile, logFile, snapshotDir}, state.FileNames()...), clusterIDFile)
	for done := range len(moves) {
		dir := filepath.Join(t.TempDir(), "copy")
		must(t, os.CopyFS(dir, os.DirFS(cfg.Dir)))
		half := cfg
		half.Dir = dir
		for _, name := range moves[:done+1] {
			if name == pledgeFile {
				must(t, (&pledge{path: half.path(pledgeFile)}).join(cluster))
				continue
			}
			must(t, os.RemoveAll(half.path(name)))
		}
		s := &store{cfg: half.withDefaults(), stop: make(chan struct{})}
		s.cluster.Store(half.Cluster)
		if err := s.openOrSetAside(); err != nil {
			t.Errorf("after %s: %v", moves[done], err)
			continue
		}
		if string(s.id())+"\n" == string(id) || s.members.pledge.get().cluster() != cluster || s.db.Applied() != 0 {
			t.Errorf("after %s: id %s, bound to %q, at %d", moves[done], s.id(), s.members.pledge.get().cluster(), s.db.Applied())
		}
		must(t, s.closeFiles())
	}
}

// TestAnotherServerAtAnAddress: a server that has lost its data, and so its id, neither confirms nor
// votes in the name of the one before.
func TestAnotherServerAtAnAddress(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	write(t, c.nodes[0], service("a", "http://a"))
	address := c.address(1)
	stop(t, c.nodes[1])
	cfg := c.cfgs[1]
	cfg.Dir = t.TempDir()
	other := New(cfg)
	must(t, other.Open(t.Context()))
	defer stop(t, other)
	if now := other.Status().Address; now != address {
		t.Fatalf("it is at %s and not at %s", now, address)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*c.cfgs[0].timing.election)
	defer cancel()
	if _, err := c.nodes[0].Propose(ctx, service("b", "http://a")); err == nil {
		t.Error("a change was agreed on by one of two")
	}
	c.eventually("notice that there is no majority", func() bool { return c.nodes[0].Status().Leader == "" })
	if !sleep(t.Context(), 3*c.cfgs[0].timing.election) || c.nodes[0].Status().Leader != "" {
		t.Error("it was elected with the vote of a server that has nothing")
	}
	if st := other.Status(); st.LastIndex != 0 {
		t.Errorf("it has taken what was meant for another: %+v", st)
	}
}
