package change_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/resource/resourcetest"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// sealer is a [change.Sealer] that writes backwards, never the same way twice.
type sealer struct{ count atomic.Int64 }

func (s *sealer) Seal(_ context.Context, key resource.Key, field, plain string) (string, error) {
	return fmt.Sprintf("%d|%s|%s|%s", s.count.Add(1), key, field, backwards(plain)), nil
}

func (s *sealer) Open(key resource.Key, field, sealed string) (string, error) {
	parts := strings.SplitN(sealed, "|", 4)
	if len(parts) != 4 || parts[1] != key.String() || parts[2] != field {
		return "", errors.New("of another field")
	}
	return backwards(parts[3]), nil
}

func backwards(s string) string {
	b := []byte(s)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

func secret(value string, tags ...string) *resource.Secret {
	return &resource.Secret{Name: "s", Namespace: "default", Data: value, Tags: tags}
}

// TestSecrets: what becomes of a stored secret. Nothing that is proposed has its value in it.
func TestSecrets(t *testing.T) {
	remove := change.Change{Key: secret("").Key()}
	put := func(obj resource.Object) change.Change { return change.Change{Object: obj} }
	tests := map[string]struct {
		before  *resource.Secret
		changes []change.Change
		value   string // of the secret afterwards
		changed bool
		want    string // the error
	}{
		"a new one":                   {changes: []change.Change{put(secret("hunter2"))}, value: "hunter2", changed: true},
		"the same again":              {before: secret("hunter2"), changes: []change.Change{put(secret("hunter2"))}, value: "hunter2"},
		"another value":               {before: secret("hunter1"), changes: []change.Change{put(secret("hunter2"))}, value: "hunter2", changed: true},
		"the value as it is answered": {before: secret("hunter2"), changes: []change.Change{put(secret(resource.Redacted))}, value: "hunter2"},
		"other tags, the same value":  {before: secret("hunter2"), changes: []change.Change{put(secret(resource.Redacted, "x"))}, value: "hunter2", changed: true},
		"nothing to keep":             {changes: []change.Change{put(secret(resource.Redacted))}, want: "data is **redacted**, but there is no stored value to keep"},
		"one that goes before":        {before: secret("hunter2"), changes: []change.Change{remove, put(secret(resource.Redacted))}, want: "secret default/s: data is **redacted**, but there is no stored value to keep"},
		"one that comes before":       {changes: []change.Change{put(secret("hunter2")), put(secret(resource.Redacted, "x"))}, value: "hunter2", changed: true},
		"replaced, then kept":         {before: secret("hunter1"), changes: []change.Change{put(secret("hunter2")), put(secret(resource.Redacted))}, value: "hunter2"},
		"twice the same":              {changes: []change.Change{put(secret("hunter2")), put(secret("hunter2"))}, value: "hunter2"},
		"all mistakes at once":        {changes: []change.Change{put(secret(resource.Redacted, "a b")), put(&resource.Service{Name: "x", Namespace: "default"})}, want: "secret default/s: tags[0] may only have printable ASCII without spaces and commas; service default/x: urls are required; secret default/s: data is **redacted**, but there is no stored value to keep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			store := changetest.New(t)
			seal := &sealer{}
			w := change.Writer{Store: &spy{t, store}, Sealer: seal}
			if tt.before != nil {
				if _, err := w.Put(t.Context(), tt.before, state.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			sealed := seal.count.Load()
			plan, planErr := w.Plan(t.Context(), tt.changes...)
			if seal.count.Load() != sealed {
				t.Error("something was encrypted for a plan")
			}
			results, err := w.Apply(t.Context(), tt.changes...)
			if tt.want != "" {
				if planErr == nil || planErr.Error() != tt.want {
					t.Errorf("error of the plan %v, want %s", planErr, tt.want)
				}
				if err == nil || err.Error() != tt.want || resource.CodeOf(err) != resource.ValidationFailed {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				if seal.count.Load() != sealed {
					t.Error("something was encrypted for a change that was refused")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// A plan is for changes of different resources.
			if planErr != nil || len(tt.changes) == 1 && plan.Each[0].Changed != tt.changed {
				t.Errorf("plan %+v, %v", plan, planErr)
			}
			last := results.Each[len(results.Each)-1]
			if last.Changed != tt.changed {
				t.Errorf("changed: %t", last.Changed)
			}
			stored := last.Object.(*resource.Secret).Data
			if got, err := seal.Open(secret("").Key(), "data", stored); err != nil || got != tt.value {
				t.Errorf("stored %q, which is %q, %v", stored, got, err)
			}
			for _, c := range tt.changes {
				if s, ok := c.Object.(*resource.Secret); ok && strings.Contains(s.Data, "|") {
					t.Error("the caller's object was changed")
				}
			}
			answer, err := resource.Marshal(last.Object)
			if err != nil || !bytes.Contains(answer, []byte(`"data":"**redacted**"`)) {
				t.Errorf("answered %s, %v", answer, err)
			}
		})
	}
}

// unreadable is a sealer whose keys are not there.
type unreadable struct{ sealer }

var errUnreadable = resource.Errorf(resource.Conflict, "secret default/s cannot be read: the key file is missing")

func (u *unreadable) Seal(context.Context, resource.Key, string, string) (string, error) {
	u.count.Add(1)
	return "", errUnreadable
}

// Only what was outdated is tried again: keys do not come back meanwhile.
func TestUnreadableSecrets(t *testing.T) {
	u := &unreadable{}
	w := change.Writer{Store: changetest.New(t), Sealer: u}
	if _, err := w.Put(t.Context(), secret("hunter2"), state.Condition{}); !errors.Is(err, errUnreadable) {
		t.Errorf("error %v, want %v", err, errUnreadable)
	}
	if n := u.count.Load(); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}

// spy is a store that looks for the value in what is proposed.
type spy struct {
	t *testing.T
	change.Store
}

func (s *spy) Propose(ctx context.Context, ops ...state.Op) (state.Outcome, error) {
	for _, op := range ops {
		if bytes.Contains(op.Data, []byte("hunter")) {
			s.t.Errorf("proposed: %s", op.Data)
		}
	}
	return s.Store.Propose(ctx, ops...)
}

// TestSecretChangesMeanwhile: what is kept is what is there when the change is applied.
func TestSecretChangesMeanwhile(t *testing.T) {
	store, seal := changetest.New(t), &sealer{}
	direct := change.Writer{Store: store, Sealer: seal}
	if _, err := direct.Put(t.Context(), secret("hunter1"), state.Condition{}); err != nil {
		t.Fatal(err)
	}
	w := change.Writer{Sealer: seal, Store: &meanwhile{store, func() {
		if _, err := direct.Put(t.Context(), secret("hunter2"), state.Condition{}); err != nil {
			t.Error(err)
		}
	}}}
	result, err := w.Put(t.Context(), secret(resource.Redacted, "x"), state.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	s := result.Object.(*resource.Secret)
	if got, err := seal.Open(s.Key(), "data", s.Data); got != "hunter2" || s.Tags[0] != "x" {
		t.Errorf("%+v is %q, %v", s, got, err)
	}
}

func TestNoSealer(t *testing.T) {
	w := change.Writer{Store: changetest.New(t)}
	_, err := w.Put(t.Context(), secret("hunter2"), state.Condition{})
	if resource.CodeOf(err) != resource.Internal || err.Error() != "secrets cannot be stored here: there is nothing to encrypt them with" {
		t.Errorf("error: %v", err)
	}
}

// TestDomainKeys: a key that is kept must belong to the certificate, also if that is another one.
func TestDomainKeys(t *testing.T) {
	cert, key := resourcetest.Certificate(t, "a.com")
	renewed := resourcetest.Renew(t, key, "a.com")
	other, otherKey := resourcetest.Certificate(t, "a.com")
	const foreign = "key is **redacted**, but the stored key does not belong to the certificate in cert"
	put := func(cert, key string) change.Change {
		return change.Change{Object: &resource.Domain{Name: "d", Namespace: "default", Patterns: []string{"a.com"}, Cert: cert, PrivateKey: key}}
	}
	tests := map[string]struct {
		changes []change.Change
		key     string // afterwards
		want    string // the error
	}{
		"kept":                   {changes: []change.Change{put(cert, resource.Redacted)}, key: key},
		"kept for a renewed one": {changes: []change.Change{put(renewed, resource.Redacted)}, key: key},
		"kept for another one":   {changes: []change.Change{put(other, resource.Redacted)}, want: foreign},
		"both replaced":          {changes: []change.Change{put(other, otherKey)}, key: otherKey},
		"replaced, then kept":    {changes: []change.Change{put(other, otherKey), put(other, resource.Redacted)}, key: otherKey},
		"replaced, then wrong":   {changes: []change.Change{put(other, otherKey), put(cert, resource.Redacted)}, want: "domain default/d: " + foreign},
		"both removed":           {changes: []change.Change{put("", "")}},
		"removed, then kept":     {changes: []change.Change{put("", ""), put(cert, resource.Redacted)}, want: "domain default/d: key is **redacted**, but there is no stored value to keep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			seal := &sealer{}
			w := change.Writer{Store: &spy{t, changetest.New(t)}, Sealer: seal}
			if _, err := w.Apply(t.Context(), put(cert, key)); err != nil {
				t.Fatal(err)
			}
			results, err := w.Apply(t.Context(), tt.changes...)
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			d := results.Each[len(results.Each)-1].Object.(*resource.Domain)
			if d.PrivateKey == "" && tt.key == "" {
				return
			}
			got, err := seal.Open(d.Key(), "key", d.PrivateKey)
			if err != nil || got != tt.key {
				t.Errorf("another key is stored (%v)", err)
			}
		})
	}
}
