package keyring

import (
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// maxAge is after how long new values get a new data key.
const maxAge = 365 * 24 * time.Hour

// wrapped is a data key as it is stored.
type wrapped struct {
	// Version is the version of all of this: the fields, the ciphers, the cost of a passphrase.
	Version int `json:"version"`
	// KEK is the fingerprint of the KEK that decrypts it.
	KEK []byte `json:"kek"`
	// Salt is that of the KEK if it is a passphrase.
	Salt []byte `json:"salt,omitempty"`
	// Nonce and Key are the encrypted key.
	Nonce []byte `json:"nonce"`
	Key   []byte `json:"key"`
}

const wrappedVersion = 1

// dataKey encrypts values.
type dataKey struct {
	cipher.AEAD
	key    []byte
	stored wrapped
}

// newDataKey encrypts a key for the store.
func newDataKey(key []byte, kek *KEK, cluster, name string) (*dataKey, error) {
	salt := kek.newSalt()
	w, err := kek.wrapper(salt)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	nonce := randomBytes(w.NonceSize())
	return &dataKey{aead, key, wrapped{
		Version: wrappedVersion, KEK: w.fingerprint[:], Salt: salt,
		Nonce: nonce, Key: w.Seal(nil, nonce, key, bind("dgate/datakey/v1", cluster, name)),
	}}, nil
}

// wrappedBy tells whether kek decrypts the stored key, and with what.
func (s wrapped) wrappedBy(kek *KEK) (*wrapper, bool) {
	w, err := kek.wrapper(s.Salt)
	return w, err == nil && w != nil && string(w.fingerprint[:]) == string(s.KEK)
}

// unwrap decrypts a stored key. The error is errLocked if no KEK fits.
func unwrap(data []byte, keks []*KEK, cluster, name string) (*dataKey, error) {
	var stored wrapped
	if err := json.Unmarshal(data, &stored); err != nil || stored.Version < 1 {
		return nil, errDamaged
	}
	if stored.Version > wrappedVersion {
		return nil, fmt.Errorf("its key was stored by a newer version of DGate (%d)", stored.Version)
	}
	for _, kek := range keks {
		w, ok := stored.wrappedBy(kek)
		if !ok {
			continue
		}
		if len(stored.Nonce) != w.NonceSize() {
			return nil, errDamaged
		}
		key, err := w.Open(nil, stored.Nonce, stored.Key, bind("dgate/datakey/v1", cluster, name))
		if err != nil || len(key) != keySize {
			return nil, errDamaged
		}
		aead, err := chacha20poly1305.NewX(key)
		if err != nil {
			return nil, err
		}
		return &dataKey{aead, key, stored}, nil
	}
	return nil, errLocked
}

// Why a value cannot be read.
var (
	errLocked  = errors.New("it was encrypted with another encryption_key or cluster secret, or its key file is missing: put that key behind the new one in encryption_key, or that secret into secret_previous of the cluster")
	errDamaged = errors.New("what is stored is damaged, or belongs elsewhere")
)

// Locked tells whether an error of this package is that a KEK is missing, or another one.
func Locked(err error) bool { return errors.Is(err, errLocked) }

// nextName is the name of the data key that comes after records. Names are numbers that sort by
// age, so two nodes that make the next one at the same time want the same name, which one gets.
func nextName(records []state.Record) string {
	last := 0
	if len(records) > 0 {
		last, _ = strconv.Atoi(records[len(records)-1].Key.Name) // we made it
	}
	return fmt.Sprintf("%08d", last+1)
}

func storeKey(name string) resource.Key { return resource.Key{Kind: state.DataKey, Name: name} }
