// Package boltfile verifies the pages of a bbolt file without bbolt.
//
// bbolt trusts its files. Opened on a damaged one it can panic, also in goroutines of its own
// where nobody can recover, or read memory that is not there. [Check] walks the same pages with
// bounds, so that a damaged file is an error and not the end of the process.
//
// It does not look into keys and values, repairs nothing, and does not lock: the caller makes
// sure that nobody writes meanwhile.
package boltfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// Report is what was found in a sound file.
type Report struct {
	// Size is that of the file in bytes.
	Size int64
	// Used is how many bytes are reachable; the rest is free.
	Used int64
}

// The layout of a bbolt file, version 2. Numbers have the byte order of the machine.
const (
	headerSize  = 16 // id u64, flags u16, count u16, overflow u32
	elementSize = 16
	magic       = 0xED0CDAED
	version     = 2

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagMeta   = 0x04

	leafBucket = 0x01 // the flag of a leaf element whose value is a bucket
	maxDepth   = 64
	maxPage    = 1 << 30
)

type page struct {
	id       uint64
	flags    uint16
	count    int
	overflow uint64
	data     []byte // the whole page with its overflow
}

type file struct {
	r        io.ReaderAt
	size     int64
	pageSize int64
	high     uint64 // pages from here on do not exist
	seen     []uint64
	used     int64
}

// Check verifies the file at path. One that does not exist or is empty is sound.
func Check(path string) (Report, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Report{}, err
	}
	return check(f, info.Size())
}

func check(r io.ReaderAt, size int64) (Report, error) {
	if size == 0 {
		return Report{}, nil
	}
	c := &file{r: r, size: size}
	root, err := c.readMeta()
	if err != nil {
		return Report{}, err
	}
	if c.high > uint64(size/c.pageSize) {
		return Report{}, fmt.Errorf("the file was cut off: %d bytes for %d pages", size, c.high)
	}
	c.seen = make([]uint64, c.high/64+1)
	c.used = 2 * c.pageSize
	if err := c.tree(root, nil, nil, 0); err != nil {
		return Report{}, err
	}
	return Report{Size: size, Used: c.used}, nil
}

// readMeta picks the newer of the two descriptions at the beginning that are sound.
func (c *file) readMeta() (root uint64, err error) {
	var newest uint64
	found := false
	// The first page tells the page size; if it is damaged the second one is looked for.
	for _, at := range c.metaOffsets() {
		buf := make([]byte, headerSize+64)
		if _, err := c.r.ReadAt(buf, at); err != nil {
			continue
		}
		m := buf[headerSize:]
		sum := fnv.New64a()
		sum.Write(m[:56])
		if order.Uint32(m) != magic || order.Uint32(m[4:]) != version || order.Uint64(m[56:]) != sum.Sum64() {
			continue
		}
		size, txid := int64(order.Uint32(m[8:])), order.Uint64(m[48:])
		if size < 512 || size > 1<<20 || (found && (size != c.pageSize || txid < newest)) || (at != 0 && at != size) {
			continue
		}
		found, newest = true, txid
		c.pageSize, root, c.high = size, order.Uint64(m[16:]), order.Uint64(m[40:])
	}
	if !found {
		return 0, errors.New("it is not a database, or both of its descriptions are damaged")
	}
	return root, nil
}

// metaOffsets are the places where descriptions can be: page 0, and page 1 for every page size.
func (c *file) metaOffsets() []int64 {
	offsets := []int64{0}
	for size := int64(512); size <= 1<<20 && size < c.size; size *= 2 {
		offsets = append(offsets, size)
	}
	return offsets
}

var order = binary.NativeEndian

