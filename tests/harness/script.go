package harness

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Params are the parameters for the scripts in dir. Beside the commands of testscript they have
//
//	caddy, dgate-cli                     as programs, after exec
//	upstream NAME [http|tls|dead]        start an [Upstream]; $NAME is its URL
//	caddy-node NAME...                   reserve places for more Caddys than the one without a name
//	caddy-start [-as NAME] [FILE]        start Caddy, by default with [DefaultCaddyfile]
//	caddy-env [-as NAME] KEY=VALUE...    what it sees in its environment from the next start on
//	caddy-stop [-as NAME]                ask it to end; it must do so with exit code 0
//	caddy-kill [-as NAME]                kill -9
//	caddy-reload [-as NAME] [FILE]       caddy reload; with ! it must be refused; output to stderr
//	caddy-log [-as NAME] REGEXP          wait until the log has it
//	fetch [-H 'NAME: VALUE']... [-d BODY|@FILE] [-s STATUS] [-b] [-until] [METHOD] PATH
//	                                     send a request; the answer goes to stdout, with -b only its
//	                                     body; with -until it is sent again until the status fits
//	events PATH                          read server-sent events, each before the next is sent
//	websocket PATH MESSAGE...            send messages, replies to stdout
//	upload [-memory MIB] MIB PATH        send zeros; Caddy may grow by so much
//
// A PATH belongs to $SITE, unless it is a whole URL. The variables of the Caddy without a name are
// those of [Caddy.Env], with ADMIN and SITE as in [Caddy]. Those of the others end in _NAME, but a
// Caddyfile that a Caddy runs sees its own without a suffix, and those of the script.
func Params(dir string, update bool) testscript.Params {
	cmds := map[string]func(*testscript.TestScript, bool, []string){}
	for name, run := range scriptCommands {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			w := ts.Value(worldKey{}).(*world)
			if err := run(w, ts, args); (err != nil) != neg {
				if neg {
					ts.Fatalf("%s succeeded unexpectedly", name)
				}
				ts.Fatalf("%s: %v", name, err)
			} else if err != nil {
				_, _ = fmt.Fprintln(ts.Stderr(), err)
			}
		}
	}
	return testscript.Params{
		Dir: dir, Cmds: cmds, UpdateScripts: update,
		RequireExplicitExec: true, RequireUniqueNames: true, Setup: setup,
	}
}

var scriptCommands = map[string]func(w *world, ts *testscript.TestScript, args []string) error{
	"upstream":     (*world).upstream,
	"caddy-node":   (*world).caddyNode,
	"caddy-start":  (*world).caddyStart,
	"caddy-env":    (*world).caddyEnv,
	"caddy-stop":   (*world).caddyStop,
	"caddy-kill":   (*world).caddyKill,
	"caddy-reload": (*world).caddyReload,
	"caddy-log":    (*world).caddyLog,
	"fetch":        (*world).fetch,
	"events":       (*world).events,
	"websocket":    (*world).websocket,
	"upload":       (*world).upload,
}

// world is what a script has started.
type world struct {
	dir     string
	caddies map[string]*Caddy
}

type worldKey struct{}

func setup(env *testscript.Env) error {
	w := &world{dir: env.WorkDir, caddies: map[string]*Caddy{}}
	env.Values[worldKey{}] = w
	env.Defer(func() {
		for _, name := range slices.Sorted(maps.Keys(w.caddies)) {
			c := w.caddies[name]
			err := c.Close()
			failed, ok := env.T().(interface{ Failed() bool })
			if err != nil || ok && failed.Failed() {
				env.T().Log(fmt.Sprintf("log of Caddy %s:\n%s", name, tail(c.Log())))
			}
			if err != nil {
				env.T().Fatal(fmt.Sprintf("end of Caddy %s: %v", name, err))
			}
		}
	})
	return w.add("", env.Setenv)
}

