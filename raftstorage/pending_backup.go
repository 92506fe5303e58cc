package raftstorage

import (
	"context"
	"io"

	"github.com/dgate-io/caddy-dgate/internal/state"
)

// Backup writes what users own, as of one moment.
func (n *Node) Backup(context.Context, io.Writer) (state.SnapshotHeader, error) {
	return state.SnapshotHeader{}, pending("backup")
}

// Restore replaces what users own, on all nodes, by what a backup has.
func (n *Node) Restore(context.Context, io.Reader) error { return pending("restore") }
