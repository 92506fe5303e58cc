package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Error says that a peer could not be reached, or would not have us. Nothing was sent to it.
type Error struct {
	// Address is where the peer was looked for.
	Address string
	// Err is what went wrong.
	Err error
}

// Error names the address.
func (e *Error) Error() string { return fmt.Sprintf("peer %s: %v", e.Address, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// NotSent tells whether an error of [Port.Client] or of a raft connection's Dial means that the
// request certainly never reached the peer. Otherwise it may have been executed.
func NotSent(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}

// Why connections are refused. Log messages are limited for each of them.
const (
	reasonCertificate = "certificate"
	reasonClock       = "clock"
	reasonCluster     = "cluster"
	reasonEdge        = "edge"
	reasonFiles       = "files"
	reasonLimit       = "limit"
	reasonOther       = "other"
	reasonPlain       = "plaintext"
	reasonProtocol    = "protocol"
	reasonSecret      = "secret"
	reasonSilent      = "silent"
	reasonUs          = "refused by the peer"
)

// refusal is why one side does not want the other. The text goes on after "the peer …".
type refusal struct {
	reason string
	text   string
	err    error
}

// errChanged is about a handshake during which the credentials changed.
func errChanged() error {
	return &refusal{reason: reasonSecret, text: "its certificate was accepted a moment ago, and is no longer"}
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.err }

// accepting classifies why a handshake with somebody who came to us failed.
func accepting(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &refusal{reasonPlain, "it does not speak TLS; this port is for nodes of the cluster only", err}
	}
	if timedOut(err) {
		return &refusal{reasonSilent, "it did not finish the handshake in time", err}
	}
	if gone(err) {
		return &refusal{reasonSilent, "it hung up during the handshake", err}
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "application protocol"):
		return &refusal{reasonProtocol, "it speaks none of the protocols " + RaftProtocol + " and " + RPCProtocol, err}
	case strings.Contains(text, "remote error"):
		return &refusal{reasonUs, "it does not accept the certificate of this node: its secret, its cluster's name or its clock is another, and its log says which", err}
	case strings.Contains(text, "certificate"):
		return &refusal{reasonCertificate, "it has no certificate", err}
	}
	return &refusal{reasonOther, text, err}
}

// dialling classifies why somebody whom we dialled is not our peer.
func dialling(err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &refusal{reasonPlain, "it does not speak TLS; is this the port of the cluster (option listen of the cluster block)?", err}
	}
	if gone(err) {
		return &refusal{reasonSilent, "it hung up during the handshake; it may have too many connections, or its port is not that of a cluster", err}
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "no application protocol"):
		return &refusal{reasonProtocol, "it speaks TLS, but is not the port of a cluster (option listen of the cluster block)", err}
	case strings.Contains(text, "remote error"):
		return &refusal{reasonUs, "it does not accept the certificate of this node: its secret (option secret of the cluster block), its cluster's name or its clock is another, and its log says which", err}
	}
	return err
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
