package raftstorage

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// A connection of raft begins with the id of the cluster that its caller is in: one byte of length,
// and the id. Raft's own messages do not carry it, and an address can belong to another cluster by
// now, or to what became of a cluster that was recovered: with a higher term, its leader would
// overwrite our log.
const maxClusterID = 64

// ownCluster lets only servers of the same cluster talk to raft.
type ownCluster struct {
	raft.StreamLayer
	id      func() string // of the cluster of this server, or "" if it has none yet
	foreign func(error)
}

// Dial implements raft.StreamLayer.
func (l *ownCluster) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	conn, err := l.StreamLayer.Dial(address, timeout)
	if err != nil {
		return nil, err
	}
	id := l.id()
	if len(id) > maxClusterID {
		return nil, errors.Join(errors.New("the id of the cluster is too long"), conn.Close())
	}
	err = conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		_, err = conn.Write(append([]byte{byte(len(id))}, id...))
	}
	if err == nil {
		err = conn.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Accept implements net.Listener.
func (l *ownCluster) Accept() (net.Conn, error) {
	conn, err := l.StreamLayer.Accept()
	if err != nil {
		return nil, err
	}
	return &introduced{Conn: conn, layer: l}, nil
}

// introduced reads the id of the cluster before anything else. It is read by one goroutine.
type introduced struct {
	net.Conn
	layer *ownCluster
	done  bool
}

// Read implements net.Conn.
func (c *introduced) Read(b []byte) (int, error) {
	if !c.done {
		if err := c.introduce(); err != nil {
			return 0, err
		}
		c.done = true
	}
	return c.Conn.Read(b)
}

func (c *introduced) introduce() error {
	var size [1]byte
	if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
		return err
	}
	if size[0] > maxClusterID {
		return errors.New("the caller does not say what cluster it is in")
	}
	id := make([]byte, size[0])
	if _, err := io.ReadFull(c.Conn, id); err != nil {
		return err
	}
	if theirs, ours := string(id), c.layer.id(); theirs != "" && ours != "" && theirs != ours {
		err := fmt.Errorf("a server at %s is in cluster %s, and this one in cluster %s", c.RemoteAddr(), theirs, ours)
		c.layer.foreign(err)
		return err
	}
	return nil
}
