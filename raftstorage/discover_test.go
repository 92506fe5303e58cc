package raftstorage

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// book is a resolver with fixed answers.
type book struct {
	hosts map[string][]string
	srv   map[string][]*net.SRV
}

func (b book) LookupHost(_ context.Context, host string) ([]string, error) {
	if found, ok := b.hosts[host]; ok {
		return found, nil
	}
	return nil, errors.New("no such host")
}

func (b book) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if found, ok := b.srv[name]; ok {
		return name, found, nil
	}
	return "", nil, errors.New("no such service")
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	known := book{
		hosts: map[string][]string{"nodes": {"10.0.0.2", "10.0.0.1", "fd00::1"}, "none": {}},
		srv:   map[string][]*net.SRV{"_dgate._tcp.example.com": {{Target: "a.example.com.", Port: 7373}, {Target: "b.example.com.", Port: 7474}}},
	}
	tests := map[string]struct {
		entries, want []string
		problem       string
	}{
		"addresses as they are":   {entries: []string{"a:1", "[fd00::1]:2", "10.0.0.1:3"}, want: []string{"a:1", "[fd00::1]:2", "10.0.0.1:3"}},
		"the port can be left":    {entries: []string{"a", "dns://nodes"}, want: []string{"a:7373", "10.0.0.1:7373", "10.0.0.2:7373", "[fd00::1]:7373"}},
		"all addresses of a name": {entries: []string{"dns://nodes:9"}, want: []string{"10.0.0.1:9", "10.0.0.2:9", "[fd00::1]:9"}},
		"a service":               {entries: []string{"srv://_dgate._tcp.example.com"}, want: []string{"a.example.com:7373", "b.example.com:7474"}},
		"each address once":       {entries: []string{"a:1", "a:1", "10.0.0.1:9", "dns://nodes:9"}, want: []string{"a:1", "10.0.0.1:9", "10.0.0.2:9", "[fd00::1]:9"}},
		"one that fails":          {entries: []string{"dns://gone:1", "a:1"}, want: []string{"a:1"}, problem: "join dns://gone:1: no such host"},
		"one without addresses":   {entries: []string{"dns://none:1"}, problem: "join dns://none:1: there is no address behind it"},
		"a service that fails":    {entries: []string{"srv://_dgate._tcp.gone.com"}, problem: "join srv://_dgate._tcp.gone.com: no such service"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := resolveJoin(t.Context(), known, tt.entries)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
			if text := errorText(err); text != tt.problem {
				t.Errorf("error %q, want %q", text, tt.problem)
			}
		})
	}
}

func TestJoinEntries(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ entry, problem string }{
		"an unknown scheme":    {"http://a:1", "unknown scheme"},
		"no host":              {":7373", "no host"},
		"an odd port":          {"a:http", `port "http" is none`},
		"port 0":               {"a:0", `port "0" is none`},
		"empty":                {"", "no host"},
		"a path":               {"dns://a/b", "no host"},
		"a service unnamed":    {"srv://example.com", "does not name a service"},
		"a service and a port": {"srv://_dgate._tcp.example.com:1", "does not name a service"},
		"too many colons":      {"a:1:2", "is no address"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := CheckJoin(tt.entry)
			if err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.Contains(err.Error(), "join "+tt.entry) {
				t.Errorf("error %v, want one about %q", err, tt.problem)
			}
		})
	}
	for _, good := range []string{"a:1", "a", "[::1]", "dns://a", "srv://_dgate._tcp.a.b"} {
		if err := CheckJoin(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
