package resource

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func collection(schema string) *Collection {
	return &Collection{Name: "c", Namespace: "n", Schema: []byte(schema), Type: TypeDocument}
}

func document(data string) *Document {
	return &Document{ID: "d", Collection: "c", Namespace: "n", Data: []byte(data)}
}

func texts(err error) []string {
	var all []string
	for _, e := range FieldErrors(err) {
		all = append(all, e.Error())
		if e.Value != "" {
			all = append(all, "value: "+e.Value)
		}
	}
	return all
}

// What is wrong with a schema, and where.
func TestSchemas(t *testing.T) {
	tests := map[string]struct {
		schema string
		want   []string
	}{
		"an object":                 {`{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"type":"string"}}}`, nil},
		"true":                      {`true`, nil},
		"an older draft":            {`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{}},"items":[{"$ref":"#/definitions/a"}]}`, nil},
		"an id of its own":          {`{"$id":"https://example.com/a","$defs":{"b":{"$id":"b"}},"$ref":"b"}`, nil},
		"one that refers to itself": {`{"properties":{"next":{"$ref":"#"}}}`, nil},
		"a string":                  {`"object"`, []string{"schema must be a JSON Schema: an object, true or false"}},
		"types that are none":       {`{"properties":{"a b":{"type":"text"},"n":[1]},"required":"a"}`, []string{`schema.properties.n must be a boolean or an object`, `schema.properties["a b"].type must match one of the schemas under anyOf: (1) must be one of "array", "boolean", "integer", "null", "number", "object", "string"; (2) must be an array`, `schema.required must be an array`}},
		"another file":              {`{"$ref":"other.json"}`, []string{"schema refers to other.json: schemas of other files and hosts are not loaded"}},
		"a file of the system":      {`{"$ref":"file:///etc/passwd"}`, []string{"schema refers to file:///etc/passwd: schemas of other files and hosts are not loaded"}},
		"another host":              {`{"$ref":"https://example.com/s"}`, []string{"schema refers to https://example.com/s: schemas of other files and hosts are not loaded"}},
		"a language of its own":     {`{"$schema":"https://example.com/meta"}`, []string{"schema refers to https://example.com/meta: schemas of other files and hosts are not loaded"}},
		"a reference to nothing":    {`{"$ref":"#/$defs/no"}`, []string{`schema json-pointer in "#/$defs/no" not found`}},
		"no regular expression":     {`{"properties":{"a":{"pattern":"["}}}`, []string{"schema.properties.a.pattern must be a regular expression: error parsing regexp: missing closing ]: `[`"}},
		"a look behind":             {`{"pattern":"(?<=a)b"}`, []string{"schema.pattern must be a regular expression: error parsing regexp: invalid named capture: `(?<=a)b`"}},
		"one that repeats a lot":    {`{"pattern":"([a-z]{50}){20}x[0-9é-ÿ]{999}` + strings.Repeat("(a|b|c|d){999}", 8) + `"}`, []string{"schema.pattern must be a regular expression: it repeats too much"}},
		"numbers without bounds":    {`{"multipleOf":1e9999}`, []string{"schema must not have numbers of more than 1000 characters or exponents of more than 3 digits"}},
		"a schema that is large":    {`{"title":"` + strings.Repeat("x", MaxSchemaSize) + `"}`, []string{"schema must not be larger than 131072 bytes"}},
		"one that is deep":          {strings.Repeat(`{"not":`, 64) + "{}" + strings.Repeat("}", 64), []string{"schema must not be nested deeper than 63"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, texts(collection(tt.schema).Validate())); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

// What is wrong with data, at every place at once.
func TestCheck(t *testing.T) {
	const person = `{"type":"object","required":["name","address"],"additionalProperties":false,"properties":{
		"name":{"type":"string","minLength":1,"maxLength":3},"age":{"type":"integer","minimum":0,"exclusiveMaximum":150},
		"mail":{"format":"email"},"kind":{"enum":["a",1,null]},
		"address":{"type":"object","required":["zip"],"properties":{"zip":{"type":["string","null"],"pattern":"^[0-9]+$"}}},
		"tags":{"type":"array","uniqueItems":true,"maxItems":2,"items":{"type":"string"}}}}`
	tests := map[string]struct {
		schema, data string
		want         []string
	}{
		"no schema":        {``, `{"a":1}`, nil},
		"all is well":      {person, `{"name":"é","age":1e2,"mail":"a@b.c","kind":null,"address":{"zip":"1"},"tags":["a"]}`, nil},
		"not an object":    {person, `[]`, []string{"data must be an object"}},
		"missing":          {person, `{"address":{}}`, []string{"data.address.zip is required", "data.name is required"}},
		"of other types":   {person, `{"name":1,"age":1.5,"address":{"zip":2},"tags":["a",2,{}]}`, []string{"data.address.zip must be null or a string", "data.age must be an integer", "data.name must be a string", "data.tags must have at most 2 items, not 3", "data.tags[1] must be a string", "data.tags[2] must be a string"}},
		"out of bounds":    {person, `{"name":"long","age":150,"mail":"x","kind":"secret","address":{"zip":"secret"},"tags":["a","a"]}`, []string{"data.address.zip must match the pattern ^[0-9]+$", "data.age must be less than 150", `data.kind must be one of "a", 1, null`, "data.mail must have the format email", "data.name must have at most 3 characters, not 4", "data.tags must not have equal items: [0] and [1] are"}},
		"not known":        {person, `{"name":"a","address":{"zip":null},"a b":1,"":2,"é":3,"b":4}`, []string{`data.b is not a property that the schema knows`, `data[""] is not a property that the schema knows`, `data["a b"] is not a property that the schema knows`, `data["é"] is not a property that the schema knows`}},
		"alternatives":     {`{"anyOf":[{"required":["a"]},{"properties":{"b":{"const":2}},"required":["b"]}]}`, `{"b":1}`, []string{"data must match one of the schemas under anyOf: (1) data.a is required; (2) data.b must be 2"}},
		"types as such":    {`{"properties":{"a":{"anyOf":[{"type":"null"},{"type":"array"}]}}}`, `{"a":1}`, []string{"data.a must be null or an array"}},
		"one of many":      {`{"items":{"enum":[1.50,"a",null,true,[1,{"b":2}],{}]}}`, `[1.5,15e-1,"a",null,true,[1.0,{"b":2}],{}]`, nil},
		"none of many":     {`{"items":{"enum":[1,"2",null,true,[1]]}}`, `["1",2,"null",false,[2],{}]`, []string{`data[0] must be one of 1, "2", null, true, [1]`, `data[1] must be one of 1, "2", null, true, [1]`, `data[2] must be one of 1, "2", null, true, [1]`, `data[3] must be one of 1, "2", null, true, [1]`, `data[4] must be one of 1, "2", null, true, [1]`, `data[5] must be one of 1, "2", null, true, [1]`}},
		"two of one":       {`{"oneOf":[{"minimum":1},{"maximum":5},{"minimum":0.5}]}`, `3`, []string{"data must match only one of the schemas under oneOf, but matches numbers 0 and 1"}},
		"not":              {`{"not":{"type":"string"}}`, `"x"`, []string{"data must not match the schema under not"}},
		"nothing":          {`false`, `1`, []string{"data is not allowed"}},
		"references":       {`{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"minItems":1},{"contains":{"type":"string"}}]}}}`, `[]`, []string{"data must have an item that matches the schema under contains", "data must have at least 1 item, not 0"}},
		"a list, no items": {`{"prefixItems":[{"type":"string"}],"items":false}`, `[1,2]`, []string{"data[0] must be a string", "data[1] is not allowed"}},
		"beside others":    {`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, []string{"data.b is required beside a"}},
		"names":            {`{"propertyNames":{"pattern":"^x"}}`, `{"y":1,"x":1}`, []string{"data.y has a name that the schema does not allow"}},
		"parts of numbers": {`{"multipleOf":0.25}`, `0.3`, []string{"data must be a multiple of 0.25"}},
		"exactly":          {`{"maximum":12345678901234567890}`, `12345678901234567891`, []string{"data must be at most 12345678901234567890"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := collection(tt.schema)
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, texts(c.Check(document(tt.data)))); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManyMistakes(t *testing.T) {
	got := texts(collection(`{"items":{"type":"string"}}`).Check(document(`[` + strings.Repeat("1,", 150) + `"x"]`)))
	if len(got) != maxMistakes+1 || got[maxMistakes] != "data has 50 more mistakes" {
		t.Errorf("%d mistakes, the last one: %q", len(got), got[len(got)-1])
	}
}

func TestFetchersHoldNoDocuments(t *testing.T) {
	c := &Collection{Name: "c", Namespace: "n", Type: TypeFetcher}
	if err := c.Check(document("1")); err == nil || err.Error() != "collection is not a document collection" {
		t.Errorf("check: %v", err)
	}
}

// Two schemas have one print if they are the same JSON, however it is written.
func TestPrints(t *testing.T) {
	print := func(typ, schema string) string {
		return (&Collection{Type: typ, Schema: []byte(schema), Name: strconv.Itoa(len(schema)), Visibility: schema}).Print()
	}
	first := print(TypeDocument, `{"a":1,"b":{"c":1.0,"d":"<"}}`)
	if again := print(TypeDocument, ` {"b": {"d":"\u003c", "c":1.0}, "a":1}`); first != again {
		t.Errorf("the order of keys makes a difference: %s and %s", first, again)
	}
	seen := map[string]string{first: "the first"}
	for _, other := range []string{`{"a":1,"b":{"c":2,"d":"<"}}`, `{}`, ``, `true`} {
		for _, typ := range []string{TypeDocument, TypeFetcher} {
			p := print(typ, other)
			if twin, ok := seen[p]; ok {
				t.Errorf("%s %s has the print of %s", typ, other, twin)
			}
			seen[p] = typ + " " + other
		}
	}
}

// Schemas and data that are made to keep us busy are refused, or checked in bounded time.
func TestHostileSchemas(t *testing.T) {
	var many, chain []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf(`"p%d":{"type":"string","pattern":"^a{1,50}$"}`, i))
	}
	for i := range 60 {
		chain = append(chain, fmt.Sprintf(`"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]}`, i, i+1, i+1))
	}
	const slow = `([a-z]{0,30}){30}[0-9]$`
	letters := `"` + strings.Repeat("a", MaxDocumentSize/4) + `"`
	nested := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
	tests := map[string]struct {
		schema, data string
		want         string
	}{
		"many subschemas":              {`{"properties":{` + strings.Join(many, ",") + `}}`, `{"p1":"a"}`, ""},
		"twice at each level":          {`{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}`, nested, "data takes too many steps to be checked against the schema"},
		"twice at each reference":      {`{"$ref":"#/$defs/a0","$defs":{` + strings.Join(chain, ",") + `,"a60":{"title":"x"}}}`, `1`, "data takes too many steps to be checked against the schema"},
		"very many mistakes":           {`{"items":{"type":"string"}}`, `[` + strings.Repeat("1,", MaxDocumentSize/8) + `1]`, "more mistakes"},
		"all numbers as long as it is": {`{"items":{"multipleOf":0.01}}`, `[` + strings.Repeat("1e-999,", MaxDocumentSize/7-1) + `1]`, "more mistakes"},
		"a long text and alternatives": {`{"pattern":"(a|aa)+$"}`, `"` + strings.Repeat("a", MaxDocumentSize/4) + `b"`, "pattern"},
		"a long text and a loop":       {`{"pattern":"` + slow + `"}`, letters, "data takes too many steps to be checked against the schema, the last ones for the regular expression " + slow},
		"a name of a property":         {`{"patternProperties":{"` + slow + `":true}}`, `{` + letters + `:1}`, "for the regular expression " + slow},
		"many texts and a loop":        {`{"items":{"pattern":"` + slow + `"}}`, `[` + strings.Repeat(`"`+strings.Repeat("a", 100)+`",`, 2000) + `1]`, "for the regular expression " + slow},
		"expressions as data":          {`{"items":{"format":"regex"}}`, `[` + strings.Repeat(`"(abcdefghi){999}",`, 10_000) + `1]`, "for the regular expression (abcdefghi){999}"},
		"any case, as data":            {`{"items":{"format":"regex"}}`, `[` + strings.Repeat(`"(?i)`+strings.Repeat("[b-豈]", 100)+`",`, 500) + `1]`, "for the regular expression (?i)[b-豈]"},
		"many alternatives that fail":  {`{"items":{"anyOf":[` + strings.Repeat(`{"type":"string"},`, 2000) + `true]}}`, `[` + strings.Repeat("1,", 1000) + `1]`, "data takes too many steps"},
		"very many values":             {`{"items":{"enum":[` + strings.Repeat("1,", MaxSchemaSize/2-40) + `2]}}`, `[` + strings.Repeat("3,", 40_000) + `1]`, "more mistakes"},
		"many values that are large":   {`{"items":{"enum":[` + strings.Repeat("[1],", 10_000) + `2]}}`, `[` + strings.Repeat("[2],", 1000) + `2]`, "data takes too many steps"},
		"without end":                  {`{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`, `1`, "without end"},
		"equal items":                  {`{"uniqueItems":true}`, `[` + strings.Repeat("[],", MaxDocumentSize/3-1) + `1]`, "equal items"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			c, d := collection(tt.schema), document(tt.data)
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			compiled := time.Since(begin)
			if err := d.Validate(); err != nil {
				t.Fatal(err)
			}
			err := c.Check(d)
			t.Logf("compiled in %s, checked in %s", compiled, time.Since(begin)-compiled)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%.300v, want %q", err, tt.want)
			}
		})
	}
}

// A schema whose regular expressions take long to compile is refused.
func TestExpressionsOfSchemas(t *testing.T) {
	for name, pattern := range map[string]string{
		"loops":    "([a-z]{0,30}){30}([0-9]{0,30}){30}",
		"any case": "(?i)" + strings.Repeat("[b-豈]", 10),
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			for i := range 600 {
				all = append(all, fmt.Sprintf(`{"pattern":"%s%d"}`, pattern, i))
			}
			want := "schema takes too many steps to be compiled, the last ones for the regular expression " + pattern
			err := collection(`{"anyOf":[` + strings.Join(all, ",") + `]}`).Validate()
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%.300v, want %s", err, want)
			}
		})
	}
}

