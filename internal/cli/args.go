package cli

import (
	"fmt"
	"strings"
)

// operator says how a value is written.
type operator string

// The operators between a key and its value.
const (
	asText operator = "="
	asJSON operator = ":="
	asFile operator = "@="
)

// pair is one argument key=value, key:=json or key@=file.
type pair struct {
	key   string
	op    operator
	value string
}

// parseArgs separates pairs from positional arguments.
func parseArgs(args []string) (pairs []pair, positional []string, err error) {
	for _, arg := range args {
		left, value, ok := strings.Cut(arg, "=")
		if !ok {
			positional = append(positional, arg)
			continue
		}
		p := pair{key: left, op: asText, value: value}
		switch {
		case strings.HasSuffix(left, ":"):
			p.key, p.op = strings.TrimSuffix(left, ":"), asJSON
		case strings.HasSuffix(left, "@"):
			p.key, p.op = strings.TrimSuffix(left, "@"), asFile
		}
		if p.key == "" {
			return nil, nil, fmt.Errorf("invalid key-value pair: %s", arg)
		}
		if p.value == "" {
			p.op = asText // nothing is nothing, whatever it was to be
		}
		pairs = append(pairs, p)
	}
	return pairs, positional, nil
}
