package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// documentFlags adds the flags that only the commands of documents have.
func (s *session) documentFlags(cmd *cobra.Command, v verb) {
	switch v.name {
	case "list":
		cmd.Flags().IntVar(&s.flags.limit, "limit", 100, "how many documents to list, up to 1000")
		cmd.Flags().IntVar(&s.flags.offset, "offset", 0, "how many documents to leave out at the beginning")
	case "delete":
		cmd.Flags().BoolVar(&s.flags.all, "all", false, "delete all documents of the collection")
	}
}

// required are the keys that must be given, of those that usually must.
func (s *session) required(kind *resource.Kind, usually []string) []string {
	if s.flags.all {
		return without(usually, kind.KeyFields()[len(kind.KeyFields())-1])
	}
	return usually
}

// listDocuments lists one collection.
func listDocuments(ctx context.Context, s *session, client *adminclient.Client, in *input) error {
	namespace, collection, err := in.collection()
	if err != nil {
		return err
	}
	data, err := client.Documents(ctx, namespace, collection, s.flags.limit, s.flags.offset)
	if err != nil {
		return err
	}
	rows, err := tableRows(data)
	if err != nil {
		return err
	}
	if len(rows) > 0 && len(rows) == s.flags.limit {
		fmt.Fprintf(s.stderr, "there may be more: --offset %d\n", s.flags.offset+s.flags.limit)
	}
	return s.print(in.kind, data)
}

// deleteAll deletes the documents of one collection.
func deleteAll(ctx context.Context, client *adminclient.Client, in *input) error {
	if in.word("id") != "" {
		return errors.New("input error: either an id or --all, not both")
	}
	namespace, collection, err := in.collection()
	if err != nil {
		return err
	}
	return client.DeleteDocuments(ctx, namespace, collection)
}

// collection names the collection that is meant.
func (in *input) collection() (namespace, collection string, err error) {
	values := in.keyValues()
	if values[0] == everywhere {
		return "", "", errors.New("input error: documents are of one collection, in one namespace and not in *")
	}
	if values[1] == "" {
		return "", "", errors.New("missing required keys: collection")
	}
	return values[0], values[1], nil
}
