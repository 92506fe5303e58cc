package certstore

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// SocketName is the name of the socket in the data directory, at which the process that has the
// store open answers others of the same user.
const SocketName = "dgate.sock"

// maxSocketPath is how long the path of a socket can be, on the system where it is the shortest.
const maxSocketPath = 100

// atSocket calls use with the path of the socket, or with a short one for the same file.
func atSocket(dir string, use func(path string) error) error {
	path := filepath.Join(dir, SocketName)
	if len(path) <= maxSocketPath {
		return use(path)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the path %s is too long for a socket: it must have at most %d bytes", path, maxSocketPath)
	}
	opened, err := os.Open(dir) //nolint:gosec // the operator says where the data is
	if err != nil {
		return err
	}
	short := filepath.Join("/proc/self/fd", strconv.Itoa(int(opened.Fd())), SocketName)
	return errors.Join(use(short), opened.Close())
}

// listen makes the socket. One that is there already was left behind: the caller has the store open,
// so nobody else has.
func listen(dir string) (l net.Listener, err error) {
	err = atSocket(dir, func(path string) error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if l, err = net.Listen("unix", path); err != nil { //nolint:noctx // it does not wait
			return err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false) // the short path may be another one by then
		if err := os.Chmod(path, 0o600); err != nil {
			return errors.Join(err, l.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("socket for other processes: %w", err)
	}
	return l, nil
}

// dial connects to the socket.
func dial(dir string) (c net.Conn, err error) {
	err = atSocket(dir, func(path string) error {
		c, err = net.Dial("unix", path) //nolint:noctx // it does not wait
		return err
	})
	return c, err
}
