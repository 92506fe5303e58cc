package peer

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// tokenPrefix is what tokens begin with; the digit is the version of the format.
const tokenPrefix = "dgate1"

// Token is all that a node needs to join a cluster, as one word to copy:
// "dgate1:<cluster>:<secret>:<address>,<address>".
type Token struct {
	// Cluster is the name of the cluster.
	Cluster string
	// Secret is the text of its secret, which makes the token as secret.
	Secret string
	// Addresses are those of members, as host:port.
	Addresses []string
}

// ParseToken reads a token. The error does not repeat the secret in it.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	prefix, rest, _ := strings.Cut(text, ":")
	if prefix != tokenPrefix {
		if strings.HasPrefix(prefix, "dgate") && len(prefix) < 10 {
			return Token{}, fmt.Errorf("token: its format is %q, this version of DGate reads %q", prefix, tokenPrefix)
		}
		return Token{}, fmt.Errorf("token: must begin with %q; `dgate-cli cluster token` prints one", tokenPrefix+":")
	}
	parts := strings.SplitN(rest, ":", 3)
	if len(parts) < 3 {
		return Token{}, fmt.Errorf("token: must be %s:<cluster>:<secret>:<addresses>, but a part is missing", tokenPrefix)
	}
	var t Token
	var err error
	if t.Cluster, err = url.QueryUnescape(parts[0]); err != nil {
		return Token{}, errors.New("token: the name of the cluster is damaged")
	}
	if err := CheckName(t.Cluster); err != nil {
		return Token{}, fmt.Errorf("token: %w", err)
	}
	if t.Secret, err = url.QueryUnescape(parts[1]); err != nil {
		return Token{}, errors.New("token: the secret is damaged")
	}
	if _, err := ParseSecret(t.Secret); err != nil {
		return Token{}, fmt.Errorf("token: the secret %w", err)
	}
	for address := range strings.SplitSeq(parts[2], ",") {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" || strings.ContainsAny(address, " \t\r\n") {
			return Token{}, fmt.Errorf("token: the address %q must be host:port", address)
		}
		t.Addresses = append(t.Addresses, address)
	}
	return t, nil
}

// String is the token as [ParseToken] reads it. It is not redacted.
func (t Token) String() string {
	return strings.Join(slices.Concat(
		[]string{tokenPrefix, url.QueryEscape(t.Cluster), url.QueryEscape(t.Secret)},
		[]string{strings.Join(t.Addresses, ",")},
	), ":")
}

// CheckName says what is wrong with the name of a cluster. It becomes a part of certificates, so
// it has 1 to 63 letters, digits, hyphens, underscores and dots, and begins and ends with a letter
// or digit.
func CheckName(cluster string) error {
	const alphanumeric = decimals + lowers + uppers
	ok := cluster != "" && len(cluster) <= 63 &&
		strings.Trim(cluster, alphanumeric+"-_.") == "" &&
		strings.Trim(cluster, "-_.") == cluster && !strings.Contains(cluster, "..")
	if !ok {
		return fmt.Errorf("the name of the cluster, %.70q, must have 1 to 63 letters, digits, hyphens, underscores and dots, and begin and end with a letter or digit", cluster)
	}
	return nil
}
