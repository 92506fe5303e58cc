package keyring

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	keySize  = chacha20poly1305.KeySize
	saltSize = 16
	// minPassphrase is how long a passphrase must be, in bytes.
	minPassphrase = 16
)

// The cost of trying one passphrase, as RFC 9106 recommends it where memory is scarce. A change
// needs another version of the stored data key.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
)

// KEK is a key-encryption key: it encrypts the data keys.
type KEK struct {
	key        []byte // of 32 bytes; nil for a passphrase
	passphrase []byte

	mu   sync.Mutex
	uses map[string]*wrapper // by salt
}

// wrapper is what a KEK comes down to for one salt.
type wrapper struct {
	cipher.AEAD
	fingerprint [8]byte // tells KEKs apart, and tells nothing about them
}

// ParseKEK reads a KEK: 32 bytes as hexadecimal or base64, or else a passphrase of at least 16
// bytes, which is stretched with argon2id. Space around it does not count. What looks like a key
// that lost or gained a few characters is refused: it would do as a passphrase, until the key is
// given in full. The error does not repeat the text.
func ParseKEK(text string) (*KEK, error) {
	text = strings.TrimSpace(text)
	if key := parseKey(text); key != nil {
		return &KEK{key: key}, nil
	}
	if err := almostKey(text); err != nil {
		return nil, err
	}
	if len(text) < minPassphrase {
		return nil, fmt.Errorf("must be 32 bytes as hex or base64, or a passphrase of at least %d characters", minPassphrase)
	}
	return &KEK{passphrase: []byte(text)}, nil
}

// almostKey says what is wrong with text that was probably meant to be a key and is none.
func almostKey(text string) error {
	packed := strings.Join(strings.Fields(text), "")
	if n := len(packed); n >= 60 && n <= 68 && consistsOf(packed, hexDigits) {
		return fmt.Errorf("looks like a key as hex, but must have 64 digits and no space between them; it has %d", n)
	}
	digits := strings.TrimRight(text, "=")
	if n := len(digits); n >= 40 && n <= 48 && consistsOf(digits, letters+decimals+"+/-_") {
		return fmt.Errorf("looks like a key as base64, but must be 32 bytes, which have 43 characters and may end with =; it has %d. Write a passphrase with spaces, or another length", n)
	}
	return nil
}

const (
	decimals  = "0123456789"
	letters   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hexDigits = decimals + "abcdefABCDEF"
)

func consistsOf(text, chars string) bool { return strings.Trim(text, chars) == "" }

// NewKEK makes a random KEK.
func NewKEK() *KEK { return &KEK{key: randomBytes(keySize)} }

// parseKey decodes 32 bytes in one of the usual forms, or returns nil.
func parseKey(text string) []byte {
	text = strings.TrimRight(text, "=")
	for _, decode := range [...]func(string) ([]byte, error){
		hex.DecodeString, base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == keySize {
			return key
		}
	}
	return nil
}

// newSalt is a salt for wrapping a data key: nil if the KEK needs none.
func (k *KEK) newSalt() []byte {
	if k.key != nil {
		return nil
	}
	return randomBytes(saltSize)
}

// wrapper derives what wraps data keys with a salt; nil if the KEK is not one that goes with such
// a salt. A passphrase costs 64 MiB and about a tenth of a second, once for each salt.
func (k *KEK) wrapper(salt []byte) (*wrapper, error) {
	if (k.key == nil) != (len(salt) == saltSize) {
		return nil, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.uses[string(salt)]; w != nil {
		return w, nil
	}
	root := k.key
	if root == nil {
		root = argon2.IDKey(k.passphrase, salt, argonTime, argonMemory, argonThreads, keySize)
	}
	w, err := newWrapper(root)
	if err != nil {
		return nil, err
	}
	if k.uses == nil {
		k.uses = map[string]*wrapper{}
	}
	k.uses[string(salt)] = w
	return w, nil
}

func newWrapper(root []byte) (*wrapper, error) {
	key, err := hkdf.Key(sha256.New, root, nil, "dgate/kek/v1", keySize)
	if err != nil {
		return nil, err
	}
	fingerprint, err := hkdf.Key(sha256.New, root, nil, "dgate/kek-fingerprint/v1", 8)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	return &wrapper{aead, [8]byte(fingerprint)}, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck // never fails, by contract
	return b
}
