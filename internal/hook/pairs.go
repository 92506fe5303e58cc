package hook

import (
	"net/url"
	"slices"
	"strings"
)

// pairs are the parameters of a query in their order. What a script does not
// touch keeps the bytes that the client sent, even where they do not parse.
type pairs struct {
	list  []pair
	write func(rawQuery string) // where changes go; nil if nowhere
}

// pair is one parameter; raw is how it was written, empty once it was changed.
type pair struct {
	name, value string
	raw         string
	bad         bool // raw does not parse: it is passed on, but not shown
}

func parsePairs(query string) []pair {
	var list []pair
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		bad := err1 != nil || err2 != nil || strings.Contains(part, ";")
		list = append(list, pair{name: n, value: v, raw: part, bad: bad})
	}
	return list
}

func (p *pairs) get(name string) (string, bool) {
	for i := range p.list {
		if p.list[i].name == name && !p.list[i].bad {
			return p.list[i].value, true
		}
	}
	return "", false
}

func (p *pairs) values(name string) []string {
	var values []string
	for i := range p.list {
		if p.list[i].name == name && !p.list[i].bad {
			values = append(values, p.list[i].value)
		}
	}
	return values
}

// names are the names, each once, in order.
func (p *pairs) names() []string {
	var names []string
	for i := range p.list {
		if !p.list[i].bad && !slices.Contains(names, p.list[i].name) {
			names = append(names, p.list[i].name)
		}
	}
	return names
}

// set gives name the values, in the place where it was first.
func (p *pairs) set(name string, values ...string) {
	at := slices.IndexFunc(p.list, func(q pair) bool { return q.name == name && !q.bad })
	if at < 0 {
		at = len(p.list)
	}
	p.list = slices.DeleteFunc(p.list, func(q pair) bool { return q.name == name && !q.bad })
	added := make([]pair, len(values))
	for i, v := range values {
		added[i] = pair{name: name, value: v}
	}
	p.list = slices.Insert(p.list, at, added...)
	p.changed()
}

func (p *pairs) add(name, value string) {
	p.list = append(p.list, pair{name: name, value: value})
	p.changed()
}

func (p *pairs) delete(name string) {
	n := len(p.list)
	p.list = slices.DeleteFunc(p.list, func(q pair) bool { return q.name == name && !q.bad })
	if len(p.list) != n {
		p.changed()
	}
}

func (p *pairs) changed() {
	if p.write != nil {
		p.write(p.raw())
	}
}

// raw is the query as it is sent: in order, untouched parts as they came.
func (p *pairs) raw() string {
	var b strings.Builder
	for i, q := range p.list {
		if i > 0 {
			b.WriteByte('&')
		}
		if q.raw != "" {
			b.WriteString(q.raw)
			continue
		}
		b.WriteString(url.QueryEscape(q.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(q.value))
	}
	return b.String()
}

// encode is url.Values.Encode, which is what query.encode() has always been: sorted by name.
func (p *pairs) encode() string {
	values := make(url.Values, len(p.list))
	for _, q := range p.list {
		if !q.bad {
			values.Add(q.name, q.value)
		}
	}
	return values.Encode()
}
