package harness

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

func (w *world) fetch(ts *testscript.TestScript, args []string) error {
	header := http.Header{}
	fs := flags()
	fs.Func("H", "", func(field string) error {
		name, value, ok := strings.Cut(field, ":")
		if !ok {
			return fmt.Errorf("not a header field: %q", field)
		}
		header.Add(name, strings.TrimSpace(value))
		return nil
	})
	body := fs.String("d", "", "")
	want := fs.Int("s", 0, "")
	bare := fs.Bool("b", false, "")
	until := fs.Bool("until", false, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	method, path := "", fs.Arg(0)
	if fs.NArg() == 2 {
		method, path = fs.Arg(0), fs.Arg(1)
	} else if fs.NArg() != 1 {
		return usage("fetch [flags] [METHOD] PATH")
	}
	if file, ok := strings.CutPrefix(*body, "@"); ok {
		*body = ts.ReadFile(file)
	}
	if method == "" && *body != "" {
		method = http.MethodPost
	}

	var answer *Answer
	try := func() error {
		ctx, cancel := patient()
		defer cancel()
		var err error
		answer, err = Do(ctx, Request{method, siteURL(ts, path), header, text(*body)})
		if err == nil && *want != 0 && answer.Status != *want {
			err = fmt.Errorf("status is not %d:\n%s", *want, answer)
		}
		return err
	}
	once := func(f func() error) error { return f() }
	if *until {
		once = Await
	}
	if err := once(try); err != nil {
		return err
	}
	if *bare {
		_, _ = fmt.Fprint(ts.Stdout(), answer.Body)
	} else {
		_, _ = fmt.Fprint(ts.Stdout(), answer)
	}
	return nil
}

func (w *world) events(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return usage("events PATH")
	}
	ctx, cancel := patient()
	defer cancel()
	resp, err := open(ctx, Request{URL: siteURL(ts, args[0]), Header: http.Header{"Accept": {"text/event-stream"}}})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = fmt.Fprintln(ts.Stdout(), resp.Proto, resp.Status)
	n, err := Events(Client, resp.Body, func(data string) {
		_, _ = fmt.Fprintln(ts.Stdout(), data)
	})
	if err == nil && n == 0 {
		err = errors.New("no events")
	}
	return err
}

func (w *world) websocket(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return usage("websocket PATH MESSAGE...")
	}
	replies, err := Talk(siteURL(ts, args[0]), args[1:]...)
	for _, reply := range replies {
		_, _ = fmt.Fprintln(ts.Stdout(), reply)
	}
	return err
}

func (w *world) upload(ts *testscript.TestScript, args []string) error {
	fs := flags()
	limit := fs.Int64("memory", 0, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var mib int64
	if _, err := fmt.Sscan(fs.Arg(0), &mib); err != nil || fs.NArg() != 2 {
		return usage("upload [-memory MIB] MIB PATH")
	}
	pid := w.caddies[""].PID()
	before, _, err := memory(pid)
	if err != nil {
		*limit = 0 // nobody can tell
	}
	ctx, cancel := patient()
	defer cancel()
	answer, err := Do(ctx, Request{Method: http.MethodPost, URL: siteURL(ts, fs.Arg(1)), Body: Zeros(mib << 20)})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprint(ts.Stdout(), answer)
	if *limit > 0 {
		_, peak, err := memory(pid)
		ts.Logf("upload: %d MiB before, at most %d MiB", before>>20, peak>>20)
		if err == nil && peak-before > *limit<<20 {
			return fmt.Errorf("Caddy grew from %d MiB to %d MiB", before>>20, peak>>20)
		}
	}
	return nil
}

// siteURL is what a PATH of a script means.
func siteURL(ts *testscript.TestScript, path string) string {
	if strings.Contains(path, "://") {
		return path
	}
	return ts.Getenv("SITE") + path
}
