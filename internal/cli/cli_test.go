package cli_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestCommands(t *testing.T) {
	created := func(name string) string { return "{\n  \"name\": \"" + name + "\"\n}\n\n" }
	users := []string{"col mk users"}
	two := append(users[:1:1], "doc mk a collection=users data:={\"x\":1}", "doc mk b collection=users data:=2")
	const alice = "{\n  \"id\": \"alice\",\n  \"collection\": \"users\",\n  \"namespace\": \"\",\n  \"data\": {\n    \"age\": 42\n  }\n}\n\n"
	const redacted = "{\n  \"name\": \"k\",\n  \"namespace\": \"\",\n  \"data\": \"**redacted**\"\n}\n\n"
	tests := map[string]struct {
		before []string
		line   string
		stdin  string
		env    map[string]string
		want   result
	}{
		"aliases":                         {line: "ns mk name=a", want: result{0, created("a"), ""}},
		"put":                             {line: "namespaces put a", want: result{0, created("a"), ""}},
		"named twice, the same":           {line: "ns mk a name=a", want: result{0, created("a"), ""}},
		"named twice":                     {line: "ns mk a name=b", want: result{1, "", "input error: name is given twice\n"}},
		"positional delete":               {before: []string{"ns mk a"}, line: "ns rm a", want: result{0, "\n", ""}},
		"delete by key":                   {before: []string{"ns mk a"}, line: "ns rm name=a", want: result{0, "\n", ""}},
		"delete nothing":                  {line: "ns rm", want: result{1, "", "missing required keys: name\n"}},
		"delete two":                      {line: "ns rm a b", want: result{1, "", "input error: unexpected argument \"b\"; values are given as key=value\n"}},
		"delete the absent":               {line: "svc rm zz", want: result{1, "", "404 error from server: service not found: zz\n"}},
		"health of the absent":            {line: "svc health zz", want: result{1, "", "404 error from server: service not found\n"}},
		"health":                          {before: []string{"svc mk s urls=http://a"}, line: "svc health s -o yaml", want: result{0, "checks:\n  - active\nupstreams:\n  - url: http://s.default\n    address: s:80\n    healthy: false\n    requests: 0\n    fails: 1\n\n", ""}},
		"get the absent":                  {line: "ns get zz", want: result{1, "", "404 error from server: namespace not found\n"}},
		"get by position":                 {before: []string{"ns mk a"}, line: "ns get a -o table", want: result{0, "NAME\na\n\n", ""}},
		"missing, only those":             {line: "svc mk name=s", want: result{1, "", "missing required keys: urls\n"}},
		"missing, all":                    {line: "rt mk", want: result{1, "", "missing required keys: name, paths, methods\n"}},
		"unknown key":                     {line: "svc mk s urls=http://a retrys=2", want: result{1, "", "input error: unused keys found - retrys; did you mean retries?\n"}},
		"unknown keys":                    {line: "ns mk a foo=1 bar=2", want: result{1, "", "input error: unused keys found - foo, bar; the keys are name, tags\n"}},
		"a key that get does not take":    {line: "svc get s urls=http://a", want: result{1, "", "input error: unused keys found - urls; the keys are namespace, name\n"}},
		"no key":                          {line: "ns mk a =x", want: result{1, "", "invalid key-value pair: =x\n"}},
		"no key for json":                 {line: "ns mk a :=x", want: result{1, "", "invalid key-value pair: :=x\n"}},
		"bad json":                        {line: "ns mk a tags:=[", want: result{1, "", "error parsing values: invalid json for key 'tags'\n"}},
		"no such file":                    {line: "mod mk m payload@=FILES/none", want: result{1, "", "error reading file: open FILES/none: no such file or directory\n"}},
		"empty file name":                 {line: "mod mk m payload@=", want: result{1, "", "400 error from server: payload is required\n"}},
		"no unit":                         {line: "svc mk s urls=http://a retryTimeout=50", want: result{1, "", "input error: error decoding 'retryTimeout': time: missing unit in duration \"50\"\n"}},
		"no bool":                         {line: "svc mk s urls=http://a http2Only=yes", want: result{1, "", "input error: http2Only must be true or false, not \"yes\"\n"}},
		"no number":                       {line: "svc mk s urls=http://a retries=x", want: result{1, "", "input error: retries must be a whole number, not \"x\"\n"}},
		"refused by the server":           {line: "rt mk r paths=/ methods=get", want: result{1, "", "400 error from server: unsupported method: get\n"}},
		"unknown namespace":               {line: "svc ls -n zz", want: result{1, "", "400 error from server: namespace not found: zz\n"}},
		"namespace twice":                 {line: "svc ls -n a namespace=b", want: result{1, "", "input error: namespace is given twice\n"}},
		"namespaces have no namespace":    {line: "ns mk -n b a", want: result{0, created("a"), ""}},
		"a word behind the name":          {line: "svc mk name=s urls=http://a stray", want: result{1, "", "input error: unexpected argument \"stray\"; values are given as key=value\n"}},
		"the name at the end":             {line: "ns mk tags=x a", want: result{0, "{\n  \"name\": \"a\",\n  \"tags\": [\n    \"x\"\n  ]\n}\n\n", ""}},
		"no number of this size":          {line: "svc mk s urls=http://a retries=99999999999999999999", want: result{1, "", "input error: error decoding 'retries': \"99999999999999999999\": value out of range\n"}},
		"no milliseconds":                 {line: "svc mk s urls=http://a retry_timeout_ms=1s", want: result{1, "", "input error: retry_timeout_ms must be a whole number of milliseconds, not \"1s\"\n"}},
		"spaces in a list":                {line: "ns mk a tags=␣x,␣y␣", want: result{0, "{\n  \"name\": \"a\",\n  \"tags\": [\n    \"x\",\n    \"y\"\n  ]\n}\n\n", ""}},
		"only spaces in a list":           {line: "ns mk a tags=␣", want: result{0, "{\n  \"name\": \"a\",\n  \"tags\": []\n}\n\n", ""}},
		"JSON as a list of words":         {line: "rt mk r paths=/ methods=GET modules=[\"a\"]", want: result{1, "", "input error: modules takes words between commas; a JSON list is written modules:='[\"a\"]'\n"}},
		"get in all namespaces":           {line: "-n * svc get x", want: result{1, "", "input error: * as a namespace is for list only\n"}},
		"delete in all namespaces":        {line: "svc rm x namespace=*", want: result{1, "", "input error: * as a namespace is for list only\n"}},
		"create in all namespaces":        {line: "svc mk x urls=http://a -n *", want: result{1, "", "input error: * as a namespace is for list only\n"}},
		"a file's name as its content":    {line: "mod mk m payload=hi.ts", want: result{1, "", "400 error from server: payload must be base64 (standard alphabet, padded); to send a file: payload@=hi.ts\n"}},
		"another mistake":                 {line: "mod mk m payload=eA== type=x", want: result{1, "", "400 error from server: moduleType must be typescript or javascript\n"}},
		"the source of a module":          {before: []string{"mod mk m payload@=FILES/tags"}, line: "mod get m -o source", want: result{0, "x,y\n", ""}},
		"the source of a service":         {line: "svc get s -o source", want: result{1, "", "output source is for module get\n"}},
		"the source of a list":            {line: "mod ls -o source", want: result{1, "", "output source is for module get\n"}},
		"the source of a status":          {line: "status -o source", want: result{1, "", "output source is for module get\n"}},
		"nothing is written for it":       {line: "mod mk m payload=eA== -o source", want: result{1, "", "output source is for module get\n"}},
		"zeros in a table":                {before: []string{"svc mk s urls=http://a retries=0"}, line: "svc ls -o table", want: result{0, "NAME  NAMESPACE  URLS      RETRIES\ns     default    http://a  0\n\n", ""}},
		"members in a table":              {line: "cluster members -o table", want: result{0, "NAME  ID  ADDRESS  ROLE   STATE           APPLIED  LAG  VERSION  PROBLEM\ntest  n1           voter  leader (asked)  0        0    dev\n\n", ""}},
		"a bad name":                      {line: "ns mk a/b", want: result{1, "", "400 error from server: name may only have ASCII letters, digits, '.', '_' and '-'\n"}},
		"dots as a name":                  {line: "ns rm ..", want: result{1, "", "404 error from server: namespace not found\n"}},
		"unknown command":                 {line: "bogus", want: result{1, "", "unknown command \"bogus\" for \"dgate-cli\"\n"}},
		"unknown subcommand":              {line: "ns bogus", want: result{3, "", "No help topic for 'bogus'\n"}},
		"unknown help topic":              {line: "help bogus", want: result{3, "", "No help topic for 'bogus'\n"}},
		"unknown help topic of a noun":    {line: "ns help bogus", want: result{3, "", "No help topic for 'bogus'\n"}},
		"unknown flag":                    {line: "ns ls --bogus", want: result{1, "", "unknown flag: --bogus\n"}},
		"unknown output":                  {line: "ns ls -o xml", want: result{1, "", "output must be one of json, yaml, table, source\n"}},
		"version":                         {line: "--version", want: result{0, "dgate-cli version test\n", ""}},
		"version, short":                  {line: "ns ls -v", want: result{0, "dgate-cli version test\n", ""}},
		"password":                        {line: "-a me ns mk a", stdin: "secret\n", want: result{0, created("a"), "password for me:\n"}},
		"password, environment":           {line: "ns mk a", env: map[string]string{"DGATE_ADMIN_AUTH": "me"}, stdin: "x", want: result{0, created("a"), "password for me:\n"}},
		"no password":                     {line: "-a me ns mk a", want: result{1, "", "password for me:\nno password given\n"}},
		"host is empty":                   {line: "--admin= ns ls", want: result{1, "", "host is empty\n"}},
		"a scheme alone":                  {line: "--admin :// ns ls", want: result{1, "", "admin address: missing protocol scheme\n"}},
		"the flag wins":                   {line: "--admin ftp://x ns ls", want: result{1, "", "admin address: the scheme must be http or https, not \"ftp\"\n"}},
		"file into a list":                {line: "ns mk a tags@=FILES/tags", want: result{0, "{\n  \"name\": \"a\",\n  \"tags\": [\n    \"x\",\n    \"y\"\n  ]\n}\n\n", ""}},
		"a module's type by its file":     {line: "mod mk m payload@=FILES/m.js", want: result{0, "{\n  \"name\": \"m\",\n  \"namespace\": \"\",\n  \"payload\": \"eA==\",\n  \"moduleType\": \"javascript\"\n}\n\n", ""}},
		"a module's type as given":        {line: "mod mk m payload@=FILES/m.js type=typescript", want: result{0, "{\n  \"name\": \"m\",\n  \"namespace\": \"\",\n  \"payload\": \"eA==\",\n  \"moduleType\": \"typescript\"\n}\n\n", ""}},
		"a module from the input":         {line: "mod mk m payload@=-", stdin: "x", want: result{0, "{\n  \"name\": \"m\",\n  \"namespace\": \"\",\n  \"payload\": \"eA==\"\n}\n\n", ""}},
		"a module as base64":              {line: "mod mk m payload=eA==", want: result{0, "{\n  \"name\": \"m\",\n  \"namespace\": \"\",\n  \"payload\": \"eA==\"\n}\n\n", ""}},
		"fractions are cut off":           {line: "svc mk s urls:=\"http://a,http://b\" retries:=1.5 retry_timeout_ms=5 -n default", want: result{0, "{\n  \"name\": \"s\",\n  \"urls\": [\n    \"http://a\",\n    \"http://b\"\n  ],\n  \"namespace\": \"default\",\n  \"retries\": 1,\n  \"retryTimeout\": 5000000\n}\n\n", ""}},
		"table":                           {before: []string{"svc mk s urls=http://a,http://b retryTimeout=50ms", "svc mk t urls=http://c http2Only=t"}, line: "svc ls -o table", want: result{0, "NAME  NAMESPACE  URLS               RETRIES  RETRYTIMEOUT  HTTP2ONLY\ns     default    http://a,http://b  3        50ms          false\nt     default    http://c           3        0s            true\n\n", ""}},
		"an empty table":                  {line: "svc ls -o table", want: result{0, "NAME  NAMESPACE\n\n", ""}},
		"all namespaces":                  {before: []string{"ns mk b", "svc mk s urls=http://a -n b"}, line: "svc ls -n * -o table", want: result{0, "NAME  NAMESPACE  URLS      RETRIES\ns     b          http://a  3\n\n", ""}},
		"yaml":                            {before: []string{"mod mk m payload=eA== tags=x,yes"}, line: "mod mk -oyaml n payload=eA== tags=x,yes,1", want: result{0, "name: \"n\"\nnamespace: \"\"\npayload: eA==\ntags:\n  - x\n  - \"yes\"\n  - \"1\"\n\n", ""}},
		"cluster without a word":          {line: "cluster bogus", want: result{3, "", "No help topic for 'bogus'\n"}},
		"members":                         {line: "cluster members -o yaml", want: result{0, "- id: n1\n  name: test\n  address: \"\"\n  role: voter\n  leader: true\n  self: true\n  reachable: true\n  version: dev\n  applied: 0\n  lag: 0\n  hash: \"\"\n  storage: ok\n\n", ""}},
		"a value with an equals sign":     {line: "svc mk s urls=http://a/?x=y", want: result{0, "{\n  \"name\": \"s\",\n  \"urls\": [\n    \"http://a/?x=y\"\n  ],\n  \"namespace\": \"\"\n}\n\n", ""}},
		"an operator inside a value":      {line: "ns mk a tags=b@=c:=d", want: result{0, "{\n  \"name\": \"a\",\n  \"tags\": [\n    \"b@=c:=d\"\n  ]\n}\n\n", ""}},
		"the server's word for two ways":  {line: "svc mk s urls=a,ftp://b retries=-1", want: result{1, "", "400 error from server: urls[0] must begin with a scheme: http, https, h2c, ws or wss; urls[1] must have the scheme http, https, h2c, ws or wss; retries must be from 0 to 100\n"}},
		"a document":                      {before: users, line: "doc mk alice collection=users data:={\"age\":42}", want: result{0, alice, ""}},
		"a document from a file":          {before: users, line: "doc mk alice collection=users data@=FILES/alice.json", want: result{0, alice, ""}},
		"a document from the input":       {before: users, line: "doc mk id=alice collection=users data@=-", stdin: `{"age":42}`, want: result{0, alice, ""}},
		"a document that is text":         {before: users, line: "doc mk bob collection=users data=text -n default", want: result{0, "{\n  \"id\": \"bob\",\n  \"collection\": \"users\",\n  \"namespace\": \"default\",\n  \"data\": \"text\"\n}\n\n", ""}},
		"a document, JSON as text":        {before: users, line: "doc mk bob collection=users data={}", want: result{1, "", "input error: data=… is text; JSON is written data:='{…}', and that of a file data@=<file>\n"}},
		"a document, no JSON":             {before: users, line: "doc mk bob collection=users data@=FILES/tags", want: result{1, "", "error parsing values: invalid json for key 'data'\n"}},
		"a document without collection":   {line: "doc mk bob data:=1", want: result{1, "", "missing required keys: collection\n"}},
		"a document's id":                 {before: slices.Concat(users, []string{"doc mk a/b␣c collection=users data:=1"}), line: "doc get a/b␣c collection=users -o table", want: result{0, "ID     COLLECTION  NAMESPACE  DATA\na/b c  users       default    1\n\n", ""}},
		"get a document of no collection": {line: "doc get alice", want: result{1, "", "missing required keys: collection\n"}},
		"list documents":                  {before: two, line: "doc ls collection=users -o table", want: result{0, "ID  COLLECTION  NAMESPACE  DATA\na   users       default    {\"x\":1}\nb   users       default    2\n\n", ""}},
		"list a page of documents":        {before: two, line: "doc ls collection=users -o table --limit 1", want: result{0, "ID  COLLECTION  NAMESPACE  DATA\na   users       default    {\"x\":1}\n\n", "there may be more: --offset 1\n"}},
		"list the rest of documents":      {before: two, line: "doc ls collection=users -o table --offset 1", want: result{0, "ID  COLLECTION  NAMESPACE  DATA\nb   users       default    2\n\n", ""}},
		"list documents of no collection": {line: "doc ls", want: result{1, "", "missing required keys: collection\n"}},
		"list documents everywhere":       {line: "doc ls collection=users -n *", want: result{1, "", "input error: documents are of one collection, in one namespace and not in *\n"}},
		"delete a document":               {before: two, line: "doc rm a collection=users", want: result{0, "\n", ""}},
		"delete documents":                {before: slices.Concat(two, []string{"doc rm --all collection=users"}), line: "col rm users", want: result{0, "\n", ""}},
		"delete documents and one":        {before: two, line: "doc rm a --all collection=users", want: result{1, "", "input error: either an id or --all, not both\n"}},
		"delete a document of nothing":    {line: "doc rm --all", want: result{1, "", "missing required keys: collection\n"}},
		"all services":                    {line: "svc rm --all", want: result{1, "", "unknown flag: --all\n"}},
		"a collection, schema of a file":  {line: "col mk users schema@=FILES/alice.json visibility=public", want: result{0, "{\n  \"name\": \"users\",\n  \"namespace\": \"\",\n  \"schema\": {\n    \"age\": 42\n  },\n  \"visibility\": \"public\"\n}\n\n", ""}},
		"a secret":                        {line: "secret mk k data=hunter2", want: result{0, redacted, ""}},
		"a secret of the input":           {line: "secret mk k data@=-", stdin: "hunter2\n", want: result{0, redacted, ""}},
		"a secret as yaml":                {line: "secret mk k data@=FILES/tags -oyaml", want: result{0, "name: k\nnamespace: \"\"\ndata: '**redacted**'\n\n", ""}},
		"get a secret":                    {before: []string{"sec mk k data=hunter2"}, line: "sec get k -o table", want: result{0, "NAME  NAMESPACE\nk     default\n\n", ""}},
		"a secret of nothing":             {line: "sec mk k data=", want: result{1, "", "400 error from server: data is required\n"}},
		"a secret that is too large":      {line: "sec mk k data@=FILES/large", want: result{1, "", "400 error from server: data must not be larger than 65536 bytes\n"}},
		"a secret that is no text":        {line: "sec mk k data:=[\"hunter2\"]", want: result{1, "", "400 error from server: data must be a string\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sh := newShell(t, map[string]string{"m.js": "x", "tags": "x,y\n", "alice.json": `{"age":42}` + "\n", "large": strings.Repeat("x", 70_000)})
			sh.must(t, tt.before...)
			sh.stdin = tt.stdin
			maps.Copy(sh.env, tt.env)
			if diff := cmp.Diff(tt.want, sh.run(t, tt.line)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.line, diff)
			}
		})
	}
}

