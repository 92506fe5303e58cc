package harness_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestPortIsFreeForServers(t *testing.T) {
	t.Parallel()
	var ports harness.Ports
	t.Cleanup(ports.Close)
	addr, err := ports.Addr()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a server may come and go
		var l net.Listener
		// A process that is being started in parallel has the last listener for another moment.
		if err := harness.Await(func() (err error) {
			l, err = net.Listen("tcp", addr)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := net.Listen("tcp", addr); err == nil {
			t.Error("two servers share the port")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStartSaysWhyNot(t *testing.T) {
	t.Parallel()
	c := harness.New(t, "nonsense {\n\tnonsense\n}\n")
	err := c.Start()
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
	if c.Running() {
		t.Error("it runs")
	}
}

func TestStopNoticesAnEarlierEnd(t *testing.T) {
	t.Parallel()
	c := harness.Start(t, "{\n\tadmin {$ADMIN_ADDR}\n}\n")
	behindItsBack, err := os.FindProcess(c.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := behindItsBack.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := harness.Await(func() error {
		if _, err := harness.Get(c.Admin + "/config/"); err == nil {
			return errStillThere
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err == nil {
		t.Error("not noticed")
	}
}

var errStillThere = errors.New("still there")

func TestEventsWaitForAcks(t *testing.T) {
	t.Parallel()
	u := harness.NewUpstream(t, "u", harness.HTTP)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL+"/?events=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := harness.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 4096)
	n, err := resp.Body.Read(buf)
	if err != nil || strings.Count(string(buf[:n]), "data:") != 1 {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	cancel() // without an ack there is no second event, so the upstream notices
	if err := harness.Await(func() error {
		if u.Gone() == 0 {
			return errStillThere
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
