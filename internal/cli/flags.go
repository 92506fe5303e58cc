package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/dgate-io/caddy-dgate/internal/adminclient"
)

// flags are those of every command; they may stand anywhere.
type flags struct {
	admin     string
	auth      string
	token     string
	namespace string
	output    string
	follow    bool
	verbose   bool
	version   bool

	// Those of documents only.
	limit  int
	offset int
	all    bool
}

// The output formats.
const (
	formatJSON   = "json"
	formatYAML   = "yaml"
	formatTable  = "table"
	formatSource = "source" // what a field has that is a file; only get knows it
)

var formats = []string{formatJSON, formatYAML, formatTable, formatSource}

// register adds the flags. What the environment has is not a default, since help would show it.
func (f *flags) register(set *pflag.FlagSet, getenv func(string) string) {
	follow, _ := strconv.ParseBool(getenv("DGATE_FOLLOW_REDIRECTS"))
	set.StringVar(&f.admin, "admin", adminclient.DefaultAddress, "Caddy's admin `address`: a URL, or unix//path (env DGATE_ADMIN_API)")
	set.StringVarP(&f.auth, "auth", "a", "", "`user:password` for the admin API; asks for an absent password (env DGATE_ADMIN_AUTH)")
	set.StringVar(&f.token, "token", "", "bearer `token` for the admin API (env DGATE_ADMIN_TOKEN)")
	set.StringVarP(&f.namespace, "namespace", "n", "", "`namespace` of the resource; * lists all")
	set.StringVarP(&f.output, "output", "o", formatJSON, "output `format`: json, yaml or table; source is the code of a module, for get")
	set.BoolVarP(&f.follow, "follow", "f", follow, "follow redirects (env DGATE_FOLLOW_REDIRECTS)")
	set.BoolVarP(&f.verbose, "verbose", "V", false, "print a line for each request")
	set.BoolVarP(&f.version, "version", "v", false, "print the version")
}

// client makes the client that the flags ask for.
func (s *session) client(given func(flag string) bool) (*adminclient.Client, error) {
	if !slices.Contains(formats, s.flags.output) {
		return nil, fmt.Errorf("output must be one of %s", strings.Join(formats, ", "))
	}
	options := adminclient.Options{Address: s.flags.admin, Follow: s.flags.follow, Version: s.program.Version}
	if env := s.program.Getenv("DGATE_ADMIN_API"); env != "" && !given("admin") {
		options.Address = env
	}
	if err := s.credentials(&options, given); err != nil {
		return nil, err
	}
	options.Trace = s.trace()
	return adminclient.New(options)
}

// trace prints a line for each request, nil if nobody wants to see them.
func (s *session) trace() func(adminclient.Exchange) {
	if !s.flags.verbose {
		return nil
	}
	return func(e adminclient.Exchange) {
		fmt.Fprintf(s.stdout, "%s %s %s - %s %s\n", e.Proto, e.Method, e.URL, e.Status, e.Took)
	}
}

// credentials are those of the flags, or else of the environment.
func (s *session) credentials(options *adminclient.Options, given func(flag string) bool) error {
	auth, token := s.flags.auth, s.flags.token
	switch {
	case given("auth") && given("token"):
		return errors.New("either --auth or --token, not both")
	case !given("auth") && !given("token"):
		auth, token = s.program.Getenv("DGATE_ADMIN_AUTH"), s.program.Getenv("DGATE_ADMIN_TOKEN")
	}
	options.Token = token
	if auth == "" || token != "" {
		return nil
	}
	var err error
	options.User, options.Password, err = s.userInfo(auth)
	return err
}

// userInfo splits user:password, and asks for a password that is not there.
func (s *session) userInfo(auth string) (user, password string, err error) {
	user, password, ok := strings.Cut(auth, ":")
	if !ok {
		password, err = s.askPassword(user)
	}
	return user, password, err
}

// askPassword reads a password, unseen if somebody is typing.
func (s *session) askPassword(user string) (string, error) {
	fmt.Fprintf(s.stderr, "password for %s:", user)
	defer fmt.Fprintln(s.stderr)
	if f, ok := s.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		password, err := term.ReadPassword(int(f.Fd()))
		return string(password), err
	}
	line, err := bufio.NewReader(s.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line == "" {
		return "", errors.New("no password given")
	}
	return strings.TrimRight(line, "\r\n"), nil
}