// TestVerbose: one line for each request, then what is printed anyway.
func TestVerbose(t *testing.T) {
	sh := newShell(t, nil)
	want := regexp.MustCompile(`^HTTP/1\.1 PUT http://HOST/dgate/api/v1/namespace/v - 201 Created [0-9.]+.?s\n\{\n  "name": "v"\n\}\n\n$`)
	for _, line := range []string{"-Vf namespace create name=v", "namespace create name=v -V", "namespace -V create name=v"} {
		if got := sh.run(t, line); !want.MatchString(got.Stdout) || got.Code != 0 {
			t.Errorf("%s: %+v", line, got)
		}
		sh.must(t, "ns rm v")
	}
}

func TestHelp(t *testing.T) {
	sh := newShell(t, nil)
	root := sh.run(t, "")
	for _, line := range []string{"help", "-h", "--help", "h"} {
		if diff := cmp.Diff(root, sh.run(t, line)); diff != "" || root.Code != 0 {
			t.Errorf("%s (-no arguments +got):\n%s", line, diff)
		}
	}
	for _, kind := range resource.All {
		if !strings.Contains(root.Stdout, "  "+kind.Name+" ") {
			t.Errorf("help does not name %s", kind.Name)
		}
		for _, line := range []string{kind.Name, kind.Name + " help", kind.Name + " create --help", "help " + kind.Name + " mk", kind.Name + " help create"} {
			got := sh.run(t, line)
			if got.Code != 0 || got.Stderr != "" {
				t.Errorf("%s: %+v", line, got)
			}
			for _, f := range kind.Fields {
				if !strings.Contains(got.Stdout, "\n  "+f.Name+" ") || !strings.Contains(got.Stdout, f.Help) {
					t.Errorf("%s does not describe %s", line, f.Name)
				}
			}
		}
	}
	for line, want := range map[string]string{
		"ns help":              "List the namespaces\n",
		"svc help":             "List the services of a namespace\n",
		"help":                 "Show the nodes, add and remove some\n",
		"module create --help": "\n  dgate-cli module create hi payload@=hi.ts\n",
		"route create -h":      "\n  dgate-cli route create hi paths=",
		"svc mk -h":            "\n  dgate-cli service create users urls=http",
		"doc help":             "List the documents of a collection\n",
		"doc ls -h":            "      --limit int ",
		"secret create -h":     "\n  dgate-cli secret create api-key data@=- <",
		"mod get -h":           "\n  dgate-cli module get hi -o source > hi.ts\n",
	} {
		if got := sh.run(t, line); !strings.Contains(got.Stdout, want) {
			t.Errorf("%s lacks %q:\n%s", line, want, got.Stdout)
		}
	}
	if strings.Contains(root.Stdout, sh.url) {
		t.Error("help shows the environment")
	}
}

