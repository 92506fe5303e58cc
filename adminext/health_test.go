package adminext_test

import "testing"

// TestServiceHealth asks for the upstreams of services that are there and of others.
func TestServiceHealth(t *testing.T) {
	const svc1 = `{"data":{"checks":["active"],"upstreams":[{"url":"http://svc1.ns1","address":"svc1:80","healthy":false,"requests":0,"fails":1}]},"status_code":200}`
	tests := map[string]struct {
		method, path string
		status       int
		body         string
	}{
		"a service":        {"GET", "service/ns1/svc1/health", 200, svc1},
		"an absent one":    {"GET", "service/ns1/zz/health", 404, `{"error":"service not found","status":404,"code":"not_found"}` + "\n"},
		"no name":          {"GET", "service/ns1/%2F/health", 404, `{"error":"service not found","status":404,"code":"not_found"}` + "\n"},
		"what has none":    {"GET", "route/ns1/r1/health", 404, `{"error":"page not found","status":404,"code":"not_found"}` + "\n"},
		"something else":   {"GET", "service/ns1/svc1/age", 404, `{"error":"page not found","status":404,"code":"not_found"}` + "\n"},
		"it is only shown": {"PUT", "service/ns1/svc1/health", 405, `{"error":"method not allowed; this path has GET, HEAD","status":405,"code":"method_not_allowed"}` + "\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.setUp(t, someOfEverything...)
			got := s.send(t, tt.method, "/dgate/api/v1/"+tt.path, "")
			if got.status != tt.status || got.body != tt.body {
				t.Errorf("%d %s, want %d %s", got.status, got.body, tt.status, tt.body)
			}
		})
	}
}
