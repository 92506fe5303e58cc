package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
)

// standard is the name that stands for the standard input or output.
const standard = "-"

func (s *session) backupCommand() *cobra.Command {
	var file string
	var recipients []string
	var force bool
	cmd := &cobra.Command{
		Use: "backup", Short: "Write everything that is stored into a file", GroupID: groupNode,
		Long: `Write everything that is stored as of one moment: resources, documents, secrets and
certificates. Any node can be asked, also one without a leader. What is secret is
encrypted with keys that the server has, and that are not in the backup: keep
encryption_key, the secret of the cluster, or the file encryption.key elsewhere.

With --age the backup is encrypted for somebody who has the identity that belongs
to the recipient, before it is written. The server never sees the identity.`,
		Example: "  " + s.program.Name + " backup -o dgate.backup\n" +
			"  " + s.program.Name + " backup --age age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p -o dgate.backup.age",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := parseRecipients(recipients)
			if err != nil {
				return err
			}
			client, err := s.client(cmd.Flags().Changed)
			if err != nil {
				return err
			}
			defer client.Close()
			write := func(w io.Writer) error { return s.backup(cmd, client, to, w) }
			if file == "" || file == standard {
				if f, ok := s.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
					return errors.New("a backup is no text: write it to a file with -o <file>")
				}
				return write(s.stdout)
			}
			return writeWhole(file, force, write)
		},
	}
	// This hides the flag of the same name that all commands have: there are no formats here.
	cmd.Flags().StringVarP(&file, "output", "o", "", "`file` to write to; - and none are the standard output")
	cmd.Flags().StringArrayVar(&recipients, "age", nil, "encrypt for this age `recipient`, or those in a file; may be given more than once")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that exists")
	_ = cmd.RegisterFlagCompletionFunc("output", fileCompletion)
	_ = cmd.RegisterFlagCompletionFunc("age", fileCompletion)
	return cmd
}

