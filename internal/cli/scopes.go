package cli

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// scopes are namespaces, and collections in them.
type scopes map[string]map[string]bool

func (sc scopes) add(namespace, collection string) {
	if namespace == "" {
		return
	}
	if sc[namespace] == nil {
		sc[namespace] = map[string]bool{}
	}
	if collection != "" {
		sc[namespace][collection] = true
	}
}

// keys lists the resources of a kind in these scopes, none for kinds that are in no scope. What
// does not exist has none.
func (sc scopes) keys(ctx context.Context, client *adminclient.Client, kind *resource.Kind) ([]resource.Key, error) {
	var keys []resource.Key
	take := func(object json.RawMessage) error {
		key, err := keyOf(kind, object)
		keys = append(keys, key)
		return err
	}
	for _, namespace := range slices.Sorted(maps.Keys(sc)) {
		var err error
		switch kind.Scope {
		case resource.Global:
			return nil, nil
		case resource.InCollection:
			for _, collection := range slices.Sorted(maps.Keys(sc[namespace])) {
				if err = eachDocument(ctx, client, namespace, collection, take); err != nil {
					break
				}
			}
		default:
			err = eachOf(ctx, client, kind, namespace, take)
		}
		if err != nil && resource.CodeOf(err) != resource.NotFound {
			return nil, err
		}
	}
	return keys, nil
}

// keyOf is the key of a resource in an answer.
func keyOf(kind *resource.Kind, object json.RawMessage) (resource.Key, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return resource.Key{}, err
	}
	var values []string
	for _, name := range kind.KeyFields() {
		var value string
		if err := json.Unmarshal(members[name], &value); err != nil {
			return resource.Key{}, err
		}
		values = append(values, value)
	}
	key := kind.KeyOf(values...)
	return key, kind.CheckKey(key)
}

// eachOf calls take with the resources of a kind in a namespace, or in all.
func eachOf(ctx context.Context, client *adminclient.Client, kind *resource.Kind, namespace string, take func(json.RawMessage) error) error {
	data, err := client.List(ctx, kind, namespace)
	if err != nil {
		return err
	}
	_, err = each(data, take)
	return err
}

// documentsPage is how many documents are asked for at once: so many of the largest fit into an
// answer.
const documentsPage = 50

// eachDocument calls take with the documents of a collection.
func eachDocument(ctx context.Context, client *adminclient.Client, namespace, collection string, take func(json.RawMessage) error) error {
	for offset := 0; ; offset += documentsPage {
		data, err := client.Documents(ctx, namespace, collection, documentsPage, offset)
		if err != nil {
			return err
		}
		if n, err := each(data, take); err != nil || n < documentsPage {
			return err
		}
	}
}

// each calls take with the items of a list, and counts them.
func each(data json.RawMessage, take func(json.RawMessage) error) (int, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return 0, err
	}
	for _, item := range items {
		if err := take(item); err != nil {
			return 0, err
		}
	}
	return len(items), nil
}
