package raftstorage

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// storageFailure says what this node cannot read or write, and what is to be done about it, as an
// error with the code no_leader; nil if all is well.
func (s *store) storageFailure() error {
	g := s.guarding()
	s.checkPlace(g)
	err := g.failed()
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ") // there can be several
	if gone := new(goneError); !errors.As(err, &gone) {
		text += "; free space on its disk, or mend it: this node goes on by itself then"
	}
	return &resource.Error{Code: resource.NoLeader, Message: "the storage of this node fails: " + text, Err: err}
}

// guarding is the guard of raft while that runs.
func (s *store) guarding() *guard {
	if m := s.member.Load(); m != nil {
		return m.guard
	}
	return s.guard
}

// checkPlace looks whether raft.db is still where it was opened. If somebody removed the directory,
// everything seems to go on: the open files are written, and nobody finds them any more.
func (s *store) checkPlace(g *guard) {
	if s.files == nil {
		return
	}
	info, err := os.Stat(s.cfg.path(logFile))
	if err != nil || !os.SameFile(info, s.files.info) {
		err = &goneError{s.cfg.Dir, err}
	}
	g.note("look for "+logFile, err)
}

// goneError says that the data directory is not the one that is open.
type goneError struct {
	dir string
	err error // of looking for it; nil if there is another file
}

func (e *goneError) Error() string {
	what := "another file is in its place"
	if e.err != nil {
		what = e.err.Error()
	}
	return fmt.Sprintf("the data directory %s was removed or replaced while it is in use (%s): put it back, "+
		"or save what is needed with a backup and restart", e.dir, what)
}

// Unwrap gives the cause.
func (e *goneError) Unwrap() error { return e.err }
