package state_test

import (
	"context"
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/change/changetest"
	"github.com/dgate-io/caddy-dgate/internal/js"
	"github.com/dgate-io/caddy-dgate/internal/js/host/hosttest"
	hoststate "github.com/dgate-io/caddy-dgate/internal/js/host/state"
	"github.com/dgate-io/caddy-dgate/internal/moduledata"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// world is a store with the namespaces a and b. Each has the collections people, whose documents
// must have a name, and shared, which is public.
type world struct{ writer *change.Writer }

func newWorld(tb testing.TB) world {
	w := world{&change.Writer{Store: changetest.New(tb)}}
	schema := []byte(`{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}`)
	for _, ns := range []string{"a", "b"} {
		w.put(tb, &resource.Namespace{Name: ns})
		w.put(tb, &resource.Collection{Namespace: ns, Name: "people", Schema: schema})
		w.put(tb, &resource.Collection{Namespace: ns, Name: "shared", Visibility: resource.Public})
		w.put(tb, &resource.Document{Namespace: ns, Collection: "people", ID: "1", Data: []byte(`{"name":"of ` + ns + `"}`)})
		w.put(tb, &resource.Document{Namespace: ns, Collection: "shared", ID: "1", Data: []byte(`"of ` + ns + `"`)})
	}
	return w
}

func (w world) put(tb testing.TB, obj resource.Object) {
	tb.Helper()
	if _, err := w.writer.Put(tb.Context(), obj, state.Condition{}); err != nil {
		tb.Fatal(err)
	}
}

// data is what modules read and write.
func (w world) data() *moduledata.Data {
	return moduledata.New(func(context.Context) (*change.Writer, error) { return w.writer, nil }, nil)
}

// host is what a module of a namespace sees.
func (w world) host(namespace string) hosttest.Host {
	return hosttest.Host{
		Modules: []js.Module{hoststate.Module(w.data())},
		Prelude: `import { getDocument, getDocuments, addDocument, deleteDocument, getCollection, addCollection, deleteCollection } from "dgate/state";
			const refused = async (promise) => { try { await promise } catch (e) { return [e instanceof Error, e.code, e.message, e.fields] } };`,
		Namespace: namespace,
	}
}

func TestDocuments(t *testing.T) {
	newWorld(t).host("a").Run(t, map[string]hosttest.Case{
		"one": {
			Code: `const { createdAt, updatedAt, version, ...d } = await getDocument("1", "people");
				return [d, createdAt === updatedAt, createdAt === new Date(createdAt).toISOString().slice(0, 19) + createdAt.slice(19), version > 0]`,
			Want: `[{"id":"1","namespace":"a","collection":"people","data":{"name":"of a"}},true,true,true]`,
		},
		"order of the properties": {Code: `return Object.keys(await getDocument("1", "people")).join()`, Want: `"id,createdAt,updatedAt,version,namespace,collection,data"`},
		"absent":                  {Code: `return await getDocument("zz", "people")`, Want: `null`},
		"ids that cannot be":      {Code: `return [await getDocument("", "people"), await getDocument("..", "people"), await getDocument("x".repeat(300), "people")]`, Want: `[null,null,null]`},
		"no goroutine":            {Code: `let n = 0; const p = getDocument("1", "people").then(() => n++); await null; await null; return n`, Want: `1`},
		"added": {
			Code: `const d = await addDocument({ id: "new", collection: "people", data: { name: "n", list: [1, { x: null }] } });
				return [d.data, d.namespace, d.version > 0, JSON.stringify(d) === JSON.stringify(await getDocument("new", "people"))]`,
			Want: `[{"name":"n","list":[1,{"x":null}]},"a",true,true]`,
		},
		"read back as written":       {Code: `await addDocument({ id: "é/ü ?", collection: "shared", data: 0.1 }); return (await getDocument("é/ü ?", "shared")).data`, Want: `0.1`},
		"what JSON makes of it":      {Code: `return (await addDocument({ id: "j", collection: "shared", data: { d: new Date(0), u: undefined, n: NaN } })).data`, Want: `{"d":"1970-01-01T00:00:00.000Z","n":null}`},
		"null as data":               {Code: `return (await addDocument({ id: "n", collection: "shared", data: null })).data`, Want: `null`},
		"own namespace, named":       {Code: `return (await addDocument({ id: "o", collection: "shared", data: 1, namespace: "a" })).namespace`, Want: `"a"`},
		"empty namespace":            {Code: `return (await addDocument({ id: "e", collection: "shared", data: 1, namespace: "" })).namespace`, Want: `"a"`},
		"replaced":                   {Code: `const v = []; for (const data of [1, 2]) v.push(await addDocument({ id: "r", collection: "shared", data })); return [v[1].data, v[1].version > v[0].version, v[1].createdAt == v[0].createdAt]`, Want: `[2,true,true]`},
		"created once":               {Code: `const put = (data) => addDocument({ id: "c", collection: "shared", data }, { ifVersion: 0 }); await put(1); return [(await refused(put(2)))[1], (await getDocument("c", "shared")).data]`, Want: `["precondition_failed",1]`},
		"replaced if unchanged":      {Code: `const d = await addDocument({ id: "u", collection: "shared", data: 1 }); const put = (data) => addDocument({ ...d, data }, { ifVersion: d.version }); await put(2); return [(await refused(put(3)))[1], (await getDocument("u", "shared")).data]`, Want: `["precondition_failed",2]`},
		"deleted":                    {Code: `const k = { id: "d", collection: "shared" }; await addDocument({ ...k, data: 1 }); return [await deleteDocument(k) === k, await getDocument("d", "shared")]`, Want: `[true,null]`},
		"deleted, absent":            {Code: `return await deleteDocument({ id: "never", collection: "shared" })`, Want: `{"id":"never","collection":"shared"}`},
		"deleted if unchanged":       {Code: `const d = await addDocument({ id: "du", collection: "shared", data: 1 }); await addDocument({ ...d, data: 2 }); return (await refused(deleteDocument(d, { ifVersion: d.version })))[1]`, Want: `"precondition_failed"`},
		"schema":                     {Code: `return await refused(addDocument({ id: "s", collection: "people", data: { name: 5 } }))`, Want: `[true,"validation_failed","data.name must be a string",[{"field":"data.name","problem":"must be a string"}]]`},
		"two mistakes at once":       {Code: `return (await refused(addDocument({ id: "..", collection: "people", data: {} })))[3].map((f) => f.field)`, Want: `["id","data.name"]`},
		"unknown collection":         {Code: `return await Promise.all([getDocument("1", "x"), getDocuments({ collection: "x" }), addDocument({ id: "1", collection: "x", data: 1 }), deleteDocument({ id: "1", collection: "x" })].map(refused).map(async (p) => (await p)[2]))`, Want: `["collection not found: x","collection not found: x","collection not found: x","collection not found: x"]`},
		"no collection can be named": {Code: `return (await refused(getDocument("1", "a/b")))[2]`, Want: `"collection not found: a/b"`},
		"all at once":                {Code: `await Promise.all([..."abcdefgh"].map((c) => addDocument({ id: "p" + c, collection: "shared", data: c }))); return (await getDocument("ph", "shared")).data`, Want: `"h"`},
	})
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	w.put(t, &resource.Collection{Namespace: "a", Name: "many"})
	w.put(t, &resource.Collection{Namespace: "a", Name: "many2"})
	w.put(t, &resource.Document{Namespace: "a", Collection: "many2", ID: "1", Data: []byte(`1`)})
	for i := range 120 {
		w.put(t, &resource.Document{Namespace: "a", Collection: "many", ID: string(rune('a'+i/26)) + string(rune('a'+i%26)), Data: []byte(`1`)})
	}
	w.put(t, &resource.Collection{Namespace: "a", Name: "large"})
	for _, id := range []string{"1", "2", "3"} {
		w.put(t, &resource.Document{Namespace: "a", Collection: "large", ID: id, Data: []byte(`"` + strings.Repeat("x", 4000) + `"`)})
	}
	host := w.host("a")
	host.Limits.Body = 9000 // two of the large ones
	host.Prelude += `const page = async (q) => { const l = await getDocuments({ collection: "many", ...q }); return [l.length, l[0]?.id, l.at(-1)?.id] };`
	host.Run(t, map[string]hosttest.Case{
		"default":              {Code: `return await page({})`, Want: `[100,"aa","dv"]`},
		"limit":                {Code: `return await page({ limit: 3 })`, Want: `[3,"aa","ac"]`},
		"limit and offset":     {Code: `return await page({ limit: 3, offset: 2 })`, Want: `[3,"ac","ae"]`},
		"the rest":             {Code: `return await page({ offset: 118 })`, Want: `[2,"eo","ep"]`},
		"beyond the end":       {Code: `return await page({ offset: 1e9 })`, Want: `[0,null,null]`},
		"limit 0":              {Code: `return await page({ limit: 0 })`, Want: `[0,null,null]`},
		"all":                  {Code: `return await page({ limit: 1000 })`, Want: `[120,"aa","ep"]`},
		"whole documents":      {Code: `const [d] = await getDocuments({ collection: "many2" }); return [d.id, d.data, d.collection, d.namespace]`, Want: `["1",1,"many2","a"]`},
		"limit too high":       {Code: `await page({ limit: 1001 })`, Err: `RangeError: getDocuments: expected limit to be an integer from 0 to 1000, got 1001`},
		"limit below 0":        {Code: `await page({ limit: -1 })`, Err: `RangeError: getDocuments: expected limit to be an integer from 0 to 1000, got -1`},
		"limit of a text":      {Code: `await page({ limit: "5" })`, Err: `RangeError: getDocuments: expected limit to be an integer from 0 to 1000, got string`},
		"offset of a half":     {Code: `await page({ offset: 0.5 })`, Err: `RangeError: getDocuments: expected offset to be an integer from 0 to 9007199254740991, got 0.5`},
		"more than fits":       {Code: `return (await refused(getDocuments({ collection: "large" }))).slice(1, 3)`, Want: `["too_large","the documents are larger than the 9000 bytes that a script may buffer: ask for fewer with limit"]`},
		"as many as fit":       {Code: `return (await getDocuments({ collection: "large", limit: 2 })).length`, Want: `2`},
		"no collection":        {Code: `await getDocuments({})`, Err: `TypeError: collection name is required`},
		"not even an object":   {Code: `await getDocuments("many")`, Err: `TypeError: getDocuments: expected an object like { collection, limit, offset }, got string`},
		"an unknown namespace": {Code: `await getDocuments({ collection: "many", namespace: "zz" })`, Err: `Error: collection not found: many`},
	})
}

func TestCollections(t *testing.T) {
	newWorld(t).host("a").Run(t, map[string]hosttest.Case{
		"one": {
			Code: `const { createdAt, updatedAt, version, ...c } = await getCollection("shared"); return [c, typeof createdAt, typeof updatedAt, version > 0]`,
			Want: `[{"name":"shared","namespace":"a","type":"document","visibility":"public","tags":[]},"string","string",true]`,
		},
		"schema":                  {Code: `return (await getCollection("people")).schema.required`, Want: `["name"]`},
		"absent":                  {Code: `return (await refused(getCollection("x"))).slice(0, 3)`, Want: `[true,"not_found","collection not found: x"]`},
		"added":                   {Code: `const c = await addCollection({ name: "new", schema: { type: "number" }, visibility: "public", tags: ["t"] }); return [c.schema, c.type, c.tags, JSON.stringify(c) === JSON.stringify(await getCollection("new"))]`, Want: `[{"type":"number"},"document",["t"],true]`},
		"added and used":          {Code: `await addCollection({ name: "used" }); await addDocument({ id: "1", collection: "used", data: 1 }); return (await getDocument("1", "used")).data`, Want: `1`},
		"deleted":                 {Code: `const c = { name: "gone" }; await addCollection(c); return [await deleteCollection(c) === c, (await refused(getCollection("gone")))[1]]`, Want: `[true,"not_found"]`},
		"deleted, absent":         {Code: `return (await refused(deleteCollection({ name: "never" }))).slice(1, 3)`, Want: `["not_found","collection not found: never"]`},
		"deleted, with documents": {Code: `return (await refused(deleteCollection({ name: "people" })))[1]`, Want: `"in_use"`},
		"bad schema":              {Code: `return (await refused(addCollection({ name: "s", schema: { type: "zzz" } })))[3].map((f) => f.field.split(".")[0])`, Want: `["schema"]`},
		"bad words":               {Code: `return (await refused(addCollection({ name: "a b", type: "t", visibility: "v" })))[3].map((f) => f.field)`, Want: `["name","visibility","type"]`},
		"another namespace":       {Code: `await addCollection({ name: "c", namespace: "b" })`, Err: `TypeError: addCollection: a module of namespace a cannot write to namespace b`},
		"deleted elsewhere":       {Code: `await deleteCollection({ name: "people", namespace: "b" })`, Err: `TypeError: deleteCollection: a module of namespace a cannot write to namespace b`},
		"no name":                 {Code: `await addCollection({})`, Err: `TypeError: name is required`},
		"tags that are no list":   {Code: `await addCollection({ name: "c", tags: "t" })`, Err: `TypeError: addCollection: expected tags to be an array of strings, got string`},
		"tags that are no texts":  {Code: `await addCollection({ name: "c", tags: [1] })`, Err: `TypeError: addCollection: expected tags to be an array of strings, got one with number`},
	})
}

// TestVisibility has a module of b look into a.
func TestVisibility(t *testing.T) {
	newWorld(t).host("b").Run(t, map[string]hosttest.Case{
		"own":                  {Code: `return [(await getDocument("1", "people")).data.name, (await getDocuments({ collection: "shared" }))[0].data]`, Want: `["of b","of b"]`},
		"public":               {Code: `return [(await getDocument("1", "shared", { namespace: "a" })).data, (await getDocuments({ collection: "shared", namespace: "a" })).length, (await getCollection("shared", { namespace: "a" })).namespace]`, Want: `["of a",1,"a"]`},
		"private":              {Code: `return await refused(getDocument("1", "people", { namespace: "a" }))`, Want: `[true,"unauthorized","collection people of namespace a is private",null]`},
		"private, listed":      {Code: `return (await refused(getDocuments({ collection: "people", namespace: "a" })))[2]`, Want: `"collection people of namespace a is private"`},
		"private, its schema":  {Code: `return (await refused(getCollection("people", { namespace: "a" })))[2]`, Want: `"collection people of namespace a is private"`},
		"private, absent":      {Code: `return (await refused(getDocument("zz", "people", { namespace: "a" })))[2]`, Want: `"collection people of namespace a is private"`},
		"written to":           {Code: `await addDocument({ id: "1", collection: "shared", data: "of b", namespace: "a" })`, Err: `TypeError: addDocument: a module of namespace b cannot write to namespace a`},
		"deleted from":         {Code: `await deleteDocument({ id: "1", collection: "shared", namespace: "a" })`, Err: `TypeError: deleteDocument: a module of namespace b cannot write to namespace a`},
		"what was read, again": {Code: `await addDocument(await getDocument("1", "shared", { namespace: "a" }))`, Err: `TypeError: addDocument: a module of namespace b cannot write to namespace a`},
	})
}

func TestBadInput(t *testing.T) {
	newWorld(t).host("a").Run(t, map[string]hosttest.Case{
		"never thrown at once":     {Code: `const all = [getDocument, getDocuments, addDocument, deleteDocument, getCollection, addCollection, deleteCollection]; let n = 0; for (const fn of all) n += (await refused(fn()))[0]; return n`, Want: `7`},
		"id":                       {Code: `await getDocument(1, "people")`, Err: `TypeError: getDocument: expected the id of a document, a string, got number`},
		"collection":               {Code: `await getDocument("1")`, Err: `TypeError: getDocument: expected the name of a collection, a string, got undefined`},
		"options":                  {Code: `await getDocument("1", "shared", "b")`, Err: `TypeError: getDocument: expected an object like { option: value }, got string`},
		"namespace":                {Code: `await getDocument("1", "shared", { namespace: 1 })`, Err: `TypeError: getDocument: expected namespace to be a string, got number`},
		"no document":              {Code: `await addDocument("1")`, Err: `TypeError: addDocument: expected an object like { id, collection, data }, got string`},
		"no id":                    {Code: `await addDocument({ collection: "shared", data: 1 })`, Err: `TypeError: id is required`},
		"empty id":                 {Code: `await addDocument({ id: "", collection: "shared", data: 1 })`, Err: `TypeError: id is required`},
		"id that is no text":       {Code: `await addDocument({ id: 5, collection: "shared", data: 1 })`, Err: `TypeError: addDocument: expected id to be a string, got number`},
		"half a character":         {Code: `await addDocument({ id: "a\ud800b", collection: "shared", data: 1 })`, Err: `TypeError: addDocument: the id has half of a surrogate pair in it, which is no character`},
		"half a character, by id":  {Code: `await getDocument("\udc00\ud800", "shared")`, Err: `TypeError: getDocument: the id of a document has half of a surrogate pair in it, which is no character`},
		"a replacement and a pair": {Code: `return (await addDocument({ id: "\ufffd\ud83d\ude00", collection: "shared", data: 1 })).id`, Want: `"�😀"`},
		"no data":                  {Code: `await addDocument({ id: "1", collection: "shared" })`, Err: `TypeError: addDocument: data is required: any value that JSON can hold`},
		"a function as data":       {Code: `await addDocument({ id: "1", collection: "shared", data() {} })`, Err: `TypeError: addDocument: data cannot be stored: it is Function, which is not JSON`},
		"a cycle as data":          {Code: `const data = []; data.push(data); await addDocument({ id: "1", collection: "shared", data })`, Err: `TypeError: Converting circular structure to JSON`},
		"a large document":         {Code: `await addDocument({ id: "1", collection: "shared", data: Array(30).fill("x".repeat(40000)) })`, Err: `Error: data must not be larger than 1048576 bytes`},
		"ifVersion":                {Code: `await addDocument({ id: "1", collection: "shared", data: 1 }, { ifVersion: -1 })`, Err: `RangeError: addDocument: expected ifVersion to be an integer from 0 to 9007199254740991, got -1`},
		"a getter that throws":     {Code: `await addDocument({ id: "1", get collection() { throw new Error("no") } })`, Err: `Error: no`},
	})
}

func TestNowhere(t *testing.T) {
	newWorld(t).host("").Run(t, map[string]hosttest.Case{
		"no namespace": {Code: `await getDocument("1", "people")`, Err: `TypeError: getDocument is not available: this script belongs to no namespace`},
	})
	got := newWorld(t).host("a").Load(t, `addDocument({ id: "1", collection: "people", data: 1 })`)
	if want := `TypeError: addDocument is not available while a module is being loaded: call it in a hook`; got != want {
		t.Errorf("loading: got %s, want %s", got, want)
	}
}
