package nbd

import (
	"fmt"
	"io"
)

// within says whether [off, off+n) lies in the export.
func (c *Client) within(off, n int64) error {
	if off < 0 || n < 0 || off > c.exp.size-n {
		return fmt.Errorf("%d bytes at %d are not within the export's %d", n, off, c.exp.size)
	}
	return nil
}

// ReadAt reads from the export as io.ReaderAt has it.
func (c *Client) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at %d: a negative offset", off)
	}
	if off >= c.exp.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), c.exp.size-off)
	done := int64(0)
	for done < want {
		n, err := c.read(p[done:want], off+done)
		if err != nil {
			return int(done), err
		}
		done += n
	}
	if done < int64(len(p)) {
		return int(done), io.EOF
	}
	return int(done), nil
}

// read is one request for the first bytes of p.
func (c *Client) read(p []byte, off int64) (int64, error) {
	skip := off % c.exp.block
	n := min(int64(len(p)), c.exp.most-skip)
	if skip == 0 && n%c.exp.block == 0 {
		return n, c.request(cmdRead, off, n, nil, p[:n])
	}
	b := make([]byte, c.whole(skip+n))
	err := c.request(cmdRead, off-skip, int64(len(b)), nil, b)
	copy(p[:n], b[skip:])
	return n, err
}

// whole rounds up to the server's blocks.
func (c *Client) whole(n int64) int64 { return (n + c.exp.block - 1) / c.exp.block * c.exp.block }

// WriteAt writes to the export; all of p, or an error. It never makes the export
// larger.
func (c *Client) WriteAt(p []byte, off int64) (int, error) {
	if err := c.within(off, int64(len(p))); err != nil {
		return 0, err
	}
	done := int64(0)
	for done < int64(len(p)) {
		n, err := c.writeOne(p[done:], off+done)
		if err != nil {
			return int(done), err
		}
		done += n
	}
	return int(done), nil
}

// writeOne writes the first bytes of p by one request: whole blocks as they are,
// or what lies in one block, around which the block is read.
func (c *Client) writeOne(p []byte, off int64) (int64, error) {
	skip := off % c.exp.block
	if whole := min(int64(len(p)), c.exp.most) / c.exp.block * c.exp.block; skip == 0 && whole > 0 {
		c.edge.RLock()
		defer c.edge.RUnlock()
		return whole, c.request(cmdWrite, off, whole, p[:whole], nil)
	}
	n := min(int64(len(p)), c.exp.block-skip)
	c.edge.Lock()
	defer c.edge.Unlock()
	b := make([]byte, c.exp.block)
	if err := c.request(cmdRead, off-skip, c.exp.block, nil, b); err != nil {
		return 0, err
	}
	copy(b[skip:], p[:n])
	return n, c.request(cmdWrite, off-skip, c.exp.block, b, nil)
}

// Zero makes n bytes at off read as zeros; the server may free their place.
func (c *Client) Zero(off, n int64) error {
	if err := c.within(off, n); err != nil {
		return err
	}
	for end := off + n; off < end; {
		n = end - off
		skip := off % c.exp.block
		whole := min(n, maxZero) / c.exp.block * c.exp.block
		if skip > 0 || whole == 0 || c.exp.flags&exportWriteZeroes == 0 {
			n = min(n, c.exp.most)
			if skip > 0 {
				n = min(n, c.exp.block-skip)
			}
			if _, err := c.WriteAt(make([]byte, n), off); err != nil {
				return err
			}
			off += n
			continue
		}
		c.edge.RLock()
		err := c.request(cmdWriteZeroes, off, whole, nil, nil)
		c.edge.RUnlock()
		if err != nil {
			return err
		}
		off += whole
	}
	return nil
}

// Sync returns when everything whose write had returned before is on stable
// storage.
func (c *Client) Sync() error {
	if !c.CanFlush() {
		return fmt.Errorf("the NBD server cannot flush: nobody knows when what was written is stable")
	}
	return c.request(cmdFlush, 0, 0, nil, nil)
}