// add makes a place for a Caddy.
func (w *world) add(name string, setenv func(k, v string)) error {
	dir := filepath.Join(w.dir, ".caddy", name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	c, err := NewIn(dir)
	if err != nil {
		return err
	}
	w.caddies[name] = c
	suffix := ""
	if name != "" {
		suffix = "_" + name
	}
	for key, value := range c.Env() {
		setenv(key+suffix, value)
	}
	setenv("ADMIN"+suffix, c.Admin)
	setenv("SITE"+suffix, c.Site)
	return nil
}

// caddy parses -as and returns the Caddy it names, and the other arguments.
func (w *world) caddy(ts *testscript.TestScript, args []string) (*Caddy, []string, error) {
	fs := flags()
	name := fs.String("as", "", "")
	if err := fs.Parse(args); err != nil {
		return nil, nil, err
	}
	if w.caddies[*name] == nil {
		if err := w.add(*name, ts.Setenv); err != nil {
			return nil, nil, err
		}
	}
	return w.caddies[*name], fs.Args(), nil
}

// configured is caddy for commands with a FILE.
func (w *world) configured(ts *testscript.TestScript, args []string) (*Caddy, error) {
	c, args, err := w.caddy(ts, args)
	if err != nil {
		return nil, err
	}
	switch len(args) {
	case 0:
	case 1:
		c.Caddyfile = ts.MkAbs(args[0])
	default:
		return nil, fmt.Errorf("too many arguments: %q", args)
	}
	return c, nil
}

func (w *world) upstream(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 || len(args) > 2 {
		return usage("upstream NAME [KIND]")
	}
	kind := HTTP
	if len(args) == 2 {
		kind = args[1]
	}
	u, err := StartUpstream(args[0], kind)
	if err != nil {
		return err
	}
	ts.Defer(u.Close)
	ts.Setenv(args[0], u.URL)
	// A Caddyfile may name the upstream too.
	for _, c := range w.caddies {
		c.Setenv(args[0], u.URL)
	}
	return nil
}

func (w *world) caddyNode(ts *testscript.TestScript, args []string) error {
	for _, name := range args {
		if err := w.add(name, ts.Setenv); err != nil {
			return err
		}
	}
	// Each one knows of the others.
	for _, c := range w.caddies {
		for _, name := range args {
			for key, value := range w.caddies[name].Env() {
				if !strings.Contains(key, "_"+name) {
					c.Setenv(key+"_"+name, value)
				}
			}
		}
	}
	return nil
}

func (w *world) caddyStart(ts *testscript.TestScript, args []string) error {
	c, err := w.configured(ts, args)
	if err != nil {
		return err
	}
	return c.Start()
}

func (w *world) caddyEnv(ts *testscript.TestScript, args []string) error {
	c, pairs, err := w.caddy(ts, args)
	if err != nil {
		return err
	}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return usage("caddy-env [-as NAME] KEY=VALUE...")
		}
		c.Setenv(key, value)
		ts.Setenv(key, value)
	}
	return nil
}

func (w *world) caddyStop(ts *testscript.TestScript, args []string) error {
	c, _, err := w.caddy(ts, args)
	if err != nil {
		return err
	}
	return c.Stop()
}

func (w *world) caddyKill(ts *testscript.TestScript, args []string) error {
	c, _, err := w.caddy(ts, args)
	if err != nil {
		return err
	}
	return c.Kill()
}

func (w *world) caddyReload(ts *testscript.TestScript, args []string) error {
	c, err := w.configured(ts, args)
	if err != nil {
		return err
	}
	return c.Reload()
}

func (w *world) caddyLog(ts *testscript.TestScript, args []string) error {
	c, args, err := w.caddy(ts, args)
	if err != nil {
		return err
	}
	return c.AwaitLog(strings.Join(args, " "))
}

func flags() *flag.FlagSet {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs
}

// usage is the error of a command that was called in another way.
func usage(how string) error { return errors.New("usage: " + how) }
