package keyring

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// A sealed value is the prefix, which is the version of the format, and in base64url: the
// algorithm as one byte, the length of the data key's name as one byte and the name, the nonce,
// the ciphertext.
const (
	prefix = "dg1."

	xchacha20poly1305 = 1
)

// sealed is an encrypted value in parts.
type sealed struct {
	dataKey string // name of the key that it is encrypted with
	nonce   []byte
	text    []byte
}

func (s sealed) String() string {
	b := append([]byte{xchacha20poly1305, byte(len(s.dataKey))}, s.dataKey...)
	b = append(append(b, s.nonce...), s.text...)
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// parseSealed undoes String; false for everything that it has not made.
func parseSealed(text string) (sealed, bool) {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return sealed{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) < 2 || b[0] != xchacha20poly1305 {
		return sealed{}, false
	}
	name, b := int(b[1]), b[2:]
	if len(b) < name+chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return sealed{}, false
	}
	s := sealed{dataKey: string(b[:name])}
	s.nonce, s.text = b[name:name+chacha20poly1305.NonceSizeX], b[name+chacha20poly1305.NonceSizeX:]
	return s, true
}

// place is what a value is bound to, so that it decrypts nowhere else.
func place(cluster string, key resource.Key, field string) []byte {
	return bind("dgate/value/v1", cluster, key.Kind, key.Namespace, key.Name, field)
}

// bind joins parts so that different lists never give the same bytes.
func bind(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}
