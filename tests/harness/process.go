package harness

import (
	"context"
	"os"
	"os/exec"
)

// process is one run of a command.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed after err has been set
	err    error
}

// startProcess starts a command that appends what it says to a file.
func startProcess(cmd *exec.Cmd, log string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = processAttributes()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Process is a command that was started by [Run].
type Process struct{ p *process }

// Run starts a command that appends what it says to a file, and ends with the test binary at the
// latest.
func Run(cmd *exec.Cmd, log string) (*Process, error) {
	p, err := startProcess(cmd, log)
	if err != nil {
		return nil, err
	}
	return &Process{p}, nil
}

// Signal sends a signal to the process.
func (p *Process) Signal(signal os.Signal) error { return p.p.cmd.Process.Signal(signal) }

// Kill ends the process and what it started, and returns when it has ended.
func (p *Process) Kill() { p.p.kill() }

// wait tells whether the process has ended before ctx was done.
func (p *process) wait(ctx context.Context) bool {
	select {
	case <-p.exited:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends the process group and waits for the process.
func (p *process) kill() {
	killGroup(p.cmd.Process.Pid)
	<-p.exited
}
