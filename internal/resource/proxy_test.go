package resource

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the object `proxy` of a service may have, and what is said about the rest.
func TestProxy(t *testing.T) {
	tests := map[string]struct {
		proxy string
		want  []string
	}{
		"nothing":                {`{}`, nil},
		"null":                   {`null`, nil},
		"a list":                 {`[]`, []string{"proxy must be an object"}},
		"every policy":           {`{"load_balancing":{"selection_policy":{"policy":"header","field":"X-User","fallback":{"policy":"cookie","name":"lb","max_age":"1h","fallback":{"policy":"weighted_round_robin","weights":[1,2]}}},"retries":2,"try_duration":"5s","try_interval":1000000}}`, nil},
		"health checks":          {`{"health_checks":{"active":{"uri":"/up?a=b","port":80,"method":"HEAD","headers":{"Host":["x"],"X-A":["1","2"]},"interval":"1s","timeout":"1s","passes":1,"fails":2,"max_size":10,"expect_status":2,"expect_body":"^a{3}$","follow_redirects":true,"body":"x"},"passive":{"fail_duration":"1m","max_fails":3,"unhealthy_status":[5,429],"unhealthy_latency":"2s","unhealthy_request_count":100}}}`, nil},
		"a transport":            {`{"transport":{"protocol":"http","tls":{"server_name":"a.b","ca":{"provider":"inline","trusted_ca_certs":["MQ=="]},"renegotiation":"never","curves":["x25519"]},"keep_alive":{"enabled":false,"idle_timeout":"1m"},"versions":["1.1","h2c"],"dial_timeout":1000000000,"resolver":{"addresses":["1.1.1.1"]}}}`, nil},
		"headers":                {`{"headers":{"request":{"set":{"Host":["b"]},"delete":["X-*"],"replace":{"A":[{"search_regexp":"a+","replace":"b"}]}},"response":{"add":{"Via":["x"]},"deferred":true,"require":{"status_code":[2],"headers":{"X":["*"]}}}}}`, nil},
		"buffers and streams":    {`{"flush_interval":-1,"request_buffers":4096,"response_buffers":4096,"stream_timeout":"1h","stream_buffer_size":4096,"stream_close_delay":"1m"}`, nil},
		"a slip":                 {`{"load_balancing":{"selektion_policy":{"policy":"least_con"}}}`, []string{"proxy.load_balancing.selektion_policy is not one of the members of proxy.load_balancing; did you mean selection_policy?"}},
		"a slip in a policy":     {`{"load_balancing":{"selection_policy":{"policy":"least_con"}}}`, []string{"proxy.load_balancing.selection_policy.policy is not one that can be used here; did you mean least_conn?"}},
		"a policy with more":     {`{"load_balancing":{"selection_policy":{"policy":"first","x":1}}}`, []string{"proxy.load_balancing.selection_policy.x is not one of the members of proxy.load_balancing.selection_policy; there are none"}},
		"what leads elsewhere":   {`{"upstreams":[{"dial":"a:1"}],"dynamic_upstreams":{"source":"a"},"handle_response":[],"rewrite":{"uri":"/"}}`, proxyMembers("dynamic_upstreams", "handle_response", "rewrite", "upstreams")},
		"another transport":      {`{"transport":{"protocol":"fastcgi","root":"/"}}`, []string{"proxy.transport.protocol is not one that can be used here; there are http"}},
		"no protocol":            {`{"transport":{"dial_timeout":"1s"}}`, []string{"proxy.transport.protocol is required; there are http"}},
		"files of the node":      {`{"transport":{"protocol":"http","tls":{"root_ca_pem_files":["/etc/passwd"],"ca":{"provider":"file","pem_files":["/etc/passwd"]}}}}`, []string{"proxy.transport.tls.ca.provider is not one that can be used here; there are inline", "proxy.transport.tls.root_ca_pem_files is not one of the members of proxy.transport.tls; there are ca, curves, handshake_timeout, insecure_skip_verify, renegotiation, server_name"}},
		"placeholders":           {`{"headers":{"request":{"set":{"X-A":["{env.SECRET}"],"{env.B}":["x"]},"replace":{"A":[{"search_regexp":"{env.C}"}]}}},"health_checks":{"active":{"uri":"/{env.D}"}}}`, []string{"proxy.headers.request.replace.A[0].search_regexp must not have placeholders, nor braces, which they are made of", "proxy.headers.request.set.X-A[0] must not have placeholders, nor braces, which they are made of", `proxy.headers.request.set["{env.B}"] must have only letters, digits and hyphens`, "proxy.health_checks.active.uri must not have placeholders, nor braces, which they are made of"}},
		"a header of two lines":  {`{"headers":{"response":{"set":{"X-A":["a\r\nB: c"]}}}}`, []string{"proxy.headers.response.set.X-A[0] must not have control characters"}},
		"values of other types":  {`{"headers":{"request":[1],"response":{"deferred":1}},"flush_interval":true,"request_buffers":"1","stream_timeout":"soon","load_balancing":{"retries":1.5}}`, []string{"proxy.flush_interval must be a number of nanoseconds or a duration such as \"50ms\"", "proxy.headers.request must be an object", "proxy.headers.response.deferred must be true or false", "proxy.load_balancing.retries must be a whole number", "proxy.request_buffers must be a whole number", "proxy.stream_timeout must be a number of nanoseconds or a duration such as \"50ms\""}},
		"out of bounds":          {`{"request_buffers":-1,"response_buffers":100000000,"health_checks":{"active":{"uri":"/","interval":1,"port":70000}},"stream_timeout":-1}`, []string{"proxy.health_checks.active.interval must be at least 100ms", "proxy.health_checks.active.port must be from 1 to 65535", "proxy.request_buffers must be from 0 to 67108864", "proxy.response_buffers must be from 0 to 67108864", "proxy.stream_timeout must be at least 0s"}},
		"no address and no path": {`{"transport":{"protocol":"http","resolver":{"addresses":["dns.example","[::1]:5353","1.1.1.1"]}},"health_checks":{"active":{"uri":"/%zz"}}}`, []string{"proxy.health_checks.active.uri must be a path, perhaps with a query", "proxy.transport.resolver.addresses[0] must be an IP address, with a port if that is not 53"}},
		"a host for a path":      {`{"health_checks":{"active":{"uri":"//other.example/x"}}}`, []string{"proxy.health_checks.active.uri must begin with one slash: it is a path on the upstream, perhaps with a query"}},
		"no expression":          {`{"health_checks":{"active":{"uri":"/","expect_body":"("}}}`, []string{"proxy.health_checks.active.expect_body must be a regular expression: error parsing regexp: missing closing ): `(`"}},
		"a list of headers":      {`{"headers":{"request":{"x":{}}}}`, []string{"proxy.headers.request.x is not one of the members of proxy.headers.request; there are add, delete, replace, set"}},
		"what would do nothing":  {`{"health_checks":{"active":{},"passive":{"max_fails":1}},"load_balancing":{"selection_policy":{"policy":"weighted_round_robin","weights":[1]}},"transport":{"protocol":"http","tls":{}}}`, []string{"proxy.health_checks.active must have uri or port: nothing is checked otherwise", "proxy.health_checks.passive must have fail_duration or unhealthy_request_count: no failure is remembered otherwise", "proxy.load_balancing.selection_policy.weights must be as many as urls: 2, not 1", "proxy.transport.tls has no use: none of urls begins with https or wss"}},
		"too large":              {`{"x":"` + strings.Repeat("x", MaxProxySize) + `"}`, []string{"proxy must not be larger than 65536 bytes"}},
		"nested deep":            {strings.Repeat(`{"a":`, 63) + "1" + strings.Repeat("}", 63), []string{"proxy.a is not one of the members of proxy; there are " + proxyList}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			urls := `"http://a","http://b"`
			if name == "a transport" {
				urls = `"https://a"`
			}
			obj, err := Decode(MustKind("service"), []byte(`{"name":"s","namespace":"n","urls":[`+urls+`],"proxy":`+tt.proxy+`}`), Strict)
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

const proxyList = "flush_interval, headers, health_checks, load_balancing, request_buffers, response_buffers, stream_buffer_size, stream_close_delay, stream_timeout, transport"

// proxyMembers is what is said about members that proxy does not have.
func proxyMembers(names ...string) []string {
	var all []string
	for _, name := range names {
		all = append(all, "proxy."+name+" is not one of the members of proxy; there are "+proxyList)
	}
	return all
}

// FuzzProxy holds that what is accepted stays accepted as it is stored, and has no placeholder
// where Caddy would look for one.
func FuzzProxy(f *testing.F) {
	for _, seed := range []string{
		`{"load_balancing":{"selection_policy":{"policy":"header","field":"X","fallback":{"policy":"first"}}}}`,
		`{"health_checks":{"active":{"uri":"/","expect_body":"a{3}"},"passive":{"fail_duration":"1m"}}}`,
		`{"headers":{"request":{"set":{"Host":["a"]}},"response":{"replace":{"A":[{"search":"a"}]}}}}`,
		`{"transport":{"protocol":"http","versions":["2"]},"flush_interval":-1,"request_buffers":1}`,
		`{"headers":{"request":{"set":{"A":["{env.X}"]}}}}`, `null`, `{}`, `[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Service{Name: "s", Namespace: "n", URLs: []string{"http://a", "https://b"}, Proxy: data}
		if s.Validate() != nil {
			t.Skip()
		}
		again := *s
		if err := again.Validate(); err != nil || !bytes.Equal(again.Proxy, s.Proxy) {
			t.Errorf("%s becomes %s: %v", s.Proxy, again.Proxy, err)
		}
		if bytes.Contains(s.Proxy, []byte("{env.")) && !bytes.Contains(s.Proxy, []byte("expect_body")) {
			t.Errorf("it has a placeholder: %s", s.Proxy)
		}
	})
}
