package harness

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// hold reserves a port.
func hold() (addr string, release func(), err error) {
	if !holdable() {
		return anyPort()
	}
	return bind()
}

// holdable tells whether this system lets others listen where a socket is bound that does not. It
// is tried on one port for all, as a process that is being started has a copy of every socket for a
// moment, also of one that listened only to try.
var holdable = sync.OnceValue(func() bool {
	addr, release, err := bind()
	if err != nil {
		return false
	}
	defer release()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
})

// bind binds a socket to a port that the system chooses. With both options set, those who set
// either of them on the same address can listen on it.
func bind() (addr string, release func(), err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return "", nil, err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", nil, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return "", nil, err
	}
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port))
	return addr, func() { _ = unix.Close(fd) }, nil
}

// processAttributes put a process into a group of its own, which ends with the test binary,
// however that ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends a process and what it started.
func killGroup(pid int) { _ = unix.Kill(-pid, unix.SIGKILL) }

// memory returns how much memory a process uses now and at most has used since the last call.
func memory(pid int) (now, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(status) {
		var kib int64
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %d kB", &kib); n == 1 {
			now = kib << 10
		}
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kib); n == 1 {
			peak = kib << 10
		}
	}
	// 5 means: forget the peak.
	return now, peak, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
