package harness

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// DefaultCaddyfile is what a Caddy runs that was not told otherwise: the gateway on a site of its
// own. The variables are those of [Caddy.Env].
const DefaultCaddyfile = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	http_port {$HTTP_PORT}
	https_port {$HTTPS_PORT}
	skip_install_trust
	grace_period 5s
	dgate {
		limits {
			cpu 1s
		}
	}
}

http://:{$SITE_PORT} {
	dgate
}
`

// Caddy is a Caddy process, or the place for one: ports, and a directory for all that it keeps.
// The methods must not be called concurrently, except Log and Env.
type Caddy struct {
	// Admin is the URL of the admin endpoint, and Site the one of the site, both without a slash
	// at the end. Raft is an address for a cluster block.
	Admin, Site, Raft string
	// Dir holds the data, config and home directories and the log.
	Dir string
	// Caddyfile is the file to run.
	Caddyfile string
	// Program is the Caddy that [Caddy.Start] runs. Default: the one that is tested.
	Program string

	env   map[string]string
	ports Ports
	here  string   // the IP address of this process that Caddy can connect to
	enter []string // the command that runs others in another network, or nothing

	process *process
}

// New returns a place for a Caddy that runs text, by default [DefaultCaddyfile]. When the test
// ends, a process that still runs is stopped, which it must survive with exit code 0; if the test
// failed, its log is shown.
func New(t testing.TB, text string) *Caddy {
	t.Helper()
	c, err := NewIn(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if text != "" {
		if err := c.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("end of Caddy: %v", err)
		}
		if t.Failed() {
			t.Logf("log of Caddy:\n%s", tail(c.Log()))
		}
	})
	return c
}

// Start is [New] and [Caddy.Start].
func Start(t testing.TB, text string) *Caddy {
	t.Helper()
	c := New(t, text)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// NewIn returns a place for a Caddy in dir. The caller must close it.
func NewIn(dir string) (*Caddy, error) {
	c := &Caddy{Dir: dir, Caddyfile: filepath.Join(dir, "Caddyfile"), here: "127.0.0.1"}
	var addrs [5]string
	for i := range addrs {
		addr, err := c.ports.Addr()
		if err != nil {
			c.ports.Close()
			return nil, err
		}
		addrs[i] = addr
	}
	c.Admin, c.Site, c.Raft = "http://"+addrs[0], "http://"+addrs[1], addrs[2]
	c.env = map[string]string{
		"ADMIN_ADDR":      addrs[0],
		"SITE_ADDR":       addrs[1],
		"SITE_PORT":       port(addrs[1]),
		"RAFT_ADDR":       addrs[2],
		"HTTP_PORT":       port(addrs[3]),
		"HTTPS_PORT":      port(addrs[4]),
		"HOME":            dir,
		"XDG_DATA_HOME":   filepath.Join(dir, "data"),
		"XDG_CONFIG_HOME": filepath.Join(dir, "config"),
		"DGATE_ADMIN_API": c.Admin + "/dgate",
		"GORACE":          "atexit_sleep_ms=0", // a second for each process otherwise
	}
	return c, c.Write(DefaultCaddyfile)
}

// Env returns the variables that the process and every command that deals with it should see.
func (c *Caddy) Env() map[string]string { return maps.Clone(c.env) }

// Setenv changes a variable for processes that are started from now on.
func (c *Caddy) Setenv(key, value string) { c.env[key] = value }

// Inside puts processes that are started from now on into another network, where nobody else takes
// their ports: host is the IP address that they have there and can be reached at, here is where they
// reach this process, and enter is the command that runs another one there, as "ip netns exec name".
func (c *Caddy) Inside(host, here string, enter ...string) {
	c.here, c.enter = here, enter
	at := func(port string) string { return net.JoinHostPort(host, port) }
	c.Admin, c.Site, c.Raft = "http://"+at("2019"), "http://"+at("8000"), at("7373")
	maps.Copy(c.env, map[string]string{
		"ADMIN_ADDR": at("2019"), "SITE_ADDR": at("8000"), "SITE_PORT": "8000", "RAFT_ADDR": at("7373"),
		"HTTP_PORT": "8080", "HTTPS_PORT": "8443", "DGATE_ADMIN_API": c.Admin + "/dgate",
	})
}

// MoveRaft chooses another address for the cluster block.
func (c *Caddy) MoveRaft() error {
	addr, err := c.ports.Addr()
	if err == nil {
		c.Raft, c.env["RAFT_ADDR"] = addr, addr
	}
	return err
}

// Write replaces the Caddyfile. A running process does not notice before [Caddy.Reload].
func (c *Caddy) Write(text string) error {
	return os.WriteFile(c.Caddyfile, []byte(text), 0o600)
}

// Command returns a command that sees the environment of this Caddy.
func (c *Caddy) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = filepath.Dir(c.Caddyfile)
	cmd.Env = os.Environ()
	for _, key := range slices.Sorted(maps.Keys(c.env)) {
		cmd.Env = append(cmd.Env, key+"="+c.env[key])
	}
	return cmd
}

// Start starts a process and returns when it has loaded its config, or the reason why it did not.
func (c *Caddy) Start() error {
	if c.Running() {
		return errors.New("this Caddy runs already")
	}
	ctx, cancel := patient()
	defer cancel()
	return c.start(ctx)
}

func (c *Caddy) start(ctx context.Context) error {
	// Caddy says that it is ready by connecting to the pingback address with what it read from
	// standard input.
	l, err := net.Listen("tcp", net.JoinHostPort(c.here, "0"))
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()

	password := rand.Text()
	args := slices.Concat(c.enter, []string{cmp.Or(c.Program, "caddy"), "run", "--config", c.Caddyfile, "--adapter", "caddyfile", "--pingback", l.Addr().String()})
	cmd := c.Command(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(password)
	p, err := startProcess(cmd, c.logFile())
	if err != nil {
		return err
	}
	c.process = p
	go func() { // an Accept that nobody will answer ends with the process
		<-p.exited
		_ = l.Close()
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			p.kill()
			c.process = nil
			return fmt.Errorf("caddy run: not ready, %w:\n%s", cmp.Or(ctx.Err(), p.err, err), tail(c.Log()))
		}
		_ = conn.SetDeadline(time.Now().Add(Patience))
		said, _ := io.ReadAll(conn)
		_ = conn.Close()
		if string(said) == password {
			return nil
		}
	}
}

// Running tells whether the process has been started and not ended.
func (c *Caddy) Running() bool {
	return c.process != nil && !c.process.ended()
}

// PID returns the id of the process.
func (c *Caddy) PID() int { return c.process.cmd.Process.Pid }

// Signal sends a signal to the process.
func (c *Caddy) Signal(signal os.Signal) error {
	if !c.Running() {
		return errors.New("this Caddy does not run")
	}
	return c.process.cmd.Process.Signal(signal)
}

// Stop asks the process to end and waits for it. It is an error if the process ended on its own
// before, ends with another exit code than 0, has found a data race, or takes too long.
func (c *Caddy) Stop() error {
	if c.process == nil {
		return errors.New("this Caddy does not run")
	}
	p := c.process
	c.process = nil
	defer p.kill()
	if p.ended() {
		return fmt.Errorf("caddy run: ended on its own: %w", cmp.Or(p.err, errors.New("exit status 0")))
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := patient()
	defer cancel()
	if !p.wait(ctx) {
		_ = p.cmd.Process.Signal(syscall.SIGABRT) // leaves the stacks of its goroutines in the log
		ctx, cancel := patient()
		defer cancel()
		p.wait(ctx)
		return errors.New("caddy run: did not end when asked")
	}
	if p.err != nil {
		return fmt.Errorf("caddy run: %w", p.err)
	}
	if strings.Contains(c.Log(), "WARNING: DATA RACE") {
		return errors.New("caddy run: a data race, see the log")
	}
	return nil
}

// Kill ends the process as a power failure would.
func (c *Caddy) Kill() error {
	if c.process == nil || c.process.ended() {
		return errors.New("this Caddy does not run")
	}
	c.process.kill()
	c.process = nil
	return nil
}

// Restart is Stop and Start.
func (c *Caddy) Restart() error {
	if err := c.Stop(); err != nil {
		return err
	}
	return c.Start()
}

// Reload runs `caddy reload`. If the config is refused, the error has what the command said.
func (c *Caddy) Reload() error {
	ctx, cancel := patient()
	defer cancel()
	cmd := c.Command(ctx, "caddy", "reload", "--config", c.Caddyfile, "--adapter", "caddyfile")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("caddy reload: %w:\n%s", err, out)
	}
	return nil
}

// Log returns what the processes of this Caddy have written so far.
func (c *Caddy) Log() string {
	text, err := os.ReadFile(c.logFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(text)
}

// AwaitLog waits until the log has a match for the expression.
func (c *Caddy) AwaitLog(expr string) error {
	re, err := regexp.Compile("(?m)" + expr)
	if err != nil {
		return err
	}
	return Await(func() error {
		if re.MatchString(c.Log()) {
			return nil
		}
		return fmt.Errorf("nothing in the log matches %q", expr)
	})
}

// Close stops the process if there is one, and gives the ports back.
func (c *Caddy) Close() error {
	defer c.ports.Close()
	if c.process == nil {
		return nil
	}
	return c.Stop()
}

func (c *Caddy) logFile() string { return filepath.Join(c.Dir, "caddy.log") }

// Await calls f until it returns nil, and fails with its last error when [Patience] is over.
func Await(f func() error) error {
	ctx, cancel := patient()
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", Patience, err)
		}
	}
}

// port returns the port of an address.
func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// tail returns the last lines of a log.
func tail(log string) string {
	const lines = 200
	all := strings.SplitAfter(log, "\n")
	if len(all) <= lines {
		return log
	}
	return "…\n" + strings.Join(all[len(all)-lines:], "")
}
