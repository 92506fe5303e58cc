package resource

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is wrong with a resource, every mistake of it, as clients are told.
func TestValidate(t *testing.T) {
	long := strings.Repeat("a", MaxNameLength+1)
	tests := map[string]struct {
		kind, json string
		want       []string
	}{
		"a namespace":              {"namespace", `{"name":"a.b-c_1","tags":["x","y"]}`, nil},
		"no name":                  {"namespace", `{}`, []string{"name is required"}},
		"a name with a slash":      {"namespace", `{"name":"a/b"}`, []string{"name may only have ASCII letters, digits, '.', '_' and '-'"}},
		"a name with a letter é":   {"namespace", `{"name":"é"}`, []string{"name must begin with a letter or a digit"}},
		"a name that is a dot":     {"namespace", `{"name":".."}`, []string{"name must begin with a letter or a digit"}},
		"a name that is too long":  {"namespace", `{"name":"` + long + `"}`, []string{"name must not be longer than 128 bytes"}},
		"tags that break a header": {"namespace", `{"name":"a","tags":["a,b","c\nd",""]}`, []string{"tags[0] may only have printable ASCII without spaces and commas", "tags[1] may only have printable ASCII without spaces and commas", "tags[2] must have 1 to 128 bytes"}},

		"a service":                 {"service", `{"name":"s","namespace":"n","urls":["http://a:1/x?y=z","HTTPS://[::1]","h2c://a","ws://a","wss://a"]}`, nil},
		"no urls":                   {"service", `{"name":"s","namespace":"n"}`, []string{"urls are required"}},
		"urls of all wrong kinds":   {"service", `{"name":"s","namespace":"n","urls":["a","ftp://a","http://","http://h/%zz","http://u:p@h","http://h#x","http://{env.X}","//a","http://a:99999","http://a:0"]}`, []string{"urls[0] must begin with a scheme: http, https, h2c, ws or wss", "urls[1] must have the scheme http, https, h2c, ws or wss", "urls[2] must name a host", "urls[3] must be an absolute URL such as http://10.0.0.1:8080", "urls[4] must not have a user or password", "urls[5] must not have a fragment", "urls[6] must be an absolute URL such as http://10.0.0.1:8080", "urls[7] must begin with a scheme: http, https, h2c, ws or wss", "urls[8] must have a port from 1 to 65535", "urls[9] must have a port from 1 to 65535"}},
		"negative numbers":          {"service", `{"name":"s","namespace":"n","urls":["http://a"],"retries":-1,"retryTimeout":-1,"connectTimeout":"-1s","requestTimeout":-5}`, []string{"retries must be from 0 to 100", "retryTimeout must not be negative", "connectTimeout must not be negative", "requestTimeout must not be negative"}},
		"everything wrong at once":  {"service", `{"name":"/","namespace":"/","urls":[]}`, []string{"name must begin with a letter or a digit", "namespace must begin with a letter or a digit", "urls are required"}},
		"a module":                  {"module", `{"name":"m","namespace":"n","payload":"MQ==","moduleType":"javascript"}`, nil},
		"a module without anything": {"module", `{"name":"m","namespace":"n","moduleType":"python"}`, []string{"payload is required", "moduleType must be typescript or javascript"}},

		"a route":                          {"route", `{"name":"r","namespace":"n","paths":["/","/a/{id:[0-9]+}/*"],"methods":["*"]}`, nil},
		"a route without anything":         {"route", `{"name":"r","namespace":"n"}`, []string{"paths are required", "route must have at least one method"}},
		"methods that are not":             {"route", `{"name":"r","namespace":"n","paths":["/"],"methods":["get","FOO"]}`, []string{"unsupported method: get", "unsupported method: FOO"}},
		"methods beside the star":          {"route", `{"name":"r","namespace":"n","paths":["/"],"methods":["*","GET"]}`, []string{"route methods cannot have other methods with *"}},
		"patterns that are not":            {"route", `{"name":"r","namespace":"n","paths":["","a","/{id","/*/a","/{a:[}","/{id}/{id}","/a\u0000"],"methods":["GET"]}`, []string{"paths[0] must not be empty", "paths[1] is not a valid pattern: chi: routing pattern must begin with '/' in 'a'", "paths[2] is not a valid pattern: chi: route param closing delimiter '}' is missing", "paths[3] is not a valid pattern: chi: wildcard '*' must be the last value in a route. trim trailing text or use a '{param}' instead", "paths[4] is not a valid pattern: chi: invalid regexp pattern '^[$' in route param", "paths[5] is not a valid pattern: chi: routing pattern '/{id}/{id}' contains duplicate param key, 'id'", "paths[6] must not have control characters"}},
		"two patterns of one shape":        {"route", `{"name":"r","namespace":"n","paths":["/a/{x}","/a/{y}"],"methods":["GET"]}`, []string{"paths[1] matches the same requests as /a/{x}"}},
		"references that cannot be":        {"route", `{"name":"r","namespace":"n","paths":["/"],"methods":["GET"],"service":"a/b","modules":["ok","../x"]}`, []string{"service may only have ASCII letters, digits, '.', '_' and '-'", "modules[1] must begin with a letter or a digit"}},
		"a collection":                     {"collection", `{"name":"c","namespace":"n","schema":{"type":"object"},"visibility":"public","type":"document"}`, nil},
		"a collection of anything":         {"collection", `{"name":"c","namespace":"n","schema":null}`, nil},
		"a collection without sense":       {"collection", `{"name":"c","namespace":"n","visibility":"secret","type":"table"}`, []string{"visibility must be private or public", "type must be document"}},
		"a document":                       {"document", `{"id":"a/b","collection":"c","namespace":"n","data":{"b":1.0,"a":[null]}}`, nil},
		"a document that is null":          {"document", `{"id":"a","collection":"c","namespace":"n","data":null}`, nil},
		"a document without anything":      {"document", `{}`, []string{"id is required", "collection is required", "namespace is required", "data is required"}},
		"a document with a huge number":    {"document", `{"id":"a","collection":"c","namespace":"n","data":[1e1000]}`, []string{"data must not have numbers of more than 1000 characters or exponents of more than 3 digits"}},
		"a document with a long number":    {"document", `{"id":"a","collection":"c","namespace":"n","data":` + strings.Repeat("1", 1001) + `}`, []string{"data must not have numbers of more than 1000 characters or exponents of more than 3 digits"}},
		"large numbers in bounds, strings": {"document", `{"id":"a","collection":"c","namespace":"n","data":[-1.5E+0999,1e-999,0.5,"1e1000",true]}`, nil},
		"a document that is too large":     {"document", `{"id":"a","collection":"c","namespace":"n","data":"` + strings.Repeat("x", MaxDocumentSize) + `"}`, []string{"data must not be larger than 1048576 bytes"}},
		"a secret":                         {"secret", `{"name":"s","namespace":"n","data":"x","tags":["a"]}`, nil},
		"a secret without a value":         {"secret", `{"name":"s","namespace":"n","data":""}`, []string{"data is required"}},
		"a secret that is too large":       {"secret", `{"name":"s","namespace":"n","data":"` + strings.Repeat("x", MaxSecretSize+1) + `"}`, []string{"data must not be larger than 65536 bytes"}},
		"what is repeated counts once":     {"route", `{"name":"r","namespace":"n","paths":["/","/"],"methods":["GET","GET"],"modules":["a","a"]}`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			obj, err := Decode(MustKind(tt.kind), []byte(tt.json), Strict)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range FieldErrors(obj.Validate()) {
				got = append(got, e.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	const service = "name, urls, namespace, retries, retryTimeout, connectTimeout, requestTimeout, tlsSkipVerify, http2Only, hideDGateHeaders, disableQueryParams, tags, proxy"
	tests := map[string]struct {
		json string
		mode Mode
		want string // JSON of the object, or the error
	}{
		"defaults":                         {`{"name":"s"}`, Strict, `{"name":"s","urls":null,"namespace":"","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`},
		"null is absent":                   {`{"name":"s","retries":null}`, Strict, `{"name":"s","urls":null,"namespace":"","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`},
		"durations of all kinds":           {`{"name":"s","retryTimeout":5,"connectTimeout":"1m","request_timeout_ms":3}`, Strict, `{"name":"s","urls":null,"namespace":"","retries":3,"retryTimeout":5,"connectTimeout":60000000000,"requestTimeout":3000000,"tlsSkipVerify":false,"http2Only":false}`},
		"the successor's names":            {`{"name":"s","tls_skip_verify":true,"http2_only":true,"hide_dgate_headers":true,"disable_query_params":true}`, Strict, `{"name":"s","urls":null,"namespace":"","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":true,"http2Only":true,"hideDGateHeaders":true,"disableQueryParams":true}`},
		"two spellings of one field":       {`{"name":"s","retryTimeout":1,"retry_timeout_ms":2}`, Lenient, "retry_timeout_ms is given twice: it is the same as retryTimeout; urls are required"},
		"one field twice":                  {`{"name":"s","name":"t"}`, Lenient, "name is given twice; urls are required"},
		"the original ignored case":        {`{"NAME":"s","Colour":"red"}`, Lenient, `{"name":"s","urls":null,"namespace":"","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`},
		"a field that is not one":          {`{"name":"s","retires":1}`, Strict, "retires is not a field of service; did you mean retries?"},
		"one that is nothing like any":     {`{"name":"s","zzzzzzzzzz":1}`, Strict, "zzzzzzzzzz is not a field of service; its fields are " + service},
		"what we add may come back":        {`{"name":"s","createdAt":"x","updatedAt":1,"version":7}`, Strict, `{"name":"s","urls":null,"namespace":"","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`},
		"wrong types, and what else is":    {`{"name":7,"urls":"a","retries":1.5,"retryTimeout":"soon","http2Only":"yes","connectTimeout":-1}`, Strict, `name must be a string; urls must be a list of strings; retries must be a whole number; retryTimeout must be a number of nanoseconds or a duration such as "50ms"; http2Only must be true or false; connectTimeout must not be negative`},
		"milliseconds beyond all bounds":   {`{"name":"s","retry_timeout_ms":9223372036854775807}`, Strict, "retry_timeout_ms must be a whole number of milliseconds; urls are required"},
		"nothing":                          {``, Strict, "error unmarshalling body: it is empty; a JSON object is expected"},
		"not an object":                    {`[]`, Strict, "error unmarshalling body: a JSON object is expected"},
		"not finished":                     {`{"name":"s"`, Strict, "error unmarshalling body: it ends too early at byte 11"},
		"more than one":                    {`{"name":"s"} {}`, Strict, "error unmarshalling body: there is more after the object, at byte 14"},
		"not UTF-8":                        {"{\"name\":\"\xff\"}", Strict, "error unmarshalling body: it is not valid UTF-8"},
		"too deep":                         {`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, Lenient, "error unmarshalling body: it is nested deeper than 64"},
		"brackets in strings do not count": {`{"name":"` + strings.Repeat("[", 100) + `"}`, Lenient, `{"name":"` + strings.Repeat("[", 100) + `","urls":null,"namespace":"","retries":3,"retryTimeout":0,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			obj, err := Decode(MustKind("service"), []byte(tt.json), tt.mode)
			if err != nil {
				got = err.Error()
			} else if data, err := Encode(obj); err == nil {
				got = string(data)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What was decoded and is valid survives being encoded and decoded again, and its patterns are
// ones that chi takes.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"name":"a","urls":["http://a"],"retryTimeout":"5s"}`, `{"name":"r","paths":["/{a:[a-z]{2,3}}"],"methods":["GET"]}`,
		`{"name":"m","payload":"MQ=="}`, `{"name":"n","tags":["a"]}`, `{"paths":["/{a:}","/{:x}","/a*"]}`,
		`{"name":"c","schema":{"type":["object"]}}`, `{"id":"a/b","collection":"c","data":{"x":1e2}}`, `{"name":"s","data":"x"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range All {
			obj, err := Decode(kind, data, Lenient)
			if strict, refused := Decode(kind, data, Strict); refused == nil && (err != nil || !reflect.DeepEqual(strict, obj)) {
				t.Errorf("%s %q: %v when read strictly, %v (%v) otherwise", kind.Name, data, strict, obj, err)
			}
			if err != nil {
				continue
			}
			Default(obj)
			if obj.Validate() != nil {
				continue
			}
			first, err := Encode(obj)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(kind, first, Strict)
			if err != nil {
				t.Fatalf("%s: %v", first, err)
			}
			if err := again.Validate(); err != nil {
				t.Errorf("%s was valid: %v", first, err)
			}
			second, err := Encode(again)
			if err != nil || string(first) != string(second) {
				t.Errorf("%s became %s (%v)", first, second, err)
			}
			for _, c := range again.Claims() {
				if c.Token == "" || c.Text == "" {
					t.Errorf("an empty claim of %s", first)
				}
			}
		}
	})
}
