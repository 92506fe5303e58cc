package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dgate-io/caddy-dgate/tests/harness"
)

// twoTenants is a Caddy that serves the namespace other below /other, and default elsewhere.
const twoTenants = `{
	admin {$ADMIN_ADDR}
	default_bind 127.0.0.1
	grace_period 5s
	dgate {
		storage memory
	}
}

http://:{$SITE_PORT} {
	handle_path /other/* {
		dgate {
			namespace other
		}
	}
	handle {
		dgate {
			namespace default
		}
	}
}
`

// shortener keeps links as documents, counts in the cache how often each was followed, and lets in
// who knows the secret.
const shortener = `
import { addDocument, getDocument, getDocuments, deleteDocument } from "dgate/state";
import { getCache, setCache } from "dgate/storage";
import { getSecret } from "dgate/secret";

export const requestHandler = async (ctx) => {
	const q = ctx.request(), s = ctx.response(), id = ctx.pathParam("*");
	if (q.method === "GET" && id === "") {
		const links = await getDocuments({ collection: "links", limit: +ctx.queryParam("limit") || undefined });
		return s.json(links.map((l) => l.id));
	}
	if (q.method === "GET") {
		const link = await getDocument(id, "links");
		if (link === null) return s.status(404).end();
		const hits = (getCache(id) ?? 0) + 1;
		setCache(id, hits, { ttl: 60 });
		s.headers.set("X-Hits", String(hits));
		return s.redirect(link.data.url);
	}
	if (q.headers.get("X-Key") !== getSecret("key")) return s.status(401).end();
	try {
		if (q.method === "DELETE") return s.json(await deleteDocument({ id, collection: "links" }));
		await addDocument({ id, collection: "links", data: q.readJson() }, { ifVersion: 0 });
		const stored = await getDocument(id, "links");
		return s.status(201).json([stored.namespace, stored.data.url]);
	} catch (e) {
		return s.status(400).json([e.code, e.message]);
	}
};
`

// tenant is one namespace of a gateway.
type tenant struct {
	*gateway
	namespace, path string
}

// store puts a resource of the tenant.
func (n tenant) store(kind, name string, f fields) {
	n.t.Helper()
	data, err := json.Marshal(f)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := harness.Put(n.Admin+"/dgate/api/v1/"+kind+"/"+n.namespace+"/"+name, string(data)); err != nil {
		n.t.Fatal(err)
	}
}

// ask sends a request to the tenant.
func (n tenant) ask(method, url, body, key string) *harness.Answer {
	n.t.Helper()
	return n.do(harness.Request{Method: method, URL: n.path + url, Header: http.Header{"X-Key": {key}}, Body: strings.NewReader(body)})
}

// expect asks and compares status and body.
func (n tenant) expect(want, method, url, body, key string) *harness.Answer {
	n.t.Helper()
	answer := n.ask(method, url, body, key)
	if diff := cmp.Diff(want, strings.TrimSpace(fmt.Sprintf("%d %s", answer.Status, answer.Body))); diff != "" {
		n.t.Errorf("%s %s%s (-want +got):\n%s", method, n.path, url, diff)
	}
	return answer
}

// TestModuleData runs one module in two namespaces: documents, cache and secrets are those of each.
func TestModuleData(t *testing.T) {
	g := startGateway(t, twoTenants)
	if err := harness.Put(g.Admin+"/dgate/api/v1/namespace/other", `{}`); err != nil {
		t.Fatal(err)
	}
	ours, theirs := tenant{g, "default", ""}, tenant{g, "other", "/other"}
	for _, n := range []tenant{ours, theirs} {
		n.store("collection", "links", fields{"schema": fields{
			"type": "object", "required": []string{"url"}, "properties": fields{"url": fields{"type": "string", "pattern": "^https?://"}},
		}})
		n.store("secret", "key", fields{"data": "key of " + n.namespace})
		n.store("module", "shortener", fields{"payload": []byte(shortener)})
		n.store("route", "shortener", fields{"paths": []string{"/s/*"}, "methods": []string{"*"}, "modules": []string{"shortener"}})
	}
	const (
		link   = `{"url":"http://example.com/a"}`
		stored = `201 ["default","http://example.com/a"]`
		exists = `400 ["precondition_failed","document exists already: links/a"]`
		key    = "key of default"
	)
	ours.expect(stored, "PUT", "/s/a", link, key)
	ours.expect(exists, "PUT", "/s/a", link, key)
	theirs.expect(`401`, "PUT", "/s/a", link, key) // the secret has the same name and another value
	theirs.expect(`404`, "GET", "/s/a", "", "")
	if answer := ours.ask("PUT", "/s/b", `{"url":"ftp://example.com"}`, key); answer.Status != 400 || !strings.Contains(answer.Body, `"validation_failed","data.url `) {
		t.Errorf("against the schema: %s", answer)
	}

	for _, want := range []string{"1", "2"} {
		answer := ours.expect(`307 <a href="http://example.com/a">Temporary Redirect</a>.`, "GET", "/s/a", "", "")
		if diff := cmp.Diff([]string{want}, answer.Header["X-Hits"]); diff != "" {
			t.Errorf("hits (-want +got):\n%s", diff)
		}
	}

	var writing sync.WaitGroup
	for i := range 20 {
		writing.Go(func() { ours.expect(stored, "PUT", fmt.Sprintf("/s/%02d", i), link, key) })
	}
	writing.Wait()
	ours.expect(`200 ["00","01","02"]`, "GET", "/s/?limit=3", "", "")
	ours.expect(`200 {"id":"00","collection":"links"}`, "DELETE", "/s/00", "", key)
	ours.expect(`200 ["01","02"]`, "GET", "/s/?limit=2", "", "")
	theirs.expect(`200 []`, "GET", "/s/", "", "")

	ours.store("secret", "key", fields{"data": "a new key"}) // seen by the next request
	ours.expect(`401`, "PUT", "/s/a", link, key)
	ours.expect(exists, "PUT", "/s/a", link, "a new key")
}
