package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// config is the Caddyfile of a node: what the docs show, with what a test changes.
var config = template.Must(template.New("").Parse(`{
	admin {$ADMIN_ADDR}
	default_bind {{.Host}}
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust
	grace_period 2s
	log {
		exclude admin.api
	}
{{- if .HTTPS}}
	on_demand_tls {
		permission dgate
	}
{{- end}}
	dgate {
{{- with .DataDir}}
		data_dir {{.}}
{{- end}}
{{- with .Tags}}
		tags {{.}}
{{- end}}
{{- if .Secret}}
		cluster {
			name {{.Cluster}}
			secret {{.Secret}}
			listen {$RAFT_ADDR}
			advertise {{or .Advertise "{$RAFT_ADDR}"}}
{{- with .Join}}
			join{{range .}} {{.}}{{end}}
{{- end}}
{{- with .Expect}}
			expect {{.}}
{{- end}}
{{- with .Role}}
			role {{.}}
{{- end}}
		}
{{- end}}
	}
}

http://:{$SITE_PORT} {
	dgate
}
{{- if .HTTPS}}

https:// {
	tls internal {
		on_demand
		get_certificate dgate
	}
	dgate
}
{{- end}}
`))

// settings are what a test can change of a node's Caddyfile.
type settings struct {
	Host      string // what everything listens on
	DataDir   string // default: that of Caddy
	Tags      string
	Cluster   string
	Secret    string // without one there is no cluster block
	Advertise string // default: where it listens
	Join      []string
	Expect    int
	Role      string
	HTTPS     bool // a site with the certificates of domains
}

// secret is that of all clusters here but where a test wants another.
const secret = "Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHNlY3JldCBhdCBhbGwsIDQyIGJ5dGVz"

// node is one Caddy of a cluster. Its methods may be called concurrently, except those that start,
// stop and configure it.
type node struct {
	*harness.Caddy
	settings

	name  string
	space string // its network namespace, or ""

	mu     sync.Mutex
	paused bool
}

// text is the Caddyfile.
func (n *node) text() string {
	var b strings.Builder
	if err := config.Execute(&b, n.settings); err != nil {
		return err.Error() // Caddy will say so
	}
	return b.String()
}

func (n *node) start() error {
	if err := n.Write(n.text()); err != nil {
		return err
	}
	if err := n.Start(); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	return nil
}

// kill ends the process as a power failure would.
func (n *node) kill() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = false
	return n.Kill()
}

// pause stops the process without ending it; resume lets it go on.
func (n *node) pause() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused = true
	return n.Signal(syscall.SIGSTOP)
}

func (n *node) resume() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.paused {
		return nil
	}
	n.paused = false
	return n.Signal(syscall.SIGCONT)
}

// end stops the process, if there is one, in whatever state it is.
func (n *node) end() error {
	if err := n.resume(); err != nil {
		return err
	}
	if err := n.Close(); err != nil {
		return fmt.Errorf("end of %s: %w", n.name, err)
	}
	return nil
}

// client is for requests to admin endpoints. What it does not know it says: a request that it has
// sent is not sent again.
var client = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}

// answer is what an admin endpoint has said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// code is that of an error.
func (a *answer) code() string {
	var body struct{ Code string }
	_ = json.Unmarshal(a.body, &body)
	return body.Code
}

func (a *answer) String() string {
	return fmt.Sprintf("%d %s", a.status, strings.TrimSpace(string(a.body[:min(len(a.body), 1000)])))
}

// ask sends a request to the admin endpoint. Path begins below /dgate.
func (n *node) ask(ctx context.Context, method, path, body string, header ...string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, n.Admin+"/dgate"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	a := &answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(resp.Body)
	return a, err
}

// want is ask for who expects that it works, within some seconds.
func (n *node) want(method, path, body string, header ...string) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	a, err := n.ask(ctx, method, path, body, header...)
	if err == nil && a.status/100 != 2 {
		err = fmt.Errorf("%s %s on %s: %s", method, path, n.name, a)
	}
	return a, err
}

// status is what /dgate/cluster/status says.
type status struct {
	ID, ClusterID, Name, Role, Leader  string
	Term, Index, Applied               uint64
	Hash                               string
	FaultTolerance                     int
	Members                            []member
	Joining, Storage, Diverged, Halted string
	Removed, Superseded                bool
	Next                               []string
}

// member is one of the members in there.
type member struct {
	ID, Name, Address, Role string
	Leader, Self, Reachable bool
	Applied, Lag            uint64
	Problem, Storage        string
}

// quick bounds questions about the state of a node, which it answers from what it knows.
const quick = 4 * time.Second

func (n *node) status() (*status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	a, err := n.ask(ctx, http.MethodGet, "/cluster/status", "")
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("status of %s: %s", n.name, a)
	}
	var s struct{ Data status }
	if err := json.Unmarshal(a.body, &s); err != nil {
		return nil, fmt.Errorf("status of %s: %w in %s", n.name, err, a)
	}
	return &s.Data, nil
}

// changes is what a node has seen: the hash of all changes up to an index.
type changes struct{ index, hash string }

// changes asks for what the node has seen. It costs the node nothing, and others are not asked.
func (n *node) changes() (c changes, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	a, err := n.ask(ctx, http.MethodGet, "/changelog", "")
	if err != nil {
		return c, err
	}
	var log struct{ Hash string }
	err = json.Unmarshal(a.body, &log)
	return changes{a.header.Get("X-DGate-Index"), log.Hash}, err
}

// role is what this node is in raft, and whether it knows a leader.
func (n *node) role() (role, leader string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), quick)
	defer cancel()
	a, err := n.ask(ctx, http.MethodGet, "/readyz", "")
	if err != nil {
		return "", "", err
	}
	return strings.ToLower(a.header.Get("X-Raft-State")), a.header.Get("X-Raft-Leader"), nil
}

// term is raft's term as this node knows it, or 0.
func (n *node) term() uint64 {
	s, err := n.status()
	if err != nil {
		return 0
	}
	return s.Term
}

// ready is nil if the node says that it is ready, and otherwise why not.
func (n *node) ready() error {
	_, err := n.want(http.MethodGet, "/readyz", "")
	return err
}

// await looks again until f is content, for so long.
func await(d time.Duration, f func() error) error {
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Since(began) > d {
			return fmt.Errorf("after %v: %w", d, err)
		}
		<-tick.C
	}
}

// each calls f for all nodes at once.
func each(nodes []*node, f func(*node) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { errs[i] = f(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// openFiles is how many files a process has open.
func (n *node) openFiles() (int, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.PID()))
	return len(open), err
}
