package caddymodule

import (
	"strings"
	"testing"
)

func TestAllowedDomains(t *testing.T) {
	t.Setenv("DGATE_TEST_DOMAIN", "*.example.com")
	t.Setenv("DGATE_TEST_EMPTY", "")
	tests := map[string]struct {
		texts []string
		want  []string // what the error has; none if there is none
	}{
		"all hosts":             {},
		"patterns of each kind": {texts: []string{"a.com", "*.A.com", "api.*", "*mid*", "*", `/^a[0-9]{2}\.com$/`}},
		"from the environment":  {texts: []string{"{env.DGATE_TEST_DOMAIN}"}},
		"an empty variable":     {[]string{"a.com", "{env.DGATE_TEST_EMPTY}"}, []string{"allowed_domains: ", "placeholder {env.DGATE_TEST_EMPTY} is empty"}},
		"two mistakes":          {[]string{"a.com/x", "a.com", "/(/"}, []string{`allowed_domains: "a.com/x" must be a host name`, `allowed_domains: "/(/" must be a regular expression between slashes: missing closing )`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			patterns, err := parseHosts(tt.texts)
			if tt.want == nil {
				if err != nil || len(patterns) != len(tt.texts) {
					t.Errorf("%d patterns, error %v", len(patterns), err)
				}
				return
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
			}
		})
	}
}
