package peer

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

const (
	// secretSize is how long a secret that is not a passphrase must be, in bytes.
	secretSize = 32
	// minPassphrase is how long a passphrase must be, in bytes.
	minPassphrase = 16
	redacted      = "**redacted**"
)

// The cost of trying one passphrase, as RFC 9106 recommends it where memory is scarce. It is part
// of the derivation: with another cost, nodes no longer understand each other.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
)

// Secret is what the members of a cluster share. It prints as "**redacted**".
type Secret struct {
	text string // as it was given
	key  []byte // nil for a passphrase

	mu    sync.Mutex
	roots map[string][]byte // by cluster, of a passphrase
}

// NewSecret makes a secret of 32 random bytes.
func NewSecret() *Secret {
	key := make([]byte, secretSize)
	for {
		rand.Read(key) //nolint:errcheck // never fails, by contract
		// One in a thousand has no digit, say, and would be read as a passphrase.
		if s, err := ParseSecret(base64.RawURLEncoding.EncodeToString(key)); err == nil && bytes.Equal(s.key, key) {
			return s
		}
	}
}

// ParseSecret reads a secret: at least 32 bytes as hexadecimal or base64, or else a passphrase of
// at least 16 characters, which is stretched with argon2id. Space around it does not count. What
// looks like a key that lost a few characters is refused, because it would do as a passphrase. The
// error does not repeat the text. Whoever reaches the port of a node can try passphrases offline, so
// random bytes are better.
func ParseSecret(text string) (*Secret, error) {
	text = strings.TrimSpace(text)
	digits := strings.TrimRight(text, "=")
	if isHex(digits) {
		key, err := hex.DecodeString(digits)
		if err == nil && len(key) >= secretSize {
			return &Secret{text: text, key: key}, nil
		}
		if len(digits) >= 48 {
			return nil, fmt.Errorf("looks like hexadecimal, which must have at least %d digits, and an even number of them; it has %d", 2*secretSize, len(digits))
		}
	}
	if isBase64(digits) {
		key, err := decodeBase64(digits)
		if err == nil && len(key) >= secretSize {
			return &Secret{text: text, key: key}, nil
		}
		if len(digits) >= 36 {
			return nil, fmt.Errorf("looks like base64, which must stand for at least %d bytes (43 characters), but a part of it is missing; it has %d characters. Write a passphrase with spaces", secretSize, len(digits))
		}
	}
	if len(text) < minPassphrase {
		return nil, fmt.Errorf("must be at least %d bytes as hex or base64, or a passphrase of at least %d characters; `openssl rand -base64 32` makes a good one", secretSize, minPassphrase)
	}
	return &Secret{text: text}, nil
}

const (
	decimals = "0123456789"
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	uppers   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func isHex(text string) bool {
	return text != "" && strings.Trim(text, decimals+"abcdefABCDEF") == ""
}

// isBase64 tells whether text can have been made by an encoder from random bytes. Words written
// without a space are no such text: they lack digits or capitals, and are stretched.
func isBase64(text string) bool {
	return strings.Trim(text, decimals+lowers+uppers+"+/-_") == "" &&
		strings.ContainsAny(text, decimals) && strings.ContainsAny(text, lowers) && strings.ContainsAny(text, uppers)
}

func decodeBase64(text string) ([]byte, error) {
	if key, err := base64.RawURLEncoding.DecodeString(text); err == nil {
		return key, nil
	}
	return base64.RawStdEncoding.DecodeString(text)
}

// Text is the secret as [ParseSecret] reads it, for a file or a token. It is not redacted.
func (s *Secret) Text() string { return s.text }

// Derive gives the key for one purpose in one cluster, by HKDF-SHA256. The label says which, such
// as "dgate/kek/v1". For a passphrase, the first call for a cluster takes about a tenth of a
// second and 64 MiB.
func (s *Secret) Derive(cluster, label string) [32]byte {
	key, err := hkdf.Key(sha256.New, s.root(cluster), []byte(cluster), label, 32)
	if err != nil { // only for more than 8,160 bytes, or in a FIPS mode for a short root
		key = nil
	}
	return [32]byte(key) // rather stops the program than to go on with a known key
}

// root is where the keys for a cluster are derived from.
func (s *Secret) root(cluster string) []byte {
	if s.key != nil {
		return s.key
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if root := s.roots[cluster]; root != nil {
		return root
	}
	salt := sha256.Sum256([]byte("dgate/secret/v1\x00" + cluster))
	root := argon2.IDKey([]byte(s.text), salt[:16], argonTime, argonMemory, argonThreads, secretSize)
	if s.roots == nil {
		s.roots = map[string][]byte{}
	}
	s.roots[cluster] = root
	return root
}

// String hides the secret.
func (*Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (*Secret) GoString() string { return redacted }

// MarshalText hides the secret from encoders.
func (*Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
