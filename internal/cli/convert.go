package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// convert turns a value as it was typed into the JSON of its field. readFile reads what asFile names.
func convert(field *resource.Field, p pair, readFile func(string) ([]byte, error)) (json.RawMessage, error) {
	switch p.op {
	case asJSON:
		if !json.Valid([]byte(p.value)) {
			return nil, fmt.Errorf("error parsing values: invalid json for key '%s'", p.key)
		}
		return fromJSON(field, p)
	case asFile:
		content, err := readFile(p.value)
		if err != nil {
			return nil, fmt.Errorf("error reading file: %w", err)
		}
		return fromFile(field, p, content)
	default:
		return fromText(field, p, p.value)
	}
}

// fromFile converts the content of a file: bytes as base64, text and JSON as they are, anything
// else as if it had been typed. The line break that ends a file is no part of a secret.
func fromFile(field *resource.Field, p pair, content []byte) (json.RawMessage, error) {
	switch field.Type {
	case "bytes":
		return quote(base64.StdEncoding.EncodeToString(content)), nil
	case "string":
		text := string(content)
		if field.Secret {
			text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		}
		return quote(text), nil
	case "strings", "int", "bool", "duration":
		return fromText(field, p, strings.TrimSpace(string(content)))
	}
	if !json.Valid(content) {
		return nil, fmt.Errorf("error parsing values: invalid json for key '%s'", p.key)
	}
	return content, nil
}

// fromText converts a word.
func fromText(field *resource.Field, p pair, text string) (json.RawMessage, error) {
	switch field.Type {
	case "strings":
		return list(p, text)
	case "int":
		n, err := strconv.Atoi(text)
		if errors.Is(err, strconv.ErrSyntax) {
			return nil, fmt.Errorf("input error: %s must be a whole number, not %q", p.key, text)
		}
		return scalar(n, p, err)
	case "bool":
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("input error: %s must be true or false, not %q", p.key, text)
		}
		return marshal(b)
	case "duration":
		if strings.HasSuffix(p.key, "_ms") {
			ms, err := strconv.ParseInt(text, 10, 64)
			if errors.Is(err, strconv.ErrSyntax) {
				return nil, fmt.Errorf("input error: %s must be a whole number of milliseconds, not %q", p.key, text)
			}
			return milliseconds(float64(ms), p, err)
		}
		d, err := time.ParseDuration(text)
		return scalar(int64(d), p, err)
	case "json":
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			return nil, fmt.Errorf("input error: %s=… is text; JSON is written %s:='{…}', and that of a file %s@=<file>", p.key, p.key, p.key)
		}
		return quote(text), nil
	default: // text, base64, and kinds of values that are newer than this code
		return quote(text), nil
	}
}

// list converts words between commas; the spaces around them are for the reader.
func list(p pair, text string) (json.RawMessage, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return json.RawMessage("[]"), nil
	case text[0] == '[':
		return nil, fmt.Errorf(`input error: %s takes words between commas; a JSON list is written %s:='["a"]'`, p.key, p.key)
	}
	words := strings.Split(text, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return marshal(words)
}

// fromJSON converts a JSON value, as leniently as the original did: fractions are cut off, and a
// string stands for a list or a duration too.
func fromJSON(field *resource.Field, p pair) (json.RawMessage, error) {
	var value any
	if err := json.Unmarshal([]byte(p.value), &value); err != nil {
		return nil, fmt.Errorf("error parsing values: invalid json for key '%s'", p.key)
	}
	switch v := value.(type) {
	case string:
		if field.Type == "strings" || field.Type == "duration" {
			return fromText(field, p, v)
		}
	case float64:
		switch {
		case field.Type == "duration" && strings.HasSuffix(p.key, "_ms"):
			return milliseconds(v, p, nil)
		case field.Type == "int" || field.Type == "duration":
			return whole(p)
		}
	}
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(p.value)); err != nil {
		return nil, fmt.Errorf("error parsing values: invalid json for key '%s'", p.key)
	}
	return out.Bytes(), nil
}

// whole cuts off the fraction of a number, and leaves those without one as precise as they are.
func whole(p pair) (json.RawMessage, error) {
	text := strings.TrimSpace(p.value)
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return json.RawMessage(text), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && math.Abs(f) >= 1<<63 {
		err = strconv.ErrRange
	}
	return scalar(int64(f), p, err)
}

func milliseconds(ms float64, p pair, err error) (json.RawMessage, error) {
	if err == nil && math.Abs(ms) >= float64(math.MaxInt64/int64(time.Millisecond)) {
		err = strconv.ErrRange
	}
	return scalar(int64(ms*float64(time.Millisecond)), p, err)
}

// scalar is the JSON of a value, unless err says that it is none.
func scalar(v any, p pair, err error) (json.RawMessage, error) {
	if err != nil {
		if reason := new(strconv.NumError); errors.As(err, &reason) {
			err = fmt.Errorf("%q: %w", reason.Num, reason.Err)
		}
		return nil, fmt.Errorf("input error: error decoding '%s': %w", p.key, err)
	}
	return marshal(v)
}

func quote(s string) json.RawMessage {
	data, _ := marshal(s) // a string always has a JSON form
	return data
}

// marshal is json.Marshal without the escapes that only matter inside HTML.
func marshal(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
