package caddymodule

import (
	"strings"
	"testing"
)

func TestEncryptionKeys(t *testing.T) {
	t.Setenv("DGATE_TEST_KEY", "correct horse battery staple")
	t.Setenv("DGATE_TEST_SHORT", "hunter2")
	t.Setenv("DGATE_TEST_EMPTY", "")
	tests := map[string]struct {
		keys []string
		want string // what the error has; "" is none
	}{
		"none":              {nil, ""},
		"two":               {[]string{"{env.DGATE_TEST_KEY}", "another passphrase"}, ""},
		"an empty variable": {[]string{"{env.DGATE_TEST_KEY}", "{env.DGATE_TEST_EMPTY}"}, "encryption_key: evaluated placeholder {env.DGATE_TEST_EMPTY} is empty"},
		"an unset variable": {[]string{"{env.DGATE_TEST_NOT_SET}"}, "{env.DGATE_TEST_NOT_SET}"},
		"too short":         {[]string{"{env.DGATE_TEST_SHORT}"}, "encryption_key must be 32 bytes as hex or base64, or a passphrase"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keks, err := parseKEKs(tt.keys)
			switch {
			case tt.want == "" && (err != nil || len(keks) != len(tt.keys)):
				t.Errorf("%d keys, error %v", len(keks), err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %s", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
}
