package webcrypto

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// rsaNumbers are the numbers of a private RSA key, in the order of an RSAPrivateKey
// of PKCS #1. Keys of more than two primes are not supported.
type rsaNumbers struct {
	Version int
	N       *big.Int
	E       int
	D, P, Q *big.Int
	Dp      *big.Int `asn1:"optional"` // Go takes keys without these three,
	Dq      *big.Int `asn1:"optional"` // and then needs long to find them
	Qinv    *big.Int `asn1:"optional"`
}

// rsaEncryption says in PKCS #8 that a key is one of RSA.
const rsaEncryption = "1.2.840.113549.1.1.1"

// parsePKCS8 reads a private key.
func parsePKCS8(data []byte) (any, error) {
	var info struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, err := asn1.Unmarshal(data, &info); err != nil || info.Algorithm.Algorithm.String() != rsaEncryption {
		return x509.ParsePKCS8PrivateKey(data)
	}
	var numbers rsaNumbers
	if _, err := asn1.Unmarshal(info.Key, &numbers); err != nil {
		return nil, err
	}
	return numbers.key()
}

// key makes the key. How long it takes to check one grows with the cube of the
// numbers, and nothing can interrupt it, so they are bounded before.
func (r *rsaNumbers) key() (*rsa.PrivateKey, error) {
	if r.N.BitLen() > maxModulus {
		return nil, fmt.Errorf("the RSA key has more than %d bits", maxModulus)
	}
	for _, n := range []*big.Int{r.D, r.P, r.Q, r.Dp, r.Dq, r.Qinv} {
		if n == nil {
			return nil, errors.New("a private RSA key needs d, p, q, dp, dq and qi")
		}
		if n.Sign() <= 0 || n.Cmp(r.N) >= 0 {
			return nil, errors.New("a private RSA key has a number that is not between 0 and n")
		}
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: r.N, E: r.E}, D: r.D, Primes: []*big.Int{r.P, r.Q}}
	key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv = r.Dp, r.Dq, r.Qinv
	key.Precompute()
	return key, key.Validate()
}
