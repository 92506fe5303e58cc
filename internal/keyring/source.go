package keyring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// FileName is the usual name of a generated key file, in the data directory.
const FileName = "encryption.key"

// Source says where KEKs come from.
type Source struct {
	// Keys returns those of the configuration: the first encrypts, all of them decrypt. It may
	// change while the program runs. Nil: there are none.
	Keys func() []*KEK
	// File is a key file. It decrypts if it exists; without other keys it encrypts too, and is
	// made when it is first needed. Empty: there is none.
	File string
}

// keys lists the KEKs, the one that encrypts first. With generate there is at least one.
func (s Source) keys(generate bool) ([]*KEK, error) {
	var keks []*KEK
	if s.Keys != nil {
		keks = s.Keys()
	}
	if s.File == "" {
		if len(keks) == 0 && generate {
			return nil, errors.New("there is no encryption key")
		}
		return keks, nil
	}
	key, err := readKey(s.File)
	if errors.Is(err, fs.ErrNotExist) {
		if len(keks) > 0 || !generate {
			return keks, nil
		}
		key = randomBytes(keySize)
		err = writeKey(s.File, key)
	}
	if err != nil {
		return nil, fmt.Errorf("encryption key file: %w", err)
	}
	return append(slices.Clip(keks), &KEK{key: key}), nil
}

func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator says where the data is
	if err != nil {
		return nil, err
	}
	key := parseKey(strings.TrimSpace(string(text)))
	if key == nil {
		return nil, fmt.Errorf("%s does not hold 32 bytes as hex or base64; restore it from a backup", path)
	}
	return key, nil
}

// writeKey writes a key file that is there as a whole or not at all, also after the machine went
// down. The directory belongs to one process, and the caller makes sure that it calls once.
func writeKey(path string, key []byte) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil || runtime.GOOS == "windows" {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
