// Package pins copies what of a running server's disk must be as it was at T0: the
// filesystems' own structures. Files' contents are read from the live disk.
//
// [Store] is first a cache: what the scanners read before the freeze is kept, and
// forgotten again where the write tracker saw it change. Under the freeze they run
// once more, from the cache but for what is new, and what is then carried and no
// file's contents is kept for as long as the image is served. [Take] is the order
// of it all.
package pins

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"migimg/blockmap"
)

const (
	// blockSize is the unit of the store, in bytes: the smallest in which most
	// filesystems keep their structures.
	blockSize = 4 << 10
	// slabBlocks is how many blocks are asked of the kernel at once.
	slabBlocks = 1024
	// maxRead bounds one read of the device, in bytes.
	maxRead = 1 << 20
	// joinGap is how much is read in vain rather than in two requests, in bytes.
	joinGap = 32 << 10
	// readers is how many reads are on their way at once.
	readers = 8
)

// slot is where a block's copy lies: zeros, or the n-th block of the memory and
// then of the spool.
type slot uint32

const zeroSlot = slot(1<<32 - 1)

var zeros [blockSize]byte // never written to

// Store is a layer over a device that holds copies of some of its blocks. While it
// is filled, reading through it keeps what was read. It is safe for concurrent use.
type Store struct {
	dev  blockmap.Volume
	size int64

	mu     sync.RWMutex
	sealed bool           // nothing more is kept
	blocks map[int64]slot // by number
	bad    map[int64]error
	slabs  [][]byte
	free   []slot // slots that hold nothing
	next   slot
	inMem  slot // slots from here on are in the spool
	spool  *os.File
}

// Options are where the copies go.
type Options struct {
	// Memory is how much of them is held in memory, in bytes.
	Memory int64
	// Spool is a folder for the rest. It must not lie on the device itself, for
	// nothing can be written there while it is frozen. Without one, more than
	// Memory is an error.
	Spool string
}

// NewStore returns an empty store over dev.
func NewStore(dev blockmap.Volume, o Options) (*Store, error) {
	s := &Store{dev: dev, size: dev.Size(), blocks: map[int64]slot{}, bad: map[int64]error{},
		inMem: slot(min(max(o.Memory/blockSize, 0), int64(zeroSlot)))}
	if o.Spool == "" {
		return s, nil
	}
	// Without a name, it goes when the process does, however that ends.
	fd, err := unix.Open(o.Spool, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("a spool file for pins in %s: %w", o.Spool, err)
	}
	s.spool = os.NewFile(uintptr(fd), o.Spool)
	return s, nil
}

// Close gives the memory back. Reads must have ended.
func (s *Store) Close() {
	for _, b := range s.slabs {
		_ = unix.Munmap(b) // it was mapped by us
	}
	s.slabs, s.blocks = nil, nil
	if s.spool != nil {
		s.spool.Close()
	}
}

// Size is the device's size in bytes.
func (s *Store) Size() int64 { return s.size }

// SectorSize is the device's.
func (s *Store) SectorSize() int64 { return s.dev.SectorSize() }

// Ranges are the device's.
func (s *Store) Ranges(off, n int64) iter.Seq[blockmap.Range] { return s.dev.Ranges(off, n) }

// Bytes is how much is held, in bytes, in memory and in the spool. Blocks of zeros
// take no room.
func (s *Store) Bytes() (memory, spool int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	used := int64(s.next) - int64(len(s.free))
	return min(used, int64(s.inMem)) * blockSize, max(used-int64(s.inMem), 0) * blockSize
}

// ReadAt reads the copies, and from the device what there is no copy of. Until the
// store is sealed, that is then kept.
func (s *Store) ReadAt(p []byte, off int64) (int, error) { return s.read(p, off, s.dev.ReadAt) }

// ReadSpeculative is ReadAt by the way in which the layer below reads for a view
// that reads in vain, too.
func (s *Store) ReadSpeculative(p []byte, off int64) (int, error) {
	if d, ok := s.dev.(blockmap.Speculative); ok {
		return s.read(p, off, d.ReadSpeculative)
	}
	return s.ReadAt(p, off)
}

