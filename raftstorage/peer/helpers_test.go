package peer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secretOf is a secret that is the same for the same letter.
func secretOf(t testing.TB, letter string) *Secret {
	t.Helper()
	secret, err := ParseSecret(strings.Repeat("0"+letter, 32))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// member is a node's side of a port, with the log of what it complained about.
type member struct {
	*Port
	cred *Credentials
	logs *observer.ObservedLogs
}

// credentials makes those of a server of the cluster "prod".
func credentials(t testing.TB, id string, secrets ...*Secret) *Credentials {
	t.Helper()
	cred := NewCredentials("prod", id)
	if len(secrets) > 0 {
		if err := cred.UseSecrets(secrets[0], secrets[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	return cred
}

// listen opens a port that is closed when the test ends.
func listen(t testing.TB, cred *Credentials, o Options) *member {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	o.Logger = func() *zap.Logger { return zap.New(core) }
	p, err := Listen("127.0.0.1:0", cred, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return &member{p, cred, logs}
}

// whoami answers with the identity of the caller.
func whoami(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%+v %s", From(r.Context()), r.Proto)
}

// call sends a request from one port to another.
func call(t testing.TB, from, to *member, body string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return post(ctx, from.Client(), to.Addr().String(), body)
}

func post(ctx context.Context, client *http.Client, address, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/v1/test", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return string(b), err
}

// eventually waits until what is asked for is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// complained waits for a log message with a text in its error.
func (m *member) complained(t testing.TB, text string) {
	t.Helper()
	eventually(t, "log: "+text, func() bool {
		for _, entry := range m.logs.All() {
			if strings.Contains(fmt.Sprint(entry.ContextMap()), text) {
				return true
			}
		}
		return false
	})
}
