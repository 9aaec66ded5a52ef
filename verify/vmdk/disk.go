package vmdk

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"migimg/verify/decoder"
)

// Open checks the structure of an image, adds what is wrong to ps, and opens
// its disk. name is the file's name without folder; the descriptor repeats it
// ("" is not compared). The disk is nil where the guest's bytes cannot be found
// at all; a problem then says why. The string sums the image up for people. The
// error is that of a cancelled context.
func Open(ctx context.Context, f decoder.File, name string, ps *decoder.Problems) (decoder.Disk, string, error) {
	h, ok := parseHeader(f, ps)
	if !ok {
		return nil, "", nil
	}
	checkDescriptor(f, &h, name, ps)
	t, ok, err := loadTables(ctx, f, &h, ps)
	if err != nil || !ok {
		return nil, "", err
	}
	kind := "monolithicSparse"
	if h.stream() {
		kind = "streamOptimized"
		checkStreamEnd(f, &h, t, ps)
	} else {
		checkSparseEnd(f, &h, t, ps)
	}
	d := &disk{f: f, h: h, t: t, cache: map[int64][]uint32{}}
	return d, fmt.Sprintf("%s version %d, %d byte grains, %d of %d in the file", kind, h.version, h.grain, t.count, h.grains()), nil
}

// maxCached is how many grain tables (32 MiB of disk each) are kept.
const maxCached = 64

// disk reads grains. All but the cache is immutable.
type disk struct {
	f decoder.File
	h header
	t *tables

	mu    sync.Mutex
	cache map[int64][]uint32 // guarded by mu; the tables in it are immutable

	inflaters sync.Pool
}

func (d *disk) Size() int64 { return d.h.capacity }

// table gives grain table i, nil for one that is not in the file.
func (d *disk) table(i int64) ([]uint32, error) {
	if d.t.gd[i] == 0 {
		return nil, nil
	}
	d.mu.Lock()
	gt := d.cache[i]
	d.mu.Unlock()
	if gt != nil {
		return gt, nil
	}
	b, err := d.f.Bytes(int64(d.t.gd[i])*sector, gtSize)
	if err != nil {
		return nil, fmt.Errorf("vmdk: grain table %d: %w", i, err)
	}
	gt = make([]uint32, gtEntries)
	for j := range gt {
		gt[j] = binary.LittleEndian.Uint32(b[4*j:])
		if gt[j] == 1 && d.h.flags&flagZeroGrain != 0 {
			gt[j] = 0
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.cache) >= maxCached {
		clear(d.cache) // readers go through the disk in its order
	}
	d.cache[i] = gt
	return gt, nil
}

func (d *disk) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= d.h.capacity {
		return 0, io.EOF
	}
	eof := false
	if rest := d.h.capacity - off; int64(len(p)) > rest {
		p, eof = p[:rest], true
	}
	for n < len(p) {
		at := off + int64(n)
		in := at % d.h.grain
		part := p[n:min(len(p), n+int(d.h.grain-in))]
		if err := d.readGrain(part, at/d.h.grain, in); err != nil {
			return n, fmt.Errorf("vmdk: grain %d: %w", at/d.h.grain, err)
		}
		n += len(part)
	}
	if eof {
		err = io.EOF
	}
	return n, err
}

func (d *disk) readGrain(p []byte, g, in int64) error {
	gt, err := d.table(g / gtEntries)
	if err != nil {
		return err
	}
	if gt == nil || gt[g%gtEntries] == 0 {
		clear(p)
		return nil
	}
	at := int64(gt[g%gtEntries]) * sector
	if !d.h.stream() {
		_, err := d.f.ReadAt(p, at+in)
		return err
	}
	return d.inflate(p, g, in, at, d.limit(gt, g))
}

// limit is where the grain after g begins, in bytes of the file, or 0 where the
// grains' order does not tell.
func (d *disk) limit(gt []uint32, g int64) int64 {
	if d.t.next == nil {
		return 0
	}
	for _, e := range gt[g%gtEntries+1:] {
		if e != 0 {
			return int64(e) * sector
		}
	}
	return int64(d.t.next[g/gtEntries+1]) * sector
}

func (d *disk) Allocated(off int64) (int64, bool) {
	g := off / d.h.grain
	data, err := d.has(g)
	if err != nil {
		return min((g+1)*d.h.grain, d.h.capacity) - off, true // the read will say it
	}
	// A step of at most 64 tables keeps the walk short.
	stop := min(d.h.grains(), g+64*gtEntries)
	for g++; g < stop; g++ {
		if g%gtEntries == 0 && d.t.gd[g/gtEntries] == 0 && !data {
			g += gtEntries - 1
			continue
		}
		if next, err := d.has(g); err != nil || next != data {
			break
		}
	}
	return min(g*d.h.grain, d.h.capacity) - off, data
}

func (d *disk) has(g int64) (bool, error) {
	gt, err := d.table(g / gtEntries)
	return gt != nil && gt[g%gtEntries] != 0, err
}

func (d *disk) Locate(off int64) int64 {
	g := off / d.h.grain
	gt, err := d.table(g / gtEntries)
	if err != nil || gt == nil || gt[g%gtEntries] == 0 {
		return -1
	}
	at := int64(gt[g%gtEntries]) * sector
	if !d.h.stream() {
		at += off % d.h.grain
	}
	return at
}
