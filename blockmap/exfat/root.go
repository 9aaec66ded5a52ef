package exfat

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Directory entries have 32 bytes, the first of which is the type: bit 7 says
// that the entry is in use, bit 6 that it belongs to the one before, bit 5 that
// it may be ignored by who does not know it (specification, section 6.2.1).
const (
	entrySize = 32

	typeInUse     = 0x80
	typeSecondary = 0x40
	typeBenign    = 0x20

	typeEnd    = 0x00
	typeBitmap = 0x81 // 1 flags, 20 first cluster (32), 24 bytes (64)
	typeUpcase = 0x82 // 4 checksum (32), 20 first cluster (32), 24 bytes (64)
	typeLabel  = 0x83 // 1 characters, 2 UTF-16 [11]
	typeFile   = 0x85

	maxLabel  = 11        // characters
	maxDir    = 256 << 20 // bytes of a directory (section 7.4)
	maxUpcase = 128 << 10 // bytes: two for each UTF-16 unit
)

// root is what the root directory says.
type root struct {
	label  string
	bitmap int64 // the byte of the volume at which the bitmap lies, in one piece
	system []run // clusters of directory, bitmap and up-case table, ascending
}

// readRoot reads the root directory and what it names, or says why it cannot be
// trusted.
func (f *fsys) readRoot(ctx context.Context) (r root, why string, err error) {
	if why, err := f.checkFAT(); why != "" || err != nil {
		return r, why, err
	}
	dir, why, err := f.chain(ctx, f.rootCluster, max(1, maxDir/f.cluster), "root directory")
	if why != "" || err != nil {
		return r, why, err
	}
	var bitmap, upcase []byte
	why, err = f.entries(ctx, dir, func(e []byte) string {
		switch kind := e[0]; {
		case kind == typeBitmap && bitmap != nil, kind == typeUpcase && upcase != nil:
			return "there are two allocation bitmaps or up-case tables: run fsck.exfat"
		case kind == typeBitmap && e[1]&1 != 0:
			return "the only allocation bitmap is the second: run fsck.exfat"
		case kind == typeBitmap:
			bitmap = e
		case kind == typeUpcase:
			upcase = e
		case kind == typeLabel:
			r.label = label(e)
		case kind == typeFile:
		case kind&(typeInUse|typeSecondary|typeBenign) == typeInUse:
			return fmt.Sprintf("the root directory has an entry of type %#02x, which is not known", kind)
		}
		return ""
	})
	switch {
	case why != "" || err != nil:
		return r, why, err
	case bitmap == nil || upcase == nil:
		return r, "the root directory names no allocation bitmap or no up-case table: run fsck.exfat", nil
	}
	maps, why, err := f.readBitmapPlace(ctx, bitmap)
	if why != "" || err != nil {
		return r, why, err
	}
	cases, why, err := f.checkUpcase(ctx, upcase)
	if why != "" || err != nil {
		return r, why, err
	}
	r.bitmap = f.offset(maps[0].from)
	sound := false
	if r.system, sound = joined(append(append(maps, cases...), dir...)); !sound {
		return r, "root directory, allocation bitmap and up-case table overlap: run fsck.exfat", nil
	}
	return r, "", nil
}

// entries calls each for every entry of a directory up to its end, until that
// says that something is wrong.
func (f *fsys) entries(ctx context.Context, dir []run, each func(e []byte) string) (string, error) {
	size := min(f.cluster, fatBuffer)
	for _, r := range dir {
		for off, end := f.offset(r.from), f.offset(r.to); off < end; off += size {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			b := make([]byte, size)
			if err := readFull(f.v, b, off, "root directory"); err != nil {
				return "", err
			}
			for ; len(b) > 0; b = b[entrySize:] {
				if b[0] == typeEnd {
					return "", nil
				}
				if why := each(b[:entrySize]); why != "" {
					return why, nil
				}
			}
		}
	}
	return "", nil
}

// label is the volume's, as blkid prints it.
func label(e []byte) string {
	u := make([]uint16, min(e[1], maxLabel))
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(e[2+2*i:])
	}
	s, _, _ := strings.Cut(string(utf16.Decode(u)), "\x00")
	return strings.TrimRight(s, " \t\n")
}

// bitmapBytes is how large the bitmap has to be.
func (b *boot) bitmapBytes() int64 { return (b.clusters + 7) / 8 }

// readBitmapPlace finds the clusters of the bitmap. The specification allows it
// to be in pieces, but the kernel reads it from its first cluster on whatever
// the FAT says (exfat_allocate_bitmap in fs/exfat/balloc.c), so that of one in
// pieces two drivers have two opinions.
func (f *fsys) readBitmapPlace(ctx context.Context, e []byte) ([]run, string, error) {
	le := binary.LittleEndian
	size := le.Uint64(e[24:])
	if size != uint64(f.bitmapBytes()) {
		return nil, fmt.Sprintf("an allocation bitmap of %d bytes is not that of %d clusters: run fsck.exfat", size, f.clusters), nil
	}
	need := (f.bitmapBytes() + f.cluster - 1) / f.cluster
	runs, why, err := f.chain(ctx, int64(le.Uint32(e[20:])), need, "allocation bitmap")
	if why != "" || err != nil {
		return nil, why, err
	}
	if len(runs) != 1 || count(runs) != need {
		return nil, fmt.Sprintf("the allocation bitmap has %d clusters in %d pieces, must have %d in one: run fsck.exfat", count(runs), len(runs), need), nil
	}
	return runs, "", nil
}

// checkUpcase verifies the checksum of the up-case table (specification, section
// 7.2.2) and returns its clusters.
func (f *fsys) checkUpcase(ctx context.Context, e []byte) ([]run, string, error) {
	le := binary.LittleEndian
	size := le.Uint64(e[24:])
	if size == 0 || size > maxUpcase {
		return nil, fmt.Sprintf("an up-case table of %d bytes: run fsck.exfat", size), nil
	}
	need := (int64(size) + f.cluster - 1) / f.cluster
	runs, why, err := f.chain(ctx, int64(le.Uint32(e[20:])), need, "up-case table")
	if why != "" || err != nil {
		return nil, why, err
	}
	if count(runs) != need {
		return nil, fmt.Sprintf("the up-case table has %d clusters, must have %d: run fsck.exfat", count(runs), need), nil
	}
	sum, left := uint32(0), int64(size)
	for _, r := range runs {
		b := make([]byte, min(left, (r.to-r.from)*f.cluster))
		if err := readFull(f.v, b, f.offset(r.from), "up-case table"); err != nil {
			return nil, "", err
		}
		for _, c := range b {
			sum = rotated(sum, c)
		}
		left -= int64(len(b))
	}
	if want := le.Uint32(e[4:]); sum != want {
		return nil, fmt.Sprintf("the up-case table's checksum is %#08x, must be %#08x: run fsck.exfat", sum, want), nil
	}
	return runs, "", nil
}
