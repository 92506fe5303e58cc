package original_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/adminclient/original"
	"github.com/dgate-io/caddy-dgate/internal/adminclient/original/originaltest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func read(t *testing.T, from *originaltest.Server, namespace string, options adminclient.Options, header http.Header) (*original.Found, error) {
	t.Helper()
	options.Original = true
	if options.Address == "" {
		options.Address = from.URL()
	}
	client, err := adminclient.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return original.Server{Client: client, Header: header}.Read(t.Context(), namespace)
}

// shown are the resources as JSON, and the documents as a number.
func shown(t *testing.T, found *original.Found) (lines []string) {
	t.Helper()
	documents := map[string]int{}
	for _, obj := range found.Objects {
		if d, ok := obj.(*resource.Document); ok {
			documents[d.Namespace+"/"+d.Collection]++
			continue
		}
		data, err := resource.Encode(obj)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, obj.Key().Kind+" "+string(data))
	}
	for collection, n := range documents {
		lines = append(lines, fmt.Sprintf("%d documents in %s", n, collection))
	}
	for _, u := range found.Unread {
		lines = append(lines, fmt.Sprintf("unread %s: %s", u.Key, u.Why))
	}
	return lines
}

const (
	users     = `service {"name":"users","urls":["http://users.internal:8080"],"namespace":"shop","retries":3,"retryTimeout":50000000,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`
	orders    = `service {"name":"orders","urls":["http://orders.internal:8080"],"namespace":"shop","retries":3,"retryTimeout":50000000,"connectTimeout":0,"requestTimeout":0,"tlsSkipVerify":false,"http2Only":false}`
	auth      = `module {"name":"auth","namespace":"shop","payload":"ZXhwb3J0IGNvbnN0IG9rID0gdHJ1ZTsK","moduleType":"typescript"}`
	entry     = `module {"name":"b-entry","namespace":"shop","payload":"ZXhwb3J0IGNvbnN0IHJlcXVlc3RNb2RpZmllciA9ICgpID0+IHt9Owo=","moduleType":"typescript"}`
	userRoute = `route {"name":"users","paths":["/users/*"],"methods":["GET","POST"],"preserveHost":false,"stripPath":true,"service":"users","namespace":"shop","modules":["auth","b-entry"]}`
	never     = `route {"name":"never","paths":null,"methods":["GET"],"preserveHost":false,"stripPath":false,"namespace":"shop"}`
	all       = `domain {"name":"all","namespace":"default","patterns":["*"],"priority":-1,"cert":"","key":"","tls":"auto"}`
	shop      = `domain {"name":"shop","namespace":"shop","patterns":["shop.example.com","*.shop.example.com"],"priority":7,"cert":"","key":"","tls":"auto"}`
	carts     = `collection {"name":"carts","namespace":"shop","schema":{"type":"object"},"visibility":"public","type":"document"}`
	hidden    = `collection {"name":"hidden","namespace":"shop","schema":{},"visibility":"private","type":"document"}`

	noDocuments = "unread collection shop/hidden: its documents cannot be read: 403 error from server: collection is private"
	noSecret    = "unread secret shop/stripe: the server does not show its value; set it by hand"
)

// TestRead: everything comes out as it was put in, whatever the lists say.
func TestRead(t *testing.T) {
	tests := map[string]struct {
		change    func(*originaltest.Server)
		namespace string
		want      []string
	}{
		"everything": {
			want: []string{
				`namespace {"name":"default","tags":["default"]}`, `namespace {"name":"shop"}`, orders, users, auth, entry, never, userRoute, all, shop, carts, hidden,
				"1203 documents in shop/carts", noDocuments, noSecret,
			},
		},
		"one namespace": {
			namespace: "default", want: []string{`namespace {"name":"default","tags":["default"]}`, all},
		},
		"the pages are put right": {
			change: func(s *originaltest.Server) { s.Fixed = true }, namespace: "shop",
			want: []string{
				`namespace {"name":"shop"}`, orders, users, auth, entry, never, userRoute, shop, carts, hidden,
				"1203 documents in shop/carts", noDocuments, noSecret,
			},
		},
		"what cannot be decoded": {
			change: func(s *originaltest.Server) {
				s.Resources["default"] = map[string][]originaltest.Resource{"service": {{"name": "odd", "urls": "http://a"}}}
			},
			namespace: "default",
			want:      []string{`namespace {"name":"default","tags":["default"]}`, "unread service default/odd: urls must be a list of strings"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			from := originaltest.Start(t)
			if tt.change != nil {
				tt.change(from)
			}
			found, err := read(t, from, tt.namespace, adminclient.Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, shown(t, found)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCredentials: the three ways in which the original asks for them.
func TestCredentials(t *testing.T) {
	from := originaltest.Start(t)
	from.Authorized = func(r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return user+":"+password == "me:pw" || r.Header.Get("X-DGate-Key") == "key" || r.URL.Query().Get("key") == "key"
	}
	tests := map[string]struct {
		options adminclient.Options
		header  http.Header
		ok      bool
	}{
		"none":         {},
		"basic":        {options: adminclient.Options{User: "me", Password: "pw"}, ok: true},
		"in the URL":   {options: adminclient.Options{Address: strings.Replace(from.URL(), "://", "://me:pw@", 1)}, ok: true},
		"a key":        {header: http.Header{"X-Dgate-Key": {"key"}}, ok: true},
		"in the query": {options: adminclient.Options{Address: from.URL() + "?key=key"}, ok: true},
		"wrong":        {options: adminclient.Options{User: "me", Password: "wrong"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			found, err := read(t, from, "", tt.options, tt.header)
			if tt.ok != (err == nil) || err != nil && err.Error() != "namespaces: 401 error from server" {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

func TestNoServer(t *testing.T) {
	from := originaltest.Start(t)
	if _, err := read(t, from, "nowhere", adminclient.Options{}, nil); err == nil || err.Error() != "the server has no namespace nowhere" {
		t.Errorf("an unknown namespace: %v", err)
	}
	if _, err := read(t, from, "", adminclient.Options{Address: from.URL() + "/dgate"}, nil); err == nil || err.Error() != "namespaces: 404 error from server: 404 page not found" {
		t.Errorf("another path: %v", err)
	}
}