// Checks do not wait for each other: each has a compiled schema, and its steps, for itself.
func TestCompiledSchemas(t *testing.T) {
	var m memo
	raw := []byte(`{"type":"string"}`)
	take := func() *schema {
		s, err := m.take(raw)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first, second := take(), take()
	if first == second || first.steps == second.steps {
		t.Error("two checks have one schema")
	}
	m.put(raw, first)
	if again := take(); again != first {
		t.Error("it is compiled again")
	}
	for range 2*memoSize/len(raw) + 1 {
		m.put(raw, second)
	}
	if m.size > memoSize || m.size != len(m.idle[string(raw)])*len(raw) {
		t.Errorf("%d schemas are kept, counted as %d bytes", len(m.idle[string(raw)]), m.size)
	}
}

// FuzzSchema compiles what may be a schema and checks what may be data. Neither must make the
// library panic, and what is wrong is told as mistakes of fields.
func FuzzSchema(f *testing.F) {
	for _, schema := range []string{
		`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, `{"$id":"a","$anchor":"b","$ref":"#b"}`, `{"$dynamicRef":"#a","$dynamicAnchor":"a"}`,
		`{"anyOf":[{"type":"null"},{"multipleOf":0.1}],"unevaluatedProperties":false}`, `{"$schema":"http://json-schema.org/draft-04/schema#","exclusiveMinimum":true,"minimum":1}`,
		`{"patternProperties":{"^a":{"format":"regex"}},"if":true,"then":{"contains":{"const":1}}}`, `{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveRef":"#","$vocabulary":{"x":true}}`,
	} {
		f.Add([]byte(schema), []byte(`{"a":{"a":[1,"x",null,1e10]}}`))
	}
	f.Fuzz(func(t *testing.T, schema, data []byte) {
		c, d := collection(string(schema)), document(string(data))
		if err := c.Validate(); err != nil {
			if strings.Contains(err.Error(), "cannot be compiled") || len(FieldErrors(err)) == 0 {
				t.Fatal(err)
			}
			return
		}
		if c.Print() != collection(string(c.Schema)).Print() {
			t.Error("the print is another one the second time")
		}
		if d.Validate() != nil {
			return
		}
		if err := c.Check(d); err != nil && len(FieldErrors(err)) == 0 {
			t.Fatal(err)
		}
	})
}
