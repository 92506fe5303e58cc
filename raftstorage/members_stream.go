package raftstorage

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// A connection of raft begins with the id of the cluster that its caller is in, and that of the
// server that it is for: each one byte of length, and the id. Raft's own messages do not carry them,
// and an address can belong to another cluster by now, or to what became of a cluster that was
// recovered: with a higher term, its leader would overwrite our log. Or it belongs to another server,
// as it does when one has lost its data and begins anew: that must not vote, nor confirm that it has
// a change, in the name of the one before.
const maxClusterID = 64

// joinTarget says to whom a connection is, in the form of an address.
func joinTarget(id raft.ServerID, address raft.ServerAddress) raft.ServerAddress {
	return raft.ServerAddress(id) + "@" + address
}

// splitTarget undoes that. An address for which there is no server is as it was.
func splitTarget(target raft.ServerAddress) (raft.ServerID, raft.ServerAddress) {
	i := strings.LastIndexByte(string(target), '@')
	if i < 0 {
		return "", target
	}
	return raft.ServerID(target[:i]), target[i+1:]
}

// ownCluster lets only servers of the same cluster talk to raft, and only those that mean this one.
type ownCluster struct {
	raft.StreamLayer
	id      func() string // of the cluster of this server, or "" if it has none yet
	self    func() raft.ServerID
	foreign func(error)
}

// Dial implements raft.StreamLayer.
func (l *ownCluster) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	server, address := splitTarget(address)
	conn, err := l.StreamLayer.Dial(address, timeout)
	if err != nil {
		return nil, err
	}
	id := l.id()
	if len(id) > maxClusterID || len(server) > maxServerID {
		return nil, errors.Join(errors.New("the id of the cluster or of a server is too long"), conn.Close())
	}
	err = conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		first := append([]byte{byte(len(id))}, id...)
		_, err = conn.Write(append(append(first, byte(len(server))), server...))
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
	theirs, err := c.readID(maxClusterID)
	if err != nil {
		return err
	}
	server, err := c.readID(maxServerID)
	if err != nil {
		return err
	}
	if ours := c.layer.id(); theirs != "" && ours != "" && theirs != ours {
		err := fmt.Errorf("a server at %s is in cluster %s, and this one in cluster %s", c.RemoteAddr(), theirs, ours)
		c.layer.foreign(err)
		return err
	}
	if server != string(c.layer.self()) {
		return io.EOF // raft does not log that; who calls finds nobody, which is so
	}
	return nil
}

// readID reads a length and so many bytes.
func (c *introduced) readID(limit byte) (string, error) {
	var size [1]byte
	if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
		return "", err
	}
	if size[0] > limit {
		return "", errors.New("the caller does not say what cluster it is in, and whom it means")
	}
	id := make([]byte, size[0])
	_, err := io.ReadFull(c.Conn, id)
	return string(id), err
}

// maxServerID bounds the id of a server.
const maxServerID = 128