// readPage reads a page with its overflow and marks it as seen.
func (c *file) readPage(id uint64) (*page, error) {
	if id < 2 || id >= c.high {
		return nil, fmt.Errorf("page %d is outside of the file", id)
	}
	header := make([]byte, headerSize)
	if _, err := c.r.ReadAt(header, int64(id)*c.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	p := &page{
		id: order.Uint64(header), flags: order.Uint16(header[8:]),
		count: int(order.Uint16(header[10:])), overflow: uint64(order.Uint32(header[12:])),
	}
	switch {
	case p.id != id:
		return nil, fmt.Errorf("page %d says that it is page %d", id, p.id)
	case p.flags != flagBranch && p.flags != flagLeaf:
		return nil, fmt.Errorf("page %d has the unexpected type %#x", id, p.flags)
	case p.overflow >= c.high || id+p.overflow >= c.high:
		return nil, fmt.Errorf("page %d reaches beyond the file", id)
	}
	for i := id; i <= id+p.overflow; i++ {
		if c.seen[i/64]&(1<<(i%64)) != 0 {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		c.seen[i/64] |= 1 << (i % 64)
	}
	size := (int64(p.overflow) + 1) * c.pageSize
	c.used += size
	if size > maxPage {
		return nil, fmt.Errorf("page %d is too large", id)
	}
	p.data = make([]byte, size)
	if _, err := c.r.ReadAt(p.data, int64(id)*c.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if headerSize+p.count*elementSize > len(p.data) {
		return nil, fmt.Errorf("page %d has too many elements", id)
	}
	return p, nil
}

// tree verifies the pages below id: keys in order, all at least low and below high.
func (c *file) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d is nested too deeply", id)
	}
	p, err := c.readPage(id)
	if err != nil {
		return err
	}
	if p.flags == flagBranch {
		return c.branch(p, low, high, depth)
	}
	return c.leaf(p, id, low, high, depth)
}

func (c *file) branch(p *page, low, high []byte, depth int) error {
	if p.count == 0 {
		return fmt.Errorf("page %d is an empty branch", p.id)
	}
	keys := make([][]byte, p.count)
	children := make([]uint64, p.count)
	for i := range p.count {
		at := headerSize + i*elementSize
		pos, ksize := order.Uint32(p.data[at:]), order.Uint32(p.data[at+4:])
		children[i] = order.Uint64(p.data[at+8:])
		key, err := p.slice(at, pos, ksize)
		if err != nil {
			return err
		}
		if i > 0 && bytes.Compare(keys[i-1], key) >= 0 {
			return fmt.Errorf("page %d: keys are out of order", p.id)
		}
		keys[i] = bytes.Clone(key)
	}
	if low != nil && bytes.Compare(keys[0], low) < 0 || high != nil && bytes.Compare(keys[p.count-1], high) >= 0 {
		return fmt.Errorf("page %d: keys are out of bounds", p.id)
	}
	p.data = nil // not needed below
	for i := range keys {
		next := high
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		if err := c.tree(children[i], keys[i], next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *file) leaf(p *page, id uint64, low, high []byte, depth int) error {
	var previous []byte
	for i := range p.count {
		at := headerSize + i*elementSize
		flags, pos := order.Uint32(p.data[at:]), order.Uint32(p.data[at+4:])
		ksize, vsize := order.Uint32(p.data[at+8:]), order.Uint32(p.data[at+12:])
		key, err := p.slice(at, pos, ksize)
		if err != nil {
			return err
		}
		value, err := p.slice(at, pos+ksize, vsize)
		if err != nil || pos+ksize < pos {
			return fmt.Errorf("page %d: a value is outside of its page", id)
		}
		switch {
		case i > 0 && bytes.Compare(previous, key) >= 0,
			low != nil && bytes.Compare(key, low) < 0,
			high != nil && bytes.Compare(key, high) >= 0:
			return fmt.Errorf("page %d: keys are out of order", id)
		}
		previous = key
		switch flags {
		case 0:
		case leafBucket:
			if err := c.bucket(id, value, depth); err != nil {
				return err
			}
		default:
			return fmt.Errorf("page %d: an element has the unexpected type %#x", id, flags)
		}
	}
	return nil
}

// bucket verifies a nested bucket: a tree of its own, or one page inside of the value.
func (c *file) bucket(id uint64, value []byte, depth int) error {
	if len(value) < 16 {
		return fmt.Errorf("page %d: a bucket is cut off", id)
	}
	root := order.Uint64(value)
	if root != 0 {
		return c.tree(root, nil, nil, depth+1)
	}
	inline := value[16:]
	if len(inline) < headerSize {
		return fmt.Errorf("page %d: a bucket is cut off", id)
	}
	p := &page{id: id, flags: order.Uint16(inline[8:]), count: int(order.Uint16(inline[10:])), data: inline}
	if p.flags != flagLeaf || headerSize+p.count*elementSize > len(inline) || depth > maxDepth {
		return fmt.Errorf("page %d: a bucket inside of it is damaged", id)
	}
	return c.leaf(p, id, nil, nil, depth+1)
}

// slice is a part of the page, at pos bytes from its element.
func (p *page) slice(element int, pos, size uint32) ([]byte, error) {
	start := uint64(element) + uint64(pos)
	if start+uint64(size) > uint64(len(p.data)) {
		return nil, fmt.Errorf("page %d: an element is outside of its page", p.id)
	}
	return p.data[start : start+uint64(size)], nil
}
