package adminext

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/change"
	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// v1Documents are the endpoints of the original DGate for the documents of a collection, which is
// in the query, or for one that is in the body.
var v1Documents = methods{
	http.MethodGet:    {run: listDocumentsV1},
	http.MethodPut:    {run: putDocumentV1},
	http.MethodDelete: {run: deleteDocumentsV1},
}

// v1Document are its endpoints for one document, whose id is in the path.
var v1Document = methods{
	http.MethodGet:    {run: getDocumentV1},
	http.MethodPut:    {run: putDataV1},
	http.MethodDelete: {run: deleteDocumentV1},
}

// documents is the listing beside the item endpoints: /document/<namespace>/<collection>. It is
// for administrators, whom no collection is private to.
var documents = methods{
	http.MethodGet: {run: listDocuments},
}

// documentsBody is how the original DGate lists documents, and data and status_code, which its
// own command line looks for.
type documentsBody struct {
	Collection string            `json:"collection"`
	Count      int               `json:"count"`
	Data       []json.RawMessage `json:"data"`
	Documents  []json.RawMessage `json:"documents"`
	Limit      int               `json:"limit"`
	Namespace  string            `json:"namespace"`
	Offset     int               `json:"offset"`
	Status     int               `json:"status_code"`
}

func listDocumentsV1(c *call) (*reply, error) {
	key, err := c.queried("")
	if err != nil {
		return nil, err
	}
	if err := c.readable(key); err != nil {
		return nil, err
	}
	p, err := c.page(key)
	if err != nil {
		return nil, err
	}
	in := c.kind.KeyValues(key)
	return jsonReply(http.StatusOK, documentsBody{
		Namespace: in[0], Collection: in[1], Limit: p.limit, Offset: p.offset,
		Count: len(p.data), Data: p.data, Documents: p.data, Status: http.StatusOK,
	}), nil
}

func listDocuments(c *call) (*reply, error) {
	key := c.kind.KeyOf(c.key[0], c.key[1], "")
	if _, err := c.collection(key); err != nil {
		return nil, err
	}
	p, err := c.page(key)
	if err != nil {
		return nil, err
	}
	return jsonReply(http.StatusOK, listBody{Count: len(p.data), Data: p.data, Status: http.StatusOK}), nil
}

func getDocumentV1(c *call) (*reply, error) {
	key, err := c.queried(c.key[0])
	if err != nil {
		return nil, err
	}
	if err := c.readable(key); err != nil {
		return nil, err
	}
	return c.get(key)
}

// putDocumentV1 stores the document in the body.
func putDocumentV1(c *call) (*reply, error) {
	obj, err := c.decode(resource.Lenient)
	if err != nil {
		return nil, err
	}
	if err := c.complete(obj); err != nil {
		return nil, err
	}
	return c.storeV1(obj)
}

// putDataV1 stores the body as the data of the document in the path.
func putDataV1(c *call) (*reply, error) {
	key, err := c.queried(c.key[0])
	if err != nil {
		return nil, err
	}
	obj, err := c.decodeData(key)
	if err != nil {
		return nil, err
	}
	return c.storeV1(obj)
}

// decodeData reads a body that is the data of a document.
func (c *call) decodeData(key resource.Key) (resource.Object, error) {
	body, err := readBody(c.w, c.r, c.kind)
	if err != nil {
		return nil, err
	}
	return resource.NewDocument(key, body)
}

func (c *call) storeV1(obj resource.Object) (*reply, error) {
	if _, err := c.collection(obj.Key()); err != nil {
		return nil, err
	}
	result, err := c.put(obj)
	if err != nil {
		return nil, err
	}
	return objectReply(http.StatusCreated, result.Object, result.Warnings)
}

func deleteDocumentV1(c *call) (*reply, error) {
	key, err := c.queried(c.key[0])
	if err != nil {
		return nil, err
	}
	return c.discardV1(key)
}

// deleteDocumentsV1 removes the document that the body names, or without a body all documents of
// the collection in the query.
func deleteDocumentsV1(c *call) (*reply, error) {
	body, err := readBody(c.w, c.r, c.kind)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) > 0 {
		obj, err := resource.Decode(c.kind, body, resource.Lenient)
		if err != nil {
			return nil, err
		}
		if err := c.complete(obj); err != nil {
			return nil, err
		}
		return c.discardV1(obj.Key())
	}
	key, err := c.queried("")
	if err != nil {
		return nil, err
	}
	if _, err := c.collection(key); err != nil {
		return nil, err
	}
	if err := c.removeAll(key); err != nil {
		return nil, err
	}
	return emptyReply(quirkOf(c.kind.Name).deleted), nil
}

func (c *call) discardV1(key resource.Key) (*reply, error) {
	if err := c.kind.CheckKey(key); err != nil {
		return nil, err
	}
	if _, err := c.collection(key); err != nil {
		return nil, err
	}
	if err := c.remove(key); err != nil {
		return nil, err
	}
	return emptyReply(quirkOf(c.kind.Name).deleted), nil
}

// queried is the key of a document in the collection that the query names.
func (c *call) queried(id string) (resource.Key, error) {
	query := c.r.URL.Query()
	namespace, err := c.namespace(query.Get("namespace"))
	return c.kind.KeyOf(namespace, query.Get("collection"), id), err
}

// collection reads the collection of a document, which must exist.
func (c *call) collection(of resource.Key) (*resource.Collection, error) {
	in := c.kind.KeyValues(of)
	if in[1] == "" {
		return nil, resource.ValidationError(resource.Invalid("collection", "", "is required"))
	}
	kind := resource.MustKind("collection")
	key := kind.KeyOf(in[0], in[1])
	if kind.CheckKey(key) != nil {
		return nil, notFound(kind)
	}
	var collection *resource.Collection
	err := c.db.View(func(r *state.Reader) error {
		c.index = r.Index()
		record, found, err := r.Get(key)
		if err != nil {
			return err
		}
		if !found {
			return notFound(kind)
		}
		obj, err := record.Object()
		if err != nil {
			return err
		}
		collection = obj.(*resource.Collection)
		return nil
	})
	return collection, err
}

// readable refuses what the original DGate did not show: documents of private collections.
func (c *call) readable(key resource.Key) error {
	collection, err := c.collection(key)
	if err == nil && collection.Visibility == resource.Private {
		err = refuse(http.StatusForbidden, resource.Unauthorized, "collection is private")
	}
	return err
}

// removal is how many documents one change removes.
const removal = 1000

// removeAll removes the documents of a collection, many with one change.
func (c *call) removeAll(of resource.Key) error {
	pre, err := parsePreconditions(c.r.Header)
	switch {
	case err != nil:
		return err
	case pre.match.given, pre.noneMatch.given:
		return resource.Errorf(resource.BadRequest, "If-Match and If-None-Match are about one document, and not about all")
	}
	for {
		var changes []change.Change
		err := c.eachDocument(of, 0, removal, func(record state.Record) error {
			changes = append(changes, change.Change{Key: record.Key})
			return nil
		})
		if err != nil || len(changes) == 0 {
			return err
		}
		result, err := c.app.Writer().Apply(c.r.Context(), changes...)
		c.index = max(c.index, result.Index)
		if err != nil && resource.CodeOf(err) != resource.NotFound { // somebody else removed one of them
			return err
		}
	}
}
