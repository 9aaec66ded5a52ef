package fat

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"migimg/blockmap"

	"golang.org/x/sync/errgroup"
)

const (
	// chunk bounds one read of a table, in bytes. It holds whole entries, of 12
	// bits as well.
	chunk = 3 << 19
)

// table is what the copies of the table say together.
type table struct {
	// carried has a one for each cluster that an entry describes as anything but
	// free, or leads to. The latter are the same on a sound filesystem; on a
	// damaged one a file is still read that far.
	carried bitset
	used    int64 // entries of the first copy that are not zero
	dirty   bool  // not unmounted, says entry 1
	failed  bool  // reading or writing failed, says entry 1
	differ  bool  // the copies
}

// top is the highest value of an entry; from top-7 on it ends a file, top-8 is
// a bad cluster. FAT32 does not use the upper 4 bits of its 32 (specification,
// "FAT Data Structure").
func (b *boot) top() int64 {
	if b.bits == 32 {
		return 1<<28 - 1
	}
	return 1<<b.bits - 1
}

// readTable reads all copies, a piece of all of them at a time, or says why they
// cannot be trusted.
func (f *fsys) readTable(ctx context.Context) (*table, string, error) {
	t := &table{carried: newBitset(f.clusters + firstCluster)}
	bufs := make([][]byte, f.fats)
	for i := range bufs {
		bufs[i] = make([]byte, min(chunk, f.tableBytes())+8) // whatever an entry is read with
	}
	for at := int64(0); at < f.tableBytes(); at += chunk {
		n := min(chunk, f.tableBytes()-at)
		g, gctx := errgroup.WithContext(ctx)
		for i, buf := range bufs {
			g.Go(func() error {
				off := f.fatStart() + int64(i)*f.fatSectors*f.sector + at
				if err := blockmap.ReadFull(f.v, buf[:n], off); err != nil {
					return fmt.Errorf("vfat: FAT %d at byte %d: %w", i+1, off, err)
				}
				return gctx.Err()
			})
		}
		if err := g.Wait(); err != nil {
			return nil, "", err
		}
		for i, buf := range bufs {
			if i > 0 && bytes.Equal(buf[:n], bufs[0][:n]) {
				continue
			}
			t.differ = t.differ || i > 0
			if why := f.addEntries(t, buf, i, at*8/int64(f.bits)); why != "" {
				return nil, why, nil
			}
		}
	}
	return t, "", nil
}

// addEntries takes a piece of copy i that begins with the entry of cluster from.
func (f *fsys) addEntries(t *table, buf []byte, i int, from int64) string {
	if from == 0 {
		if why := f.addReserved(t, buf, i); why != "" {
			return why
		}
	}
	top := f.top()
	to := min(f.clusters+firstCluster, from+chunk*8/int64(f.bits))
	for c := max(from, firstCluster); c < to; c++ {
		v := f.entry(buf, c-from)
		if v == 0 {
			continue
		}
		t.carried.set(c)
		if i == 0 {
			t.used++
		}
		switch {
		case v >= top-8: // the end, or a bad cluster
		case !f.valid(v):
			return fmt.Sprintf("FAT %d at byte %d is damaged: cluster %d is followed by %d, of %d clusters: run fsck.fat",
				i+1, f.fatStart()+int64(i)*f.fatSectors*f.sector, c, v, f.clusters)
		default:
			t.carried.set(v)
		}
	}
	return ""
}

// entry is the i-th of buf, which is longer than that by some bytes.
func (b *boot) entry(buf []byte, i int64) int64 {
	switch b.bits {
	case 32:
		return int64(binary.LittleEndian.Uint32(buf[4*i:]) & (1<<28 - 1))
	case 16:
		return int64(binary.LittleEndian.Uint16(buf[2*i:]))
	}
	// Two entries share three bytes, the lower one in the lower bits.
	v := int64(binary.LittleEndian.Uint16(buf[i*3/2:]))
	return v >> (i % 2 * 4) & 0xfff
}

// addReserved takes the first two entries of copy i, which describe no cluster.
// The first is the media byte with ones above it. That the bytes agree is more
// than the kernel asks for (fs/fat/inode.c): many devices get it wrong. The
// second has two bits that are cleared by Windows while the filesystem is
// mounted, and after errors.
func (f *fsys) addReserved(t *table, buf []byte, i int) string {
	top := f.top()
	if v := f.entry(buf, 0); v < top-0xf {
		return fmt.Sprintf("FAT %d at byte %d does not begin as one: its first entry is %#x: run fsck.fat",
			i+1, f.fatStart()+int64(i)*f.fatSectors*f.sector, v)
	}
	if f.bits > 12 {
		v := f.entry(buf, 1)
		t.dirty = t.dirty || v&(top/2+1) == 0
		t.failed = t.failed || v&(top/4+1) == 0
	}
	return ""
}

// warnings are for what is odd, but harmless to the map.
func (f *fsys) warnings(t *table) (w []string, err error) {
	if f.state&stateError != 0 || t.failed {
		w = append(w, "a driver has noted errors of the disk: run fsck.fat")
	}
	if t.differ {
		w = append(w, "the copies of the FAT differ; what is in use in any of them is carried: run fsck.fat")
		return w, nil // what they count differs, too
	}
	if n := t.carried.count() - t.used; n > 0 {
		w = append(w, fmt.Sprintf("%d clusters that are marked free belong to files; they are carried: run fsck.fat", n))
	}
	said, err := f.freeCount()
	if err != nil {
		return nil, err
	}
	if free := f.clusters - t.used; said >= 0 && said != free {
		w = append(w, fmt.Sprintf("FSInfo counts %d free clusters, the FAT has %d: run fsck.fat -a", said, free))
	}
	return w, nil
}

// freeCount is the number of free clusters that FAT32's FSInfo sector says, -1
// if it does not. It is a hint (specification, "FAT32 FSInfo Sector Structure").
func (f *fsys) freeCount() (int64, error) {
	le := binary.LittleEndian
	at := int64(le.Uint16(f.raw[0x30:]))
	if f.bits != 32 || at == 0 || at >= f.reserved {
		return -1, nil
	}
	b := make([]byte, 512)
	if err := blockmap.ReadFull(f.v, b, at*f.sector); err != nil {
		return 0, fmt.Errorf("vfat: FSInfo sector at byte %d: %w", at*f.sector, err)
	}
	n := le.Uint32(b[488:])
	if string(b[:4]) != "RRaA" || string(b[484:488]) != "rrAa" || n == 0xffffffff {
		return -1, nil
	}
	return int64(n), nil
}
