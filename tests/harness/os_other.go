//go:build !linux

package harness

import (
	"errors"
	"os"
	"syscall"
)

func hold() (addr string, release func(), err error) { return anyPort() }

func processAttributes() *syscall.SysProcAttr { return nil }

func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

func memory(int) (now, peak int64, err error) { return 0, 0, errors.ErrUnsupported }
