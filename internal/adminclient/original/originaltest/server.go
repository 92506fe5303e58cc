// Package originaltest has a stand-in for a running original DGate (Go, v0.11.1), as far as GET
// requests show one: with its envelopes and statuses, and with its mistakes.
package originaltest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
)

// Server is a stand-in. Its fields may be set before it is asked.
type Server struct {
	// Namespaces, and by their names what is in them. A resource has the fields that were sent to
	// the server; kinds have their singular names, and documents are by collection.
	Namespaces []Resource
	Resources  map[string]map[string][]Resource
	Documents  map[string]map[string][]Resource
	// Authorized, if set, tells whether a request may be answered.
	Authorized func(*http.Request) bool
	// Fixed tells that limit and offset are what they are called.
	Fixed bool

	url string
}

// Resource is a JSON object.
type Resource = map[string]any

// Start starts a server with something of every kind, in two namespaces.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{
		Namespaces: []Resource{{"name": "default", "tags": []string{"default"}}, {"name": "shop"}},
		Resources: map[string]map[string][]Resource{
			"default": {"domain": {{"name": "all", "patterns": []string{"*"}, "priority": -1, "cert": "", "key": ""}}},
			"shop": {
				"service": {service("orders"), service("users")},
				"module": {
					{"name": "auth", "payload": "ZXhwb3J0IGNvbnN0IG9rID0gdHJ1ZTsK"},
					{"name": "b-entry", "payload": "ZXhwb3J0IGNvbnN0IHJlcXVlc3RNb2RpZmllciA9ICgpID0+IHt9Owo="},
				},
				"route": {
					{"name": "never", "paths": nil, "methods": []string{"GET"}, "preserveHost": false, "stripPath": false},
					{"name": "users", "paths": []string{"/users/*"}, "methods": []string{"GET", "POST"}, "preserveHost": false, "stripPath": true, "service": "users", "modules": []string{"b-entry", "auth"}},
				},
				"domain":     {{"name": "shop", "patterns": []string{"shop.example.com", "*.shop.example.com"}, "priority": 7, "cert": "", "key": ""}},
				"collection": {{"name": "carts", "schema": Resource{"type": "object"}, "visibility": "public"}, {"name": "hidden", "schema": Resource{}, "visibility": "private"}},
				"secret":     {{"name": "stripe", "data": "hunter2"}},
			},
		},
		Documents: map[string]map[string][]Resource{"shop": {"carts": nil, "hidden": {{"id": "x", "data": 1}}}},
	}
	for i := range 1203 {
		s.Documents["shop"]["carts"] = append(s.Documents["shop"]["carts"], Resource{"id": fmt.Sprintf("c%04d", i), "data": Resource{"items": i}})
	}
	srv := httptest.NewServer(s)
	tb.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// URL is the address of the server.
func (s *Server) URL() string { return s.url }

func service(name string) Resource {
	return Resource{
		"name": name, "urls": []string{"http://" + name + ".internal:8080"}, "retries": 3, "retryTimeout": 50000000,
		"connectTimeout": 0, "requestTimeout": 0, "tlsSkipVerify": false, "http2Only": false,
	}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Authorized != nil && !s.Authorized(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="Access to DGate Admin API"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespace", func(w http.ResponseWriter, _ *http.Request) { list(w, http.StatusOK, s.Namespaces) })
	mux.HandleFunc("GET /api/v1/document", s.documents)
	mux.HandleFunc("GET /api/v1/domain/{name}", s.domain)
	mux.HandleFunc("GET /api/v1/{kind}", s.list)
	mux.ServeHTTP(w, r)
}

func (s *Server) namespace(r *http.Request) string {
	if name := r.URL.Query().Get("namespace"); name != "" {
		return name
	}
	return "default"
}

// known tells whether there is a namespace.
func (s *Server) known(name string) bool {
	return slices.ContainsFunc(s.Namespaces, func(n Resource) bool { return n["name"] == name })
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	kind, namespace := r.PathValue("kind"), s.namespace(r)
	if !s.known(namespace) && kind != "collection" {
		fail(w, http.StatusBadRequest, "namespace not found: "+namespace)
		return
	}
	var all []Resource
	for _, res := range s.Resources[namespace][kind] {
		shown := Resource{"namespace": namespace}
		maps.Copy(shown, res)
		switch kind {
		case "domain":
			shown["priority"] = 0
		case "collection":
			shown["type"] = ""
		case "secret":
			shown["data"] = "**redacted**"
		}
		all = append(all, shown)
	}
	status := http.StatusOK
	if kind == "route" || kind == "module" {
		status = http.StatusCreated
	}
	list(w, status, all)
}

// domain shows what that server has in memory.
func (s *Server) domain(w http.ResponseWriter, r *http.Request) {
	namespace := s.namespace(r)
	for _, d := range s.Resources[namespace]["domain"] {
		if d["name"] == r.PathValue("name") {
			write(w, http.StatusOK, Resource{"status_code": 200, "data": Resource{
				"name": d["name"], "namespace": Resource{"name": namespace, "tags": nil}, "pattern": d["patterns"], "priority": d["priority"],
				"cert": d["cert"], "key": d["key"], "created_at": "0001-01-01T00:00:00Z", "updated_at": "0001-01-01T00:00:00Z",
			}})
			return
		}
	}
	fail(w, http.StatusNotFound, "domain not found")
}

func (s *Server) documents(w http.ResponseWriter, r *http.Request) {
	namespace, collection := s.namespace(r), r.URL.Query().Get("collection")
	i := slices.IndexFunc(s.Resources[namespace]["collection"], func(c Resource) bool { return c["name"] == collection })
	switch {
	case i < 0:
		fail(w, http.StatusNotFound, "collection not found")
		return
	case s.Resources[namespace]["collection"][i]["visibility"] == "private":
		fail(w, http.StatusForbidden, "collection is private")
		return
	}
	limit, offset := number(r, "limit", 100), number(r, "offset", 0)
	behind, most := limit, offset-1 // they are passed on the wrong way round, and counted wrongly
	if s.Fixed {
		behind, most = offset, limit
	}
	var all []Resource
	for _, d := range s.Documents[namespace][collection][min(behind, len(s.Documents[namespace][collection])):] {
		if len(all) >= most {
			break
		}
		all = append(all, Resource{
			"id": d["id"], "createdAt": "0001-01-01T00:00:00Z", "updatedAt": "0001-01-01T00:00:00Z",
			"namespace": namespace, "collection": collection, "data": d["data"],
		})
	}
	write(w, http.StatusOK, Resource{"collection": collection, "count": len(all), "documents": all, "limit": limit, "namespace": namespace, "offset": offset})
}

func number(r *http.Request, name string, absent int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return n
	}
	return absent
}

func list(w http.ResponseWriter, status int, all []Resource) {
	if all == nil {
		all = []Resource{}
	}
	write(w, status, Resource{"count": len(all), "data": all, "status_code": status})
}

func fail(w http.ResponseWriter, status int, text string) {
	write(w, status, Resource{"error": text, "status": status})
}

func write(w http.ResponseWriter, status int, body Resource) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // a mistake of the test that filled the server
	}
	_, _ = w.Write(data)
}
