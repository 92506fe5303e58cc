package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// network is an Ethernet of its own on this machine, on which each node is alone in a network
// namespace. This process is on it too, and reaches all nodes whatever happens between them.
type network struct {
	t      testing.TB
	bridge string
	prefix string // the first three numbers of all addresses
	hosts  map[*node]*host
}

// host is what a node has there.
type host struct {
	number  int
	address string
	mac     string
	plug    string // the end of its cable that is in the bridge
}

// newNetwork makes an empty network, which is gone after the test. Without the means for it the test
// is skipped.
func newNetwork(t testing.TB) *network {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces cannot be made otherwise")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the command ip of iproute2")
	}
	sweep()
	// 198.18.0.0/15 is for tests of networks: nobody else has an address there.
	id := int(networks.Add(1)) + 7*os.Getpid()
	w := &network{t: t, bridge: fmt.Sprintf("%s%s-%d", mark, strconv.FormatInt(int64(os.Getpid()), 36), networks.Load()), hosts: map[*node]*host{}}
	w.prefix = fmt.Sprintf("198.%d.%d", 18+id/256%2, id%256)
	if out, err := exec.Command("ip", "link", "add", w.bridge, "type", "bridge").CombinedOutput(); err != nil {
		t.Skipf("needs a bridge: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", w.bridge).Run() })
	w.ip("addr", "add", w.prefix+".1/24", "dev", w.bridge)
	w.ip("link", "set", w.bridge, "up")
	return w
}

// mark begins the names of what is made here; the process that has made it follows, in 36 digits, as
// a name of a network device has at most 15 letters.
const mark = "dgf"

// networks counts those of this process.
var networks atomic.Int64

// sweep removes what a process has left that was killed.
func sweep() {
	owned := func(name string) bool {
		owner, _, ok := strings.Cut(strings.TrimPrefix(name, mark), "-")
		pid, err := strconv.ParseInt(owner, 36, 32)
		return ok && err == nil && errors.Is(syscall.Kill(int(pid), 0), syscall.ESRCH)
	}
	spaces, _ := filepath.Glob("/run/netns/" + mark + "*")
	for _, space := range spaces {
		if name := filepath.Base(space); owned(name) {
			_ = exec.Command("ip", "netns", "del", name).Run()
		}
	}
	links, _ := filepath.Glob("/sys/class/net/" + mark + "*")
	for _, link := range links {
		if name := filepath.Base(link); owned(name) {
			_ = exec.Command("ip", "link", "del", name).Run()
		}
	}
}

// ip runs the command of that name.
func (w *network) ip(args ...string) {
	w.t.Helper()
	if err := run("ip", args...); err != nil {
		w.t.Fatal(err)
	}
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// put gives a node its place in the network.
func (w *network) put(n *node) {
	w.t.Helper()
	h := &host{number: len(w.hosts) + 2}
	h.address = fmt.Sprintf("%s.%d", w.prefix, h.number)
	h.mac = fmt.Sprintf("02:d9:00:00:00:%02x", h.number)
	h.plug = fmt.Sprintf("%sp%d", w.bridge, h.number)
	n.space = fmt.Sprintf("%s-%d", w.bridge, h.number)
	w.ip("netns", "add", n.space)
	w.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n.space).Run() })
	w.ip("link", "add", h.plug, "type", "veth", "peer", "name", "eth0", "address", h.mac, "netns", n.space)
	w.ip("link", "set", h.plug, "master", w.bridge, "up")
	w.ip("-n", n.space, "link", "set", "lo", "up")
	w.ip("-n", n.space, "link", "set", "eth0", "up")
	w.ip("-n", n.space, "addr", "add", h.address+"/24", "dev", "eth0")
	w.hosts[n] = h
	n.Host = h.address
	n.Inside(h.address, w.prefix+".1", "ip", "netns", "exec", n.space)
}

// nobody is the address of a network card that is in no computer here.
const nobody = "02:d9:ff:ff:ff:ff"

// drop loses all that from sends to to, without a word to anybody.
func (w *network) drop(from, to *node) {
	w.t.Helper()
	w.neighbour(from, to, nobody)
}

// pass ends a drop.
func (w *network) pass(from, to *node) {
	w.t.Helper()
	w.neighbour(from, to, w.hosts[to].mac)
}

// neighbour says which network card has the address of a node, as another sees it.
func (w *network) neighbour(from, to *node, mac string) {
	w.t.Helper()
	w.ip("-n", from.space, "neigh", "replace", w.hosts[to].address, "lladdr", mac, "dev", "eth0", "nud", "permanent")
}

// cut loses all between nodes of different groups.
func (w *network) cut(groups ...[]*node) {
	w.t.Helper()
	w.pairs(groups, w.drop)
}

// heal ends all that has been cut and dropped.
func (w *network) heal() {
	w.t.Helper()
	for from := range w.hosts {
		for to := range w.hosts {
			if from != to {
				w.pass(from, to)
			}
		}
	}
}

// pairs calls f for each two nodes of different groups, both ways.
func (w *network) pairs(groups [][]*node, f func(from, to *node)) {
	for i, one := range groups {
		for j, other := range groups {
			if i == j {
				continue
			}
			for _, from := range one {
				for _, to := range other {
					f(from, to)
				}
			}
		}
	}
}

// limit makes the cable of a node slow, both ways; "" makes it fast again.
func (w *network) limit(n *node, rate string) {
	w.t.Helper()
	h := w.hosts[n]
	for _, space := range [][]string{{h.plug}, {"eth0", n.space}} {
		args := []string{"qdisc", "replace", "dev", space[0], "root", "tbf", "rate", rate, "burst", "16kb", "latency", "400ms"}
		if rate == "" {
			args = []string{"qdisc", "del", "dev", space[0], "root"}
		}
		name := "tc"
		if len(space) == 2 {
			name, args = "ip", append([]string{"netns", "exec", space[1], "tc"}, args...)
		}
		if err := run(name, args...); err != nil {
			w.t.Skipf("needs the command tc and the queue tbf: %v", err)
		}
	}
}