func TestCompletion(t *testing.T) {
	sh := newShell(t, nil)
	tests := map[string]struct{ line, want string }{
		"nouns":             {"__completeNoDesc rou", "route\n:4\n"},
		"verbs":             {"__completeNoDesc route cre", "create\n:4\n"},
		"keys":              {"__completeNoDesc ns create na", "name=\ntags=\n:6\n"},
		"keys that are new": {"__completeNoDesc ns create name=x t", "tags=\n:6\n"},
		"files":             {"__completeNoDesc module create name=x payload@=", ":0\n"},
		"JSON and secrets":  {"__completeNoDesc secret create name=x d", "namespace=\ndata@=\ntags=\n:6\n"},
		"documents":         {"__completeNoDesc doc create d", "id=\ncollection=\nnamespace=\ndata:=\n:6\n"},
		"formats":           {"__completeNoDesc ns ls -o y", "json\nyaml\ntable\nsource\n:4\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := sh.run(t, tt.line); got.Stdout != tt.want || got.Code != 0 {
				t.Errorf("%+v, want %q", got, tt.want)
			}
		})
	}
	if got := sh.run(t, "completion bash"); got.Code != 0 || !strings.Contains(got.Stdout, "dgate-cli") {
		t.Errorf("completion bash: %d", got.Code)
	}
}

func TestStatus(t *testing.T) {
	sh := newShell(t, nil)
	for _, line := range []string{"status", "cluster status"} {
		if got := sh.run(t, line); got.Code != 0 || !strings.Contains(got.Stdout, `"role": "leader"`) {
			t.Errorf("%s: %+v", line, got)
		}
	}
	want := regexp.MustCompile(`^id +n1
(?s:.*)
role +leader
(?s:.*)
hash +[0-9a-f]{64}
faultTolerance +0
table\.index +\d+
storage +ok

NAME +ID +ADDRESS +ROLE +STATE +APPLIED +LAG +VERSION +PROBLEM
test +n1 +voter +leader \(asked\) +0 +0 +dev

$`)
	if got := sh.run(t, "status -o table"); !want.MatchString(got.Stdout) {
		t.Errorf("as a table: %s", got.Stdout)
	}
	if got := sh.run(t, "changelog"); got.Code != 0 || !strings.Contains(got.Stdout, `"count": `) {
		t.Errorf("changelog: %+v", got)
	}
	sh.must(t, "cluster snapshot")
}
