package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/manifest"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// export is what the command export is to write.
type export struct {
	namespace          string // or everywhere
	dir                string
	documents, secrets bool
}

func (s *session) exportCommand() *cobra.Command {
	var e export
	cmd := &cobra.Command{
		Use: "export", Short: "Write resources in the format of resource files", GroupID: groupFiles,
		Long: `Write resources in the format of resource files, to the standard output or, with
--dir, to <dir>/resources.yaml with the code of modules in files beside it.

All namespaces, or the one that -n names. The values of secrets and private keys
cannot be exported: they are written as ` + resource.Redacted + `, which keeps the value when
it is applied to the same server. For another server, put values there, or leave
secrets out with --secrets=false.`,
		Example: "  " + s.program.Name + " export > gateway.yaml\n  " + s.program.Name + " export -n prod --dir ./dgate --documents",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON := false
			if cmd.Flags().Changed("output") {
				switch s.flags.output {
				case formatJSON:
					asJSON = true
				case formatYAML:
				default:
					return errors.New("output of export must be one of json, yaml")
				}
			}
			client, err := s.client(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			defer client.Close()
			e.namespace = s.flags.namespace
			if e.namespace == "" {
				e.namespace = everywhere
			}
			objs, err := e.read(cmd.Context(), client)
			if err != nil {
				return err
			}
			if e.dir == "" {
				return manifest.Writer{JSON: asJSON}.Write(s.stdout, objs)
			}
			return s.writeDir(e.dir, asJSON, objs)
		},
	}
	cmd.Flags().StringVar(&e.dir, "dir", "", "`directory` to write to; it is made if needed")
	cmd.Flags().BoolVar(&e.documents, "documents", false, "export documents too")
	cmd.Flags().BoolVar(&e.secrets, "secrets", true, "export secrets, without their values")
	return cmd
}

// read reads what is to be written.
func (e *export) read(ctx context.Context, client *adminclient.Client) ([]resource.Object, error) {
	var objs []resource.Object
	for _, kind := range resource.All {
		take := func(data json.RawMessage) error {
			obj, err := resource.Decode(kind, data, resource.Strict)
			if err == nil {
				err = obj.Validate()
			}
			if err != nil {
				return fmt.Errorf("the server has a %s that this version does not understand: %w", kind.Name, err)
			}
			objs = append(objs, obj)
			return nil
		}
		var err error
		switch {
		case kind.Name == "secret" && !e.secrets:
		case kind.Scope == resource.InCollection && !e.documents:
		case kind.Scope == resource.InCollection:
			for _, obj := range objs {
				if c, ok := obj.(*resource.Collection); ok && err == nil {
					err = eachDocument(ctx, client, c.Namespace, c.Name, take)
				}
			}
		case kind.Scope == resource.Global && e.namespace != everywhere:
			var data json.RawMessage
			if data, err = client.Get(ctx, kind.KeyOf(e.namespace)); err == nil {
				err = take(data)
			}
		default:
			err = eachOf(ctx, client, kind, e.namespace, take)
		}
		if err != nil {
			return nil, err
		}
	}
	return objs, nil
}

// writeDir writes into a directory. The file that lists the others comes last, so that it is never
// there without them.
func (s *session) writeDir(dir string, asJSON bool, objs []resource.Object) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it is a directory
	write := func(name string, content []byte) error {
		if err := root.MkdirAll(path.Dir(name), 0o750); err != nil {
			return err
		}
		return root.WriteFile(name, content, 0o640)
	}
	var list bytes.Buffer
	if err := (manifest.Writer{JSON: asJSON, File: write}).Write(&list, objs); err != nil {
		return err
	}
	name := "resources.yaml"
	if asJSON {
		name = "resources.json"
	}
	if err := write(name, list.Bytes()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stderr, "wrote %d resources to %s\n", len(objs), path.Join(dir, name))
	return err
}
