package adminext_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestReplay sends what the original dgate-cli (v0.11.1) was recorded to send for each of its
// commands, in an order in which what they need exists. That client takes every status below 300
// for a success, and reads the data in the envelope.
func TestReplay(t *testing.T) {
	const payload = "ZXhwb3J0IGNvbnN0IHJlcXVlc3RIYW5kbGVyID0gKGN0eCkgPT4gY3R4LnJlc3BvbnNlKCkuc2VuZCgiaGkiKQo="
	s := newServer(t)
	// The recorded gets that name no namespace are of default.
	s.setUp(t,
		`PUT /dgate/api/v1/module {"name":"m","payload":"`+payload+`"}`,
		`PUT /dgate/api/v1/domain {"name":"d","patterns":["d.org"],"priority":-1}`,
		`PUT /dgate/api/v1/collection {"name":"c","schema":true}`,
		`PUT /dgate/api/v1/secret {"name":"k","data":"x"}`,
	)
	steps := []struct {
		command, request, body string
		status                 int
		data                   string // in the answer; or the error
	}{
		{"namespace create name=ns1 tags=a,b", "PUT /namespace", `{"name":"ns1","tags":["a","b"]}`, 201, `{"name":"ns1","tags":["a","b"]}`},
		{"namespace get name=ns1", "GET /namespace/ns1", "", 200, `"data":{"name":"ns1","tags":["a","b"]},`},
		{"namespace list", "GET /namespace", "", 200, `"data":[{"name":"default","tags":["default"]},{"name":"ns1","tags":["a","b"]}],`},

		{
			"service create name=s namespace=ns1 urls=http://a,http://b retries:=2 retryTimeout=50ms requestTimeout:=1000000000 tlsSkipVerify=true", "PUT /service",
			`{"name":"s","urls":["http://a","http://b"],"namespace":"ns1","retries":2,"retryTimeout":50000000,"requestTimeout":1000000000,"tlsSkipVerify":true}`,
			201, `"retries":2,"retryTimeout":50000000,"connectTimeout":0,"requestTimeout":1000000000,"tlsSkipVerify":true,`,
		},
		{"service get name=s namespace=ns1", "GET /service/s?namespace=ns1", "", 200, `"data":{"name":"s","urls":["http://a","http://b"],"namespace":"ns1",`},
		{"service list namespace=ns1", "GET /service?namespace=ns1", "", 200, `"data":[{"name":"s",`},
		{"service list", "GET /service?namespace=", "", 200, `"data":[],`},

		{"module create name=m payload@=m.ts moduleType=typescript namespace=ns1", "PUT /module", `{"name":"m","namespace":"ns1","payload":"` + payload + `","moduleType":"typescript"}`, 201, `"payload":"` + payload + `"`},
		{"module get name=m", "GET /module/m?namespace=", "", 200, `"data":{"name":"m","namespace":"default","payload":"` + payload + `","moduleType":"typescript"}`},
		{"module list", "GET /module?namespace=", "", 200, `"data":[{"name":"m","namespace":"default",`},

		{
			"route create name=r paths=/,/{id} methods=GET,POST modules=m service=s stripPath:=true preserveHost=false namespace=ns1", "PUT /route",
			`{"name":"r","paths":["/","/{id}"],"methods":["GET","POST"],"preserveHost":false,"stripPath":true,"service":"s","namespace":"ns1","modules":["m"]}`,
			201, `"paths":["/","/{id}"],"methods":["GET","POST"],"preserveHost":false,"stripPath":true,"service":"s","namespace":"ns1","modules":["m"]`,
		},
		{"route get name=r namespace=ns1", "GET /route/r?namespace=ns1", "", 200, `"data":{"name":"r",`},
		{"route list", "GET /route?namespace=", "", 200, `"data":[],`},

		{
			`domain create name=d patterns:=["a.com","*.b.com"] priority:=7 namespace=ns1`, "PUT /domain",
			`{"name":"d","namespace":"ns1","patterns":["a.com","*.b.com"],"priority":7,"cert":"","key":""}`,
			201, `"data":[{"name":"d","namespace":"ns1","patterns":["a.com","*.b.com"],"priority":7,"cert":"","key":"",`,
		},
		{"domain get name=d", "GET /domain/d?namespace=", "", 200, `"data":{"name":"d","namespace":"default","patterns":["d.org"],"priority":-1,"cert":"","key":"",`},
		{"domain list", "GET /domain?namespace=", "", 200, `"priority":-1,`},

		{
			`collection create name=c schema:={"type":"object"} type=document visibility=public namespace=ns1`, "PUT /collection",
			`{"name":"c","namespace":"ns1","schema":{"type":"object"},"visibility":"public","type":"document"}`,
			201, `"data":[{"name":"c","namespace":"ns1","schema":{"type":"object"},"visibility":"public","type":"document"}]`,
		},
		{"collection get name=c", "GET /collection/c?namespace=", "", 200, `"data":{"name":"c","namespace":"default","schema":true,`},
		{"collection list", "GET /collection?namespace=", "", 200, `"data":[{"name":"c",`},

		{
			`document create id=1 collection=c data:={"a":1} namespace=ns1`, "PUT /document",
			`{"id":"1","createdAt":"0001-01-01T00:00:00Z","updatedAt":"0001-01-01T00:00:00Z","namespace":"ns1","collection":"c","data":{"a":1}}`,
			201, `"data":{"a":1}`,
		},
		{"document get id=1 collection=c namespace=ns1", "GET /document/1?collection=c&namespace=ns1", "", 200, `"data":{"id":"1",`},
		{"document list collection=c namespace=ns1", "GET /document?collection=c&namespace=ns1", "", 200, `"data":[{"id":"1",`},
		// These do not say which collection they are about: that client leaves out what it was given.
		{"document delete id=1 collection=c namespace=ns1", "DELETE /document/1", "", 400, `"error":"collection is required"`},
		{"document delete --all collection=c namespace=ns1", "DELETE /document", "", 400, `"error":"collection is required"`},

		{"secret create name=k data=hunter2 namespace=ns1", "PUT /secret", `{"name":"k","namespace":"ns1","data":"hunter2"}`, 201, `"data":[{"name":"k","namespace":"ns1","data":"**redacted**"}]`},
		{"secret get name=k", "GET /secret/k?namespace=", "", 200, `"data":{"name":"k","namespace":"default","data":"**redacted**"}`},
		{"secret list", "GET /secret?namespace=", "", 200, `"data":[{"name":"k",`},

		{"secret delete name=k namespace=ns1", "DELETE /secret", `{"name":"k","namespace":"ns1"}`, 202, ""},
		{"route delete name=r namespace=ns1", "DELETE /route", `{"name":"r","namespace":"ns1"}`, 202, ""},
		{"service delete name=s namespace=ns1", "DELETE /service", `{"name":"s","namespace":"ns1"}`, 204, ""},
		{"module delete name=m", "DELETE /module", `{"name":"m","namespace":""}`, 202, ""},
		{"domain delete name=d namespace=ns1", "DELETE /domain", `{"name":"d","namespace":"ns1"}`, 202, ""},
		{"document delete --all, with the query that it lacks", "DELETE /document?collection=c&namespace=ns1", "", 202, ""},
		{"collection delete name=c namespace=ns1", "DELETE /collection", `{"name":"c","namespace":"ns1"}`, 202, ""},
		{"module delete name=m namespace=ns1", "DELETE /module", `{"name":"m","namespace":"ns1"}`, 202, ""},
		{"namespace delete ns1", "DELETE /namespace", `{"name":"ns1","namespace":""}`, 202, ""},
		{"-a user:pw namespace list", "GET /namespace", "", 200, `"data":[{"name":"default",`},
		{"-Vf namespace create name=v", "PUT /namespace", `{"name":"v"}`, 201, `{"name":"v"}`},
	}
	for _, step := range steps {
		method, path, _ := strings.Cut(step.request, " ")
		headers := []string{"User-Agent", "DGate CLI dev;os=linux;arch=amd64"}
		if method == http.MethodPut {
			headers = append(headers, "Content-Type", "application/json")
		}
		if strings.HasPrefix(step.command, "-a ") {
			headers = append(headers, "Authorization", "Basic dXNlcjpwdw==")
		}
		got := s.send(t, method, "/dgate/api/v1"+path, step.body, headers...)
		if got.status != step.status || !strings.Contains(bare(got.body), step.data) || step.data == "" && got.body != "" {
			t.Errorf("%s: %d %s\nwant %d with %s", step.command, got.status, bare(got.body), step.status, step.data)
		}
	}
}
