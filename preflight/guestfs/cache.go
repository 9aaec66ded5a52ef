package guestfs

import (
	"io"
	"sync"
)

const (
	cachePage  = 4 << 10
	cachePages = 1024 // so 4 MiB
)

// pageCache keeps the pages that small reads touch: inodes and group descriptors are
// read one by one and again and again, each time from the disk otherwise. It is for
// as long as one system is looked at. Safe for concurrent use.
type pageCache struct {
	r io.ReaderAt

	mu    sync.Mutex
	pages map[int64][]byte // by number
}

func newPageCache(r io.ReaderAt) *pageCache {
	return &pageCache{r: r, pages: map[int64][]byte{}}
}

// ReadAt answers what lies within one page from the cache, and all else from below.
func (c *pageCache) ReadAt(p []byte, off int64) (int, error) {
	no, in := off/cachePage, int(off%cachePage)
	if off < 0 || in+len(p) > cachePage {
		return c.r.ReadAt(p, off)
	}
	c.mu.Lock()
	b, ok := c.pages[no]
	c.mu.Unlock()
	if !ok {
		b = make([]byte, cachePage)
		if n, _ := c.r.ReadAt(b, no*cachePage); n < len(b) {
			return c.r.ReadAt(p, off) // at the end, or perhaps only beside p unreadable
		}
		c.mu.Lock()
		if len(c.pages) >= cachePages {
			for k := range c.pages { // any of them
				delete(c.pages, k)
				break
			}
		}
		c.pages[no] = b
		c.mu.Unlock()
	}
	return copy(p, b[in:]), nil
}
