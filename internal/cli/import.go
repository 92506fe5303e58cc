package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
	"github.com/dgate-io/caddy-dgate/internal/adminclient/original"
	"github.com/dgate-io/caddy-dgate/internal/resource"
)

const importHelp = `Read the resources of a running original DGate (v0.11) and store them here.

It reads all namespaces, or the one that -n names, and changes nothing there. It
shows a plan (+ create, ~ change), asks, and then stores everything but documents
in one change, and documents after that, in parts. It asks only on a terminal.
What exists here only is left alone, so an import can be repeated.

What the original does not show, and what is not valid here, is left out and
listed with the reason: values of secrets, documents of private collections. With
--dir nothing is stored: resource files are written, to be looked at and applied
with apply -f.

It exits with 0 if everything was imported, with 2 if something was left out, and
with 1 if nothing could be read or stored.`

// importer is one import.
type importer struct {
	session *session
	from    string
	auth    string
	headers []string
	dir     string
	yes     bool
	dryRun  bool

	left []original.Unread // what is not imported
}

func (s *session) importCommand() *cobra.Command {
	im := &importer{session: s}
	cmd := &cobra.Command{
		Use: "import --from <url>", Short: "Take over the resources of an original DGate", GroupID: groupFiles,
		Long: importHelp,
		Example: "  " + s.program.Name + " import --from http://10.0.0.1:9080 --dry-run\n" +
			"  " + s.program.Name + " import --from http://10.0.0.1:9080 --from-auth admin --dir ./dgate",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: im.run,
	}
	set := cmd.Flags()
	set.StringVar(&im.from, "from", "", "admin `address` of the original: a URL, which may have credentials and a query")
	set.StringVar(&im.auth, "from-auth", "", "`user:password` for it; asks for an absent password")
	set.StringArrayVar(&im.headers, "from-header", nil, "`header` to send to it, such as 'X-DGate-Key: key'; may be repeated")
	set.StringVar(&im.dir, "dir", "", "write resource files to this `directory`, and store nothing")
	set.BoolVarP(&im.yes, "yes", "y", false, "do not ask")
	set.BoolVar(&im.dryRun, "dry-run", false, "show the plan, and store nothing")
	return cmd
}

func (im *importer) run(cmd *cobra.Command, _ []string) error {
	switch {
	case im.from == "":
		return errors.New("input error: no server to import from; name it with --from <url>")
	case im.session.flags.namespace == everywhere:
		im.session.flags.namespace = ""
	}
	if err := im.session.checkOutput(nil); err != nil {
		return err
	}
	found, err := im.read(cmd.Context())
	if err != nil {
		return fmt.Errorf("read the original: %w", err)
	}
	im.left = found.Unread
	if im.dir != "" {
		err = im.write(found.Objects)
	} else {
		err = im.store(cmd, found.Objects)
	}
	if err == nil {
		err = im.report()
	}
	return err
}

// read reads the original.
func (im *importer) read(ctx context.Context) (*original.Found, error) {
	header := http.Header{}
	for _, text := range im.headers {
		name, value, ok := strings.Cut(text, ":")
		if !ok || name == "" {
			return nil, errors.New("--from-header must be 'Name: value'")
		}
		header.Add(name, strings.TrimSpace(value))
	}
	options := adminclient.Options{
		Address: im.from, Original: true, Follow: im.session.flags.follow, Version: im.session.program.Version, Trace: im.session.trace(),
	}
	if im.auth != "" {
		var err error
		if options.User, options.Password, err = im.session.userInfo(im.auth); err != nil {
			return nil, err
		}
	}
	client, err := adminclient.New(options)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return original.Server{Client: client, Header: header}.Read(ctx, im.session.flags.namespace)
}

// write writes resource files. Private keys are not among what is written, nor is what has names
// that cannot be here, or in the name of a file.
func (im *importer) write(objs []resource.Object) error {
	var named []resource.Object
	for _, obj := range objs {
		key := obj.Key()
		if err := resource.MustKind(key.Kind).CheckKey(key); err != nil {
			im.leave(key, err.Error())
			continue
		}
		named = append(named, obj)
		for _, f := range resource.SecretFields(obj) {
			if *f.Value != "" {
				im.leave(key, f.Name+" is not written to files; put it there by hand")
			}
		}
	}
	return im.session.writeDir(im.dir, false, named)
}

// report lists what was left out. Documents of one collection, for one reason, share a line.
func (im *importer) report() error {
	if len(im.left) == 0 {
		return nil
	}
	fmt.Fprintln(im.session.stderr, "not imported:")
	count := map[original.Unread]int{}
	for _, u := range im.left {
		count[inGeneral(u)]++
	}
	for _, u := range im.left {
		n, more := count[inGeneral(u)], ""
		delete(count, inGeneral(u))
		switch {
		case n == 0:
			continue // with the first of them
		case n > 1:
			more = fmt.Sprintf(" (and %d more)", n-1)
		}
		fmt.Fprintf(im.session.stderr, "  %s\n", oneLine(u.Key.String()+": "+u.Why+more))
	}
	return exitError{code: exitIncomplete}
}

// inGeneral is equal for documents of a collection that are left out for the same reason.
func inGeneral(u original.Unread) original.Unread {
	if kind := resource.MustKind(u.Key.Kind); kind.Scope == resource.InCollection {
		u.Key.Name = resource.InThatCollection(kind.KeyValues(u.Key)[1])
	}
	return u
}
