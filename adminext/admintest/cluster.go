package admintest

import (
	"context"
	"fmt"
	"io"

	"github.com/dgate-io/caddy-dgate/adminext"
)

// Cluster is a cluster that only notes what is done with it. Its fields may be set before it is
// used, and read when nothing is under way.
type Cluster struct {
	// List are the members.
	List []adminext.Member
	// Calls is what was asked for, such as "remove n2 force=false".
	Calls []string
	// Err is what all methods but Members answer.
	Err error
	// Data is the backup, and what was restored last.
	Data string
	// TokenText is what nodes join with.
	TokenText string
	// BreakOff makes a backup fail after Data.
	BreakOff bool
}

func (c *Cluster) note(format string, args ...any) error {
	c.Calls = append(c.Calls, fmt.Sprintf(format, args...))
	return c.Err
}

// Members implements [adminext.Cluster].
func (c *Cluster) Members(context.Context) ([]adminext.Member, error) { return c.List, nil }

// Join implements [adminext.Cluster].
func (c *Cluster) Join(_ context.Context, addresses []string) error {
	return c.note("join %v", addresses)
}

// Remove implements [adminext.Cluster].
func (c *Cluster) Remove(_ context.Context, id string, force bool) error {
	return c.note("remove %s force=%t", id, force)
}

// Leave implements [adminext.Cluster].
func (c *Cluster) Leave(context.Context) error { return c.note("leave") }

// Transfer implements [adminext.Cluster].
func (c *Cluster) Transfer(_ context.Context, to string) error { return c.note("transfer to %q", to) }

// Recover implements [adminext.Cluster].
func (c *Cluster) Recover(_ context.Context, last uint64) error { return c.note("recover %d", last) }

// Backup implements [adminext.Cluster].
func (c *Cluster) Backup(_ context.Context, w io.Writer) error {
	if err := c.note("backup"); err != nil && !c.BreakOff {
		return err
	}
	if _, err := io.WriteString(w, c.Data); err != nil {
		return err
	}
	return c.Err
}

// Restore implements [adminext.Cluster].
func (c *Cluster) Restore(_ context.Context, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.Data = string(data)
	return c.note("restore")
}

// Token implements [adminext.Cluster].
func (c *Cluster) Token(context.Context) (string, error) { return c.TokenText, c.note("token") }

var _ adminext.Cluster = (*Cluster)(nil)
