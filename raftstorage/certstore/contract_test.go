package certstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// answers is what a storage says about keys, in words that are the same for all storages.
func answers(t testing.TB, s certmagic.Storage, keys []string) (lines []string) {
	t.Helper()
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, key := range keys {
		info, err := s.Stat(t.Context(), key)
		say("exists %q: %t", key, s.Exists(t.Context(), key) && asked(err) == "ok")
		if key != "" {
			value, err := s.Load(t.Context(), key)
			say("load %q: %q %s", key, value, asked(err))
		}
		for _, recursive := range []bool{false, true} {
			list, err := s.List(t.Context(), key, recursive)
			say("list %q %t: %q %s", key, recursive, list, asked(err))
		}
		if !info.IsTerminal {
			info.Size = 0 // of a directory it means nothing
		}
		say("stat %q: %t %d %t %s", key, info.IsTerminal, info.Size, key != "" && info.Modified.IsZero(), asked(err))
		if err == nil && info.Key != key {
			t.Errorf("stat %q has the key %q", key, info.Key)
		}
	}
	return lines
}

// asked is word for questions. Files know two more ways of not being there: as what is below a value,
// and as the value of a directory.
func asked(err error) string {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		return word(fs.ErrNotExist)
	}
	return word(err)
}

func word(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	}
	return "fails"
}

// prune removes the empty directories that files leave behind; ours are there with their values only.
func prune(t testing.TB, root string) {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && path != root {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range slices.Backward(dirs) {
		_ = os.Remove(dir) // fails if it is not empty
	}
}

// TestContract runs the same steps on Caddy's file storage and on ours.
func TestContract(t *testing.T) {
	t.Parallel()
	const le = "acme-v02.api.letsencrypt.org-directory"
	site := "certificates/" + le + "/example.com/"
	asked := []string{
		"", "a", "b", "a/b", "a/b/c", "a-b", "ab", "none", "none/below", "a/b/c/d", "certificates", "certificates/" + le,
		site[:len(site)-1], site + "example.com.crt", site + "example.com.key", "ocsp", "acme/x/challenge_tokens/example.com.json", "ünï code/ö",
	}
	tests := []struct {
		name  string
		steps func(t *testing.T, s certmagic.Storage, do func(what string, err error))
	}{
		{"nothing", func(*testing.T, certmagic.Storage, func(string, error)) {}},
		{"values and directories", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			for _, key := range []string{"a/b/c", "a-b", "ab", "a/d", "b", "a.b/c", "a/b.c", "A"} {
				do("store "+key, s.Store(t.Context(), key, []byte("value of "+key)))
			}
		}},
		{"odd values", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			do("empty", s.Store(t.Context(), "a", nil))
			do("binary", s.Store(t.Context(), "b", []byte("\x00\xff\r\n")))
			do("large", s.Store(t.Context(), "ab", []byte(strings.Repeat("x", MaxValue))))
			do("unicode", s.Store(t.Context(), "ünï code/ö", []byte("ö")))
		}},
		{"a value is replaced", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			for _, v := range []string{"one", "two", "two", ""} {
				do("store", s.Store(t.Context(), "a/b", []byte(v)))
			}
		}},
		{"a value in the way of a directory", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			do("value", s.Store(t.Context(), "a/b", []byte("1")))
			do("below it", s.Store(t.Context(), "a/b/c", []byte("2")))
			do("deep below it", s.Store(t.Context(), "a/b/c/d", []byte("2")))
			do("on its directory", s.Store(t.Context(), "a", []byte("3")))
		}},
		{"deleted", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			for _, key := range []string{"a/b/c", "a/b/d", "a-b", "ab", "b"} {
				do("store", s.Store(t.Context(), key, []byte("x")))
			}
			do("what is not there", s.Delete(t.Context(), "none"))
			do("below what is not there", s.Delete(t.Context(), "none/below"))
			do("a value", s.Delete(t.Context(), "ab"))
			do("again", s.Delete(t.Context(), "ab"))
			do("a directory", s.Delete(t.Context(), "a"))
		}},
		{"the last one of a directory", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			do("store", s.Store(t.Context(), "a/b/c", []byte("x")))
			do("store", s.Store(t.Context(), "b", []byte("x")))
			do("delete", s.Delete(t.Context(), "a/b/c"))
		}},
		{"keys that are not clean", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			do("store", s.Store(t.Context(), "a//b/./c", []byte("x")))
			do("store", s.Store(t.Context(), "/b", []byte("y")))
		}},
		{"a certificate", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			do("key", s.Store(t.Context(), site+"example.com.key", []byte("key")))
			do("crt", s.Store(t.Context(), site+"example.com.crt", []byte("crt")))
			do("json", s.Store(t.Context(), site+"example.com.json", []byte("{}")))
			do("ocsp", s.Store(t.Context(), "ocsp/example.com-1234", []byte("staple")))
			do("token", s.Store(t.Context(), "acme/x/challenge_tokens/example.com.json", []byte("{}")))
		}},
		{"locks", func(t *testing.T, s certmagic.Storage, do func(string, error)) {
			do("lock", s.Lock(t.Context(), "issue_cert_*.example.com"))
			free, err := s.(certmagic.TryLocker).TryLock(t.Context(), "issue_cert_*.example.com")
			do(fmt.Sprintf("try %t", free), err)
			do("unlock", s.Unlock(t.Context(), "issue_cert_*.example.com"))
			free, err = s.(certmagic.TryLocker).TryLock(t.Context(), "issue_cert_*.example.com")
			do(fmt.Sprintf("try %t", free), err)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			do("lock what is locked", s.Lock(ctx, "issue_cert_*.example.com"))
			do("unlock", s.Unlock(t.Context(), "issue_cert_*.example.com"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			ours, _ := open(t)
			var said [2][]string
			for i, s := range []certmagic.Storage{&certmagic.FileStorage{Path: root}, ours} {
				tt.steps(t, s, func(what string, err error) { said[i] = append(said[i], what+": "+word(err)) })
				if i == 0 {
					_ = os.RemoveAll(filepath.Join(root, "locks"))
					prune(t, root)
				}
				said[i] = append(said[i], answers(t, s, asked)...)
			}
			for i := range said[0] {
				if said[0][i] != said[1][i] {
					t.Errorf("files say %s\n our storage %s", said[0][i], said[1][i])
				}
			}
		})
	}
}

