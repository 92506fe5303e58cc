package cli_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const moduleSource = "export const requestHandler = (ctx) => ctx.response().send(\"hi\")\n"

const modulePayload = "ZXhwb3J0IGNvbnN0IHJlcXVlc3RIYW5kbGVyID0gKGN0eCkgPT4gY3R4LnJlc3BvbnNlKCkuc2VuZCgiaGkiKQo="

// TestReplay runs the commands that were recorded with the original dgate-cli, in an order in
// which what they need exists, and compares what creates print byte by byte. What lists and gets
// print was made up by the recording's server; here it is what was stored.
func TestReplay(t *testing.T) {
	sh := newShell(t, map[string]string{"m.ts": moduleSource})
	steps := []struct{ line, want string }{
		{"namespace create name=ns1 tags=a,b", `{
  "name": "ns1",
  "tags": [
    "a",
    "b"
  ]
}

`},
		{"namespace get name=ns1", `{
  "name": "ns1",
  "tags": [
    "a",
    "b"
  ]
}

`},
		{"namespace list", `[
  {
    "name": "default",
    "tags": [
      "default"
    ]
  },
  {
    "name": "ns1",
    "tags": [
      "a",
      "b"
    ]
  }
]

`},
		{"service create name=s namespace=ns1 urls=http://a,http://b retries:=2 retryTimeout=50ms requestTimeout:=1000000000 tlsSkipVerify=true", `{
  "name": "s",
  "urls": [
    "http://a",
    "http://b"
  ],
  "namespace": "ns1",
  "retries": 2,
  "retryTimeout": 50000000,
  "requestTimeout": 1000000000,
  "tlsSkipVerify": true
}

`},
		{"service get name=s namespace=ns1", `{
  "name": "s",
  "urls": [
    "http://a",
    "http://b"
  ],
  "namespace": "ns1",
  "retries": 2,
  "retryTimeout": 50000000,
  "connectTimeout": 0,
  "requestTimeout": 1000000000,
  "tlsSkipVerify": true,
  "http2Only": false
}

`},
		{"service list", "[]\n\n"},
		{"module create name=m payload@=FILES/m.ts moduleType=typescript namespace=ns1", `{
  "name": "m",
  "namespace": "ns1",
  "payload": "` + modulePayload + `",
  "moduleType": "typescript"
}

`},
		{"module list namespace=ns1", `[
  {
    "name": "m",
    "namespace": "ns1",
    "payload": "` + modulePayload + `",
    "moduleType": "typescript"
  }
]

`},
		{"route create name=r paths=/,/{id} methods=GET,POST modules=m service=s stripPath:=true preserveHost=false namespace=ns1", `{
  "name": "r",
  "paths": [
    "/",
    "/{id}"
  ],
  "methods": [
    "GET",
    "POST"
  ],
  "preserveHost": false,
  "stripPath": true,
  "service": "s",
  "namespace": "ns1",
  "modules": [
    "m"
  ]
}

`},
		{"route list", "[]\n\n"},
		{"route create name=r paths=/ methods=GET", `{
  "name": "r",
  "paths": [
    "/"
  ],
  "methods": [
    "GET"
  ],
  "preserveHost": false,
  "stripPath": false,
  "namespace": ""
}

`},
		{"route get name=r", `{
  "name": "r",
  "paths": [
    "/"
  ],
  "methods": [
    "GET"
  ],
  "preserveHost": false,
  "stripPath": false,
  "namespace": "default"
}

`},
		{`domain create name=d patterns:=["a.com","*.b.com"] priority:=7 namespace=ns1`, `{
  "name": "d",
  "namespace": "ns1",
  "patterns": [
    "a.com",
    "*.b.com"
  ],
  "priority": 7,
  "cert": "",
  "key": ""
}

`},
		{"domain get name=d namespace=ns1", `{
  "name": "d",
  "namespace": "ns1",
  "patterns": [
    "a.com",
    "*.b.com"
  ],
  "priority": 7,
  "cert": "",
  "key": "",
  "tls": "auto"
}

`},
		{"domain list", "[]\n\n"},
		{"domain delete name=d namespace=ns1", "\n"},
		{`collection create name=c schema:={"type":"object"} type=document visibility=public namespace=ns1`, `{
  "name": "c",
  "namespace": "ns1",
  "schema": {
    "type": "object"
  },
  "visibility": "public",
  "type": "document"
}

`},
		{"collection get name=c namespace=ns1", `{
  "name": "c",
  "namespace": "ns1",
  "schema": {
    "type": "object"
  },
  "visibility": "public",
  "type": "document"
}

`},
		{"collection list", "[]\n\n"},
		{`document create id=1 collection=c data:={"a":1} namespace=ns1`, `{
  "id": "1",
  "collection": "c",
  "namespace": "ns1",
  "data": {
    "a": 1
  }
}

`},
		{"document get id=1 collection=c namespace=ns1", `{
  "id": "1",
  "collection": "c",
  "namespace": "ns1",
  "data": {
    "a": 1
  }
}

`},
		{"document list collection=c namespace=ns1", `[
  {
    "id": "1",
    "collection": "c",
    "namespace": "ns1",
    "data": {
      "a": 1
    }
  }
]

`},
		{"document delete id=1 collection=c namespace=ns1", "\n"},
		{"document delete --all collection=c namespace=ns1", "\n"},
		{"collection delete name=c namespace=ns1", "\n"},
		{"secret create name=k data=hunter2 namespace=ns1", `{
  "name": "k",
  "namespace": "ns1",
  "data": "**redacted**"
}

`},
		{"secret get name=k namespace=ns1", `{
  "name": "k",
  "namespace": "ns1",
  "data": "**redacted**"
}

`},
		{"secret list", "[]\n\n"},
		{"secret delete name=k namespace=ns1", "\n"},
		{"route delete name=r namespace=ns1", "\n"},
		{"service delete name=s namespace=ns1", "\n"},
		{"module delete name=m namespace=ns1", "\n"},
		{"namespace delete ns1", "\n"},
		{"-a user:pw namespace list", "[\n  {\n    \"name\": \"default\",\n    \"tags\": [\n      \"default\"\n    ]\n  }\n]\n\n"},
	}
	for _, step := range steps {
		got := sh.run(t, step.line)
		got.Stdout = bare(got.Stdout)
		if diff := cmp.Diff(result{0, step.want, ""}, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", step.line, diff)
		}
	}
}
