// Package tail frees what lies behind a read-only filesystem's end, where it is
// empty.
//
// That a filesystem ends says nothing about what follows. OpenWrt puts a
// writable filesystem behind the squashfs of its root partition, at a distance
// that differs between its builds (fstools, libfstools/rootdisk.c); dm-verity's
// hash tree may lie there, with or without a superblock of its own (cryptsetup,
// veritysetup --hash-offset); Android keeps a footer in the partition's last
// bytes; a second session of a DVD follows the first. None of these can be told
// from old bytes by any mark, so the space is free only where all of it reads as
// zeros: then the copy is the same, byte for byte, whatever it was meant for.
// One byte of anything else, and all of it is carried: a writable filesystem in
// there is in use, and what it has not written yet is empty as well.
package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"migimg/blockmap"
)

const (
	// unit is what padding is rounded to, in bytes: mksquashfs pads to it, and it
	// is the largest sector of a disk.
	unit = 4096
	// chunk is the size of a read, in bytes.
	chunk = 1 << 20
	// inFlight is how many reads are under way at once.
	inFlight = 4
	// most is how many bytes are looked through at most: seconds at mount time.
	// What would take longer is better told to the owner.
	most = 1 << 30
)

// errNotEmpty ends the looking.
var errNotEmpty = errors.New("not empty")

// Free frees [end, v.Size()), where end is a filesystem's first byte that is not
// its own, in whole units of 4 KiB, if all of it is zeros. Otherwise it says why
// the volume has to be carried whole.
func Free(ctx context.Context, v blockmap.Volume, s blockmap.Sink, end int64) (whole string, err error) {
	from, to := (end+unit-1)/unit*unit, v.Size()/unit*unit
	switch {
	case end < 0 || from >= to:
		return "", nil
	case to-from > most:
		return fmt.Sprintf("%d bytes lie behind the filesystem's end, at byte %d; they are carried because looking whether they are empty would take too long: make the partition smaller", v.Size()-end, end), nil
	}
	// What was put there begins at the beginning or ends at the end, mostly.
	for _, off := range []int64{from, max(from, to-chunk)} {
		if at, err := look(ctx, v, off, min(to, off+chunk)); at >= 0 || err != nil {
			return reason(end, at, err)
		}
	}
	if at, err := look(ctx, v, from, to); at >= 0 || err != nil {
		return reason(end, at, err)
	}
	// The padding up to a whole unit, on both sides, is carried, and needs no look.
	return "", s.Free(from, to-from)
}

func reason(end, at int64, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("the filesystem ends at byte %d, but something lies behind it, at byte %d: another filesystem, a verity tree or old data. If it is of no use, write zeros over it (blkdiscard -z -o OFFSET), or make the partition smaller", end, at), nil
}

// look finds a byte of [from, to) that is not zero, and says where, to the chunk
// exactly; or -1.
func look(ctx context.Context, v blockmap.Volume, from, to int64) (int64, error) {
	var at atomic.Int64
	at.Store(-1)
	var next atomic.Int64
	next.Store(from)
	g, ctx := errgroup.WithContext(ctx)
	for range min(inFlight, (to-from+chunk-1)/chunk) {
		g.Go(func() error {
			buf, zeros := make([]byte, chunk), make([]byte, chunk)
			for ctx.Err() == nil {
				off := next.Add(chunk) - chunk
				if off >= to {
					return nil
				}
				p := buf[:min(chunk, to-off)]
				if err := blockmap.ReadFull(v, p, off); err != nil {
					return fmt.Errorf("behind the filesystem's end, at byte %d: %w", off, err)
				}
				if !bytes.Equal(p, zeros[:len(p)]) {
					i := bytes.IndexFunc(p, func(r rune) bool { return r != 0 })
					at.Store(off + int64(i))
					return errNotEmpty
				}
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	if err == errNotEmpty {
		err = nil
	}
	return at.Load(), err
}
