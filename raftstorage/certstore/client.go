package certstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// ErrNobody is in the error of a client when no process has the store open.
var ErrNobody = errors.New("no other process has the store open")

// Client is the storage of another process that has the store open. Its methods may be called from
// several goroutines.
type Client struct {
	dir  string
	http *http.Client

	mu    sync.Mutex
	locks map[string][]*borrowed
}

// borrowed is a lock that the other process has for this one.
type borrowed struct {
	id   uint64
	body io.Closer // as long as it is open, the lock is held
}

// Dial finds the process that has the store in dir open. The error is [ErrNobody] if there is none.
func Dial(ctx context.Context, dir string) (*Client, error) {
	c := &Client{dir: dir, locks: map[string][]*borrowed{}}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(dir) },
		// A connection for each request: there are few, and the other process may be a new one.
		DisableKeepAlives: true,
	}}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if _, err := c.ask(ctx, "ping", question{}); err != nil {
		return nil, err
	}
	return c, nil
}

// Alive tells whether the other process still answers.
func (c *Client) Alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := c.ask(ctx, "ping", question{})
	return err == nil
}

// String names the storage in logs.
func (c *Client) String() string { return "dgate (of another process)" }

// Load implements [certmagic.Storage].
func (c *Client) Load(ctx context.Context, key string) ([]byte, error) {
	a, err := c.ask(ctx, "load", question{Key: key})
	return a.Value, err
}

// Store implements [certmagic.Storage].
func (c *Client) Store(ctx context.Context, key string, value []byte) error {
	if len(value) > MaxValue {
		return resource.Errorf(resource.TooLarge, "store %s: %d bytes are too many; at most %d are stored", key, len(value), MaxValue)
	}
	_, err := c.ask(ctx, "store", question{Key: key, Value: value})
	return err
}

// Delete implements [certmagic.Storage].
func (c *Client) Delete(ctx context.Context, key string) error {
	_, err := c.ask(ctx, "delete", question{Key: key})
	return err
}

// Exists implements [certmagic.Storage].
func (c *Client) Exists(ctx context.Context, key string) bool {
	a, err := c.ask(ctx, "exists", question{Key: key})
	return err == nil && a.OK
}

// List implements [certmagic.Storage].
func (c *Client) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	a, err := c.ask(ctx, "list", question{Key: path, Recursive: recursive})
	return a.Keys, err
}

// Stat implements [certmagic.Storage].
func (c *Client) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	a, err := c.ask(ctx, "stat", question{Key: key})
	return a.Info, err
}

// Lock implements [certmagic.Storage]. The lock is free when this process ends.
func (c *Client) Lock(ctx context.Context, name string) error {
	_, err := c.borrow(ctx, "lock", name)
	return err
}

// TryLock implements [certmagic.TryLocker].
func (c *Client) TryLock(ctx context.Context, name string) (bool, error) {
	return c.borrow(ctx, "trylock", name)
}

// Unlock implements [certmagic.Storage].
func (c *Client) Unlock(ctx context.Context, name string) error {
	c.mu.Lock()
	locks := c.locks[name]
	if len(locks) == 0 {
		c.mu.Unlock()
		return nil
	}
	lock := locks[0]
	if c.locks[name] = locks[1:]; len(locks) == 1 {
		delete(c.locks, name)
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, unlockTimeout)
	defer cancel()
	_, err := c.ask(ctx, "unlock", question{Lock: lock.id})
	if closed := lock.body.Close(); errors.Is(err, ErrNobody) {
		return nil // and so is the lock
	} else if err == nil {
		err = closed
	}
	return err
}

// RenewLockLease implements [certmagic.LockLeaseRenewer].
func (c *Client) RenewLockLease(ctx context.Context, name string, lease time.Duration) error {
	_, err := c.ask(ctx, "renew", question{Key: name, Lease: lease})
	return err
}

func (c *Client) borrow(ctx context.Context, how, name string) (bool, error) {
	// The request goes on after the answer, and so must its context.
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	a, body, err := c.request(lasting, how, question{Key: name})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil || !a.OK {
		end()
		if body != nil {
			_ = body.Close() // there is nothing in it
		}
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locks[name] = append(c.locks[name], &borrowed{a.Lock, closing{body, end}})
	return true, nil
}

// closing ends a request when its body is closed.
type closing struct {
	io.Closer
	end context.CancelFunc
}

func (c closing) Close() error {
	defer c.end()
	return c.Closer.Close()
}

// ask makes a request that ends with its answer.
func (c *Client) ask(ctx context.Context, how string, q question) (answer, error) {
	a, body, err := c.request(ctx, how, q)
	if body != nil {
		err = errors.Join(err, body.Close())
	}
	return a, err
}

// request makes a request. The body, if there is one, is to be closed.
func (c *Client) request(ctx context.Context, how string, q question) (a answer, body io.Closer, err error) {
	data, err := json.Marshal(q)
	if err != nil {
		return a, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://dgate/"+how, bytes.NewReader(data))
	if err != nil {
		return a, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if op := new(net.OpError); errors.As(err, &op) && op.Op == "dial" {
			err = fmt.Errorf("%w: %w", ErrNobody, op.Err)
		}
		return a, nil, fmt.Errorf("the process that has the store in %s open: %w", c.dir, err)
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, resp.Body, fmt.Errorf("the process that has the store in %s open: %w", c.dir, err)
	}
	switch {
	case a.Missing:
		return a, resp.Body, pathError(how, q.Key, fs.ErrNotExist)
	case a.Error != "":
		return a, resp.Body, &resource.Error{Code: a.Code, Message: a.Error}
	}
	return a, resp.Body, nil
}

var (
	_ certmagic.Storage          = (*Client)(nil)
	_ certmagic.TryLocker        = (*Client)(nil)
	_ certmagic.LockLeaseRenewer = (*Client)(nil)
)
