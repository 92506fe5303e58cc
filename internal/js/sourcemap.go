package js

import (
	"encoding/json"
	"fmt"
	"strings"
)

// rawMap is the part of a source map that is rewritten.
type rawMap struct {
	Version  int      `json:"version"`
	Sources  []string `json:"sources"`
	Names    []string `json:"names"`
	Mappings string   `json:"mappings"`
}

// fixSourceMap prepares esbuild's map for goja: it renames the sources, and
// shifts the columns. Maps count columns from 0, but goja looks positions up
// with columns counted from 1 and hands out those of the map as they are, so
// that both must be one more for people to see what their editor shows.
func fixSourceMap(data []byte, rename func(string) string) ([]byte, error) {
	var m rawMap
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("js: read source map: %w", err)
	}
	for i, s := range m.Sources {
		m.Sources[i] = rename(s)
	}
	m.Names = []string{}
	var err error
	if m.Mappings, err = shiftColumns(m.Mappings); err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

// shiftColumns adds one to all columns, generated and original. Columns are
// stored as differences: the generated one starts anew on each line, the
// original one runs through the whole map.
func shiftColumns(mappings string) (string, error) {
	var b strings.Builder
	b.Grow(len(mappings) + len(mappings)/8)
	shifted := false // whether the original columns are
	for i, line := range strings.Split(mappings, ";") {
		if i > 0 {
			b.WriteByte(';')
		}
		if line == "" {
			continue
		}
		first, rest, _ := strings.Cut(line, ",")
		fields, err := decodeVLQ(first)
		if err != nil {
			return "", err
		}
		fields[0]++
		if len(fields) >= 4 && !shifted {
			fields[3]++
			shifted = true
		}
		for _, f := range fields {
			encodeVLQ(&b, f)
		}
		if len(line) == len(first) {
			continue
		}
		b.WriteByte(',')
		if !shifted {
			if rest, shifted, err = shiftOriginal(rest); err != nil {
				return "", err
			}
		}
		b.WriteString(rest)
	}
	return b.String(), nil
}

// shiftOriginal shifts the original column of the first segment that has one.
func shiftOriginal(segments string) (string, bool, error) {
	list := strings.Split(segments, ",")
	for i, segment := range list {
		fields, err := decodeVLQ(segment)
		if err != nil {
			return "", false, err
		}
		if len(fields) >= 4 {
			var b strings.Builder
			fields[3]++
			for _, f := range fields {
				encodeVLQ(&b, f)
			}
			list[i] = b.String()
			return strings.Join(list, ","), true, nil
		}
	}
	return segments, false, nil
}

const vlqDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// decodeVLQ reads the numbers of a segment.
func decodeVLQ(s string) ([]int, error) {
	var fields []int
	n, shift := 0, 0
	for i := range len(s) {
		d := strings.IndexByte(vlqDigits, s[i])
		if d < 0 || shift > 30 {
			return nil, fmt.Errorf("js: bad source map segment %q", s)
		}
		n |= d & 31 << shift
		if shift += 5; d&32 != 0 {
			continue
		}
		if n&1 != 0 {
			n = -(n >> 1)
		} else {
			n >>= 1
		}
		fields = append(fields, n)
		n, shift = 0, 0
	}
	if len(fields) == 0 || shift != 0 {
		return nil, fmt.Errorf("js: bad source map segment %q", s)
	}
	return fields, nil
}

func encodeVLQ(b *strings.Builder, n int) {
	u := n << 1
	if n < 0 {
		u = -n<<1 | 1
	}
	for {
		d := u & 31
		if u >>= 5; u > 0 {
			d |= 32
		}
		b.WriteByte(vlqDigits[d])
		if u == 0 {
			return
		}
	}
}