func fileCompletion(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// backup asks for a backup and writes it, encrypted if there is anybody to encrypt it for.
func (s *session) backup(cmd *cobra.Command, client *adminclient.Client, to []age.Recipient, w io.Writer) error {
	counting := s.progress("backup")
	into := io.WriteCloser(nopCloser{w})
	if len(to) > 0 {
		encrypted, err := age.Encrypt(w, to...)
		if err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		into = encrypted
	}
	header, err := client.Download(cmd.Context(), adminclient.Call{Method: http.MethodGet, Path: []string{"cluster", "backup"}}, io.MultiWriter(into, counting))
	if err == nil {
		err = into.Close()
	}
	if err != nil {
		return err
	}
	counting.end(", as of index " + oneLine(header.Get("X-DGate-Index")))
	return nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// parseRecipients reads recipients of age, or files with some.
func parseRecipients(texts []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range texts {
		source, where := text, "--age"
		if !strings.HasPrefix(text, "age1") {
			data, err := os.ReadFile(text)
			if err != nil {
				return nil, fmt.Errorf("--age %s is neither a recipient, which begins with age1, nor a file with some: %w", oneLine(text), err)
			}
			source, where = string(data), "--age "+oneLine(text)
		}
		found, err := age.ParseRecipients(strings.NewReader(source))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// writeWhole writes a file that is there in full or not at all.
func writeWhole(name string, force bool, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(name); err == nil && !force {
		return fmt.Errorf("%s exists; say --force to replace it", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // nobody else can read it
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // of what did not become the file
	buffered := bufio.NewWriterSize(f, 1<<20)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if !force {
		if err := os.Link(f.Name(), name); err == nil || errors.Is(err, os.ErrExist) {
			return err // which replaces nothing that came meanwhile
		}
	}
	return os.Rename(f.Name(), name)
}

func (s *session) restoreCommand() *cobra.Command {
	var identity string
	var yes bool
	cmd := &cobra.Command{
		Use: "restore <file> --yes", Short: "Replace everything that is stored by a backup", GroupID: groupNode,
		Long: `Replace everything that is stored by what a backup has, on all nodes. Members of the
cluster stay members. A backup that is damaged or not complete changes nothing.

Secrets can be read afterwards if a node has the keys that they were encrypted
with: put the encryption_key of that time behind the new one, or the cluster secret of
that time into secret_previous.`,
		Example: "  " + s.program.Name + " restore dgate.backup --yes\n  " + s.program.Name + " restore dgate.backup.age --identity key.txt --yes",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: fileCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return errors.New("restore replaces every resource, document and secret on all nodes; say --yes if that is meant, after a backup of what there is")
			}
			return s.restore(cmd, args[0], identity)
		},
	}
	cmd.Flags().StringVar(&identity, "identity", "", "`file` with the age identity that the backup is encrypted for")
	cmd.Flags().BoolVar(&yes, "yes", false, "replace everything that is stored")
	_ = cmd.RegisterFlagCompletionFunc("identity", fileCompletion)
	return cmd
}

// restore sends a backup to the server.
func (s *session) restore(cmd *cobra.Command, name, identity string) error {
	if err := s.checkOutput(nil); err != nil {
		return err
	}
	from := s.stdin
	if name != standard {
		f, err := os.Open(filepath.Clean(name))
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		from = f
	}
	plain, err := decrypted(from, identity)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	client, err := s.client(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	defer client.Close()
	counting := s.progress("restore")
	answer, err := client.Upload(cmd.Context(), adminclient.Call{Method: http.MethodPost, Path: []string{"cluster", "restore"}}, io.TeeReader(plain, counting))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	counting.end(", at index " + oneLine(answer.Header.Get("X-DGate-Index")))
	return nil
}

const (
	ageHeader      = "age-encryption.org/"
	ageArmorHeader = armor.Header
)

// decrypted reads what from has, decrypted if it is encrypted.
func decrypted(from io.Reader, identity string) (io.Reader, error) {
	buffered := bufio.NewReaderSize(from, 1<<16)
	start, err := buffered.Peek(len(ageArmorHeader))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	armored := bytes.HasPrefix(start, []byte(ageArmorHeader))
	encrypted := armored || bytes.HasPrefix(start, []byte(ageHeader))
	switch {
	case !encrypted && identity != "":
		return nil, errors.New("it is not encrypted with age, so --identity is for another file")
	case !encrypted:
		return buffered, nil
	case identity == "":
		return nil, errors.New("it is encrypted with age: name the file with the identity it is for, with --identity")
	}
	f, err := os.Open(filepath.Clean(identity))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	identities, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("--identity %s: %w", identity, err)
	}
	source := io.Reader(buffered)
	if armored {
		source = armor.NewReader(buffered)
	}
	plain, err := age.Decrypt(source, identities...)
	if err != nil {
		return nil, fmt.Errorf("decrypt with %s: %w", identity, err)
	}
	return plain, nil
}

// counter counts bytes on their way, and tells somebody who watches.
type counter struct {
	what  string
	to    io.Writer
	live  bool
	total int64
	told  time.Time
}

// progress tells how far something is: once it is done and, if somebody watches, on the way.
func (s *session) progress(what string) *counter {
	f, ok := s.stderr.(*os.File)
	return &counter{what: what, to: s.stderr, live: ok && term.IsTerminal(int(f.Fd()))}
}

// Write implements [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	c.total += int64(len(p))
	if now := time.Now(); c.live && now.Sub(c.told) > time.Second {
		c.told = now
		fmt.Fprintf(c.to, "\r%s: %s", c.what, size(c.total))
	}
	return len(p), nil
}

func (c *counter) end(text string) {
	if c.live {
		fmt.Fprint(c.to, "\r")
	}
	fmt.Fprintf(c.to, "%s: %s%s\n", c.what, size(c.total), text)
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
