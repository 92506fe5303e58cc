package certstore

import (
	"path"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

func fileKey(name string) resource.Key { return resource.Key{Kind: state.File, Name: name} }

// clean is a key as it is stored: without empty parts, and never above the root.
func clean(key string) (string, error) {
	name, err := cleanDir(key)
	if err == nil && name == "" {
		err = resource.Errorf(resource.BadRequest, "%q is not the key of a value", key)
	}
	return name, err
}

// cleanDir is clean for what may be the root, which is "".
func cleanDir(key string) (string, error) {
	name := path.Clean("/" + key)[1:]
	if len(name) > MaxKey {
		return "", resource.Errorf(resource.BadRequest, "the key of a value must have at most %d bytes, not %d", MaxKey, len(name))
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", resource.Errorf(resource.BadRequest, "the key %q of a value must have no zero byte", name)
	}
	return name, nil
}

// parents are the directories that a value is in.
func parents(name string) (dirs []string) {
	for i, c := range name {
		if c == '/' {
			dirs = append(dirs, name[:i])
		}
	}
	return dirs
}

// prefix is how the names of everything below a directory begin.
func prefix(dir string) string {
	if dir == "" {
		return ""
	}
	return dir + "/"
}

// compare sorts as walking through directories does: what is below a directory comes right after it.
func compare(a, b string) int {
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

// isProbe tells the values that certmagic only stores to see whether it can.
func isProbe(name string) bool { return strings.HasPrefix(name, "rw_test_") }

// isChallenge tells what another node may ask for the moment that it is stored.
func isChallenge(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) > 3 && parts[0] == "acme" && parts[2] == "challenge_tokens"
}

// isPublic tells what needs no encryption. What is not known is not public.
func isPublic(name string) bool {
	top, _, nested := strings.Cut(name, "/")
	switch top {
	case "certificates", "acme", "pki":
		return strings.HasSuffix(name, ".crt") || strings.HasSuffix(name, ".json")
	case "ocsp":
		return nested
	case "last_clean.json":
		return true
	}
	return false
}