func (s *Store) read(p []byte, off int64, below func([]byte, int64) (int, error)) (int, error) {
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), s.size-off)]
	for n := 0; n < len(want); {
		m, err := s.readSome(want[n:], off+int64(n), below)
		if n += m; err != nil {
			return n, err
		}
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// readSome reads a run that is all held or all not.
func (s *Store) readSome(p []byte, off int64, below func([]byte, int64) (int, error)) (int, error) {
	s.mu.RLock()
	held, n := s.run(off, int64(len(p)))
	if held {
		defer s.mu.RUnlock()
		return s.copyOut(p[:n], off)
	}
	sealed := s.sealed
	s.mu.RUnlock()
	if sealed {
		return below(p[:n], off)
	}
	lo := off / blockSize * blockSize
	hi := min((off+n+blockSize-1)/blockSize*blockSize, s.size)
	buf := make([]byte, hi-lo)
	if err := blockmap.ReadFull(s.dev, buf, lo); err != nil {
		return s.dev.ReadAt(p[:n], off) // perhaps only what was not asked for cannot be read
	}
	if err := s.put(buf, lo); err != nil {
		return 0, err
	}
	return copy(p[:n], buf[off-lo:]), nil
}

// run is how many of the n bytes from off on are alike to the first: held, or not.
func (s *Store) run(off, n int64) (held bool, length int64) {
	first := off / blockSize
	_, held = s.blocks[first]
	if !held {
		_, held = s.bad[first]
	}
	b := first + 1
	for ; b*blockSize < off+n; b++ {
		_, h := s.blocks[b]
		if !h {
			_, h = s.bad[b]
		}
		if h != held {
			break
		}
	}
	return held, min(b*blockSize-off, n)
}

// copyOut reads what is held.
func (s *Store) copyOut(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		b, in := (off+int64(n))/blockSize, (off+int64(n))%blockSize
		part := p[n:min(int64(len(p)), int64(n)+blockSize-in)]
		at, ok := s.blocks[b]
		switch {
		case !ok:
			return n, s.bad[b]
		case at == zeroSlot:
			clear(part)
		case at < s.inMem:
			copy(part, s.memory(at)[in:])
		default:
			if _, err := s.spool.ReadAt(part, int64(at-s.inMem)*blockSize+in); err != nil {
				return n, fmt.Errorf("reading back pins: %w", err)
			}
		}
		n += len(part)
	}
	return n, nil
}

func (s *Store) memory(at slot) []byte {
	return s.slabs[at/slabBlocks][at%slabBlocks*blockSize:][:blockSize]
}

// put keeps the blocks of b, which was read at off, unless they are held already.
func (s *Store) put(b []byte, off int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return nil
	}
	for no := off / blockSize; len(b) > 0; no++ {
		part := b[:min(blockSize, len(b))]
		b = b[len(part):]
		if _, ok := s.blocks[no]; ok {
			continue
		}
		at, err := s.store(part)
		if err != nil {
			return err
		}
		s.blocks[no] = at
	}
	return nil
}

// store finds a place for a block and copies it there.
func (s *Store) store(b []byte) (slot, error) {
	if bytes.Equal(b, zeros[:len(b)]) {
		return zeroSlot, nil
	}
	var at slot
	if n := len(s.free); n > 0 {
		at, s.free = s.free[n-1], s.free[:n-1]
	} else {
		if s.next == zeroSlot {
			return 0, fmt.Errorf("more than %d blocks to pin", zeroSlot)
		}
		at = s.next
		s.next++
	}
	if at >= s.inMem {
		if s.spool == nil {
			return 0, fmt.Errorf("the filesystems' structures are larger than the %d MiB of memory for pins: raise --pin-memory, or give a --spool folder on another disk", int64(s.inMem)*blockSize>>20)
		}
		if _, err := s.spool.WriteAt(b, int64(at-s.inMem)*blockSize); err != nil {
			return 0, fmt.Errorf("writing pins to the spool: %w", err)
		}
		return at, nil
	}
	for int(at/slabBlocks) >= len(s.slabs) {
		// Not of Go's heap, which would grow to twice that before it is collected.
		slab, err := unix.Mmap(-1, 0, slabBlocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return 0, fmt.Errorf("memory for pins: %w", err)
		}
		s.slabs = append(s.slabs, slab)
	}
	copy(s.memory(at), b)
	return at, nil
}