// TestRandomSteps does the same random things to both storages.
func TestRandomSteps(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano()))) //nolint:gosec // a test
	root := t.TempDir()
	files := &certmagic.FileStorage{Path: root}
	ours, _ := open(t)
	parts := []string{"a", "b", "a-b", "a.b", "ab"}
	key := func() string {
		k := parts[random.IntN(len(parts))]
		for range random.IntN(3) {
			k += "/" + parts[random.IntN(len(parts))]
		}
		return k
	}
	var history []string
	for i := range 400 {
		k := key()
		var errs [2]error
		if step := random.IntN(3); step < 2 {
			history = append(history, "store "+k)
			value := []byte(fmt.Sprint(i))
			errs[0], errs[1] = files.Store(t.Context(), k, value), ours.Store(t.Context(), k, value)
		} else {
			history = append(history, "delete "+k)
			errs[0], errs[1] = files.Delete(t.Context(), k), ours.Delete(t.Context(), k)
		}
		prune(t, root)
		// RemoveAll below a value fails on files, and there is nothing to delete.
		if word(errs[0]) != word(errs[1]) && !strings.HasPrefix(history[len(history)-1], "delete") {
			t.Fatalf("%v\nfiles: %v\nours: %v", history, errs[0], errs[1])
		}
		asked := []string{"", k, key(), key(), filepath.Dir(k)}
		if asked[4] == "." {
			asked[4] = ""
		}
		a, b := answers(t, files, asked), answers(t, ours, asked)
		if !slices.Equal(a, b) {
			t.Fatalf("%v\nfiles: %q\nours: %q", history, a, b)
		}
	}
}
