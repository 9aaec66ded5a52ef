package f2fs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A checkpoint pack takes the first blocks of one of the two segments of the
// checkpoint area. It begins and ends with the same block (f2fs-tools,
// include/f2fs_fs.h, struct f2fs_checkpoint); words of 32 bits, unless said
// otherwise:
//
//	0     version, 64 bits        8     blocks for users, 64 bits
//	16    valid blocks, 64 bits   24    reserved segments
//	28    segments for overprovision
//	32    free segments
//	36    8 current segments for nodes, 68 the next block in each, 16 bits
//	84    8 current segments for data, 116 the next block in each, 16 bits
//	132   flags                   136   blocks of the pack
//	140   where in it the summaries begin
//	144   valid nodes             148   valid inodes
//	156   bytes of the SIT's bitmap, 160 of the NAT's
//	164   place of the checksum   176   16 kinds of allocation, 8 bits each
//	192   the bitmaps
const (
	cpBitmaps  = 192
	cpChecksum = 4092 // the last place the checksum can have

	logs = 3 // of nodes and of data, each: hot, warm, cold
)

// Flags (f2fs-tools, include/f2fs_fs.h, CP_*_FLAG).
const (
	flagUnmounted  = 0x0001
	flagOrphans    = 0x0002
	flagCompact    = 0x0004
	flagError      = 0x0008
	flagFsck       = 0x0010
	flagFastBoot   = 0x0020
	flagCRCRecover = 0x0040
	flagNATBits    = 0x0080
	flagTrimmed    = 0x0100
	flagNoCRC      = 0x0200
	flagLargeNAT   = 0x0400
	flagQuota      = 0x0800
	flagDisabled   = 0x1000
	flagQuick      = 0x2000
	flagResize     = 0x4000

	flagsHarmless = flagUnmounted | flagOrphans | flagCompact | flagFastBoot | flagCRCRecover | flagNATBits | flagTrimmed | flagNoCRC | flagLargeNAT
	flagsCheck    = flagError | flagFsck | flagQuota | flagResize
	flagsDisabled = flagDisabled | flagQuick
)

// checkpoint is a checkpoint pack.
type checkpoint struct {
	b     []byte // its first block, and the payload behind it
	start int64  // first block of the pack
}

func (c *checkpoint) u32(off int) int64 { return int64(binary.LittleEndian.Uint32(c.b[off:])) }
func (c *checkpoint) version() uint64   { return binary.LittleEndian.Uint64(c.b) }
func (c *checkpoint) flags() int64      { return c.u32(132) }
func (c *checkpoint) blocks() int64     { return c.u32(136) }

// sound says whether the checksum of b, a pack's first or last block, is right.
func sound(b []byte) bool {
	le := binary.LittleEndian
	at := le.Uint32(b[164:])
	if at < cpBitmaps || at > cpChecksum {
		return false
	}
	sum := crc(superMagic, b[:at])
	if at < cpChecksum { // it covers what is behind, too
		sum = crc(sum, b[at+4:blockSize])
	}
	return sum == le.Uint32(b[at:])
}

// readCheckpoint reads the newer one of the two packs. One that is damaged is a
// checkpoint that a crash cut short: the other one counts then, but what was
// being written is unknown.
func (f *fsys) readCheckpoint() (*checkpoint, error) {
	var now *checkpoint
	for n := range int64(2) {
		c := &checkpoint{start: f.sb.cp + n*segmentBlocks, b: make([]byte, (1+f.sb.payload)*blockSize)}
		if err := f.read(c.b, c.start, fmt.Sprintf("checkpoint %d", n+1)); err != nil {
			return nil, err
		}
		if !sound(c.b) || c.blocks() < 2 || c.blocks() > segmentBlocks {
			return nil, damaged("checkpoint %d", n+1)
		}
		last := make([]byte, blockSize)
		if err := f.read(last, c.start+c.blocks()-1, fmt.Sprintf("end of checkpoint %d", n+1)); err != nil {
			return nil, err
		}
		if !sound(last) || binary.LittleEndian.Uint64(last) != c.version() {
			return nil, damaged("checkpoint %d does not end as it begins", n+1)
		}
		// The kernel compares the difference, so that the number may wrap.
		if now == nil || int64(c.version()-now.version()) > 0 {
			now = c
		}
	}
	return now, nil
}

// check says why what the checkpoint describes may not be what a mount makes of
// it, or what cannot be right.
func (c *checkpoint) check(sb *super) string {
	const advice = ": run fsck.f2fs"
	flags := c.flags()
	switch {
	case flags&^(flagsHarmless|flagsCheck|flagsDisabled) != 0:
		return fmt.Sprintf("flags of the checkpoint that are not known: %#x", flags)
	case flags&flagsDisabled != 0:
		return "the filesystem was mounted with checkpoint=disable: mount it with checkpoint=enable and unmount it"
	case flags&flagsCheck != 0:
		return fmt.Sprintf("the checkpoint is marked as needing a check (flags %#x)", flags) + advice
	case flags&flagUnmounted == 0:
		return "not unmounted cleanly, so files may have been written behind the last checkpoint: mount and unmount it once"
	case c.u32(24) >= sb.segments:
		return fmt.Sprintf("%d segments are reserved, of %d", c.u32(24), sb.segments) + advice
	}
	for i := range logs {
		for _, at := range []int{36, 84} {
			if c.u32(at+4*i) >= sb.segments || binary.LittleEndian.Uint16(c.b[at+32+2*i:]) >= segmentBlocks {
				return fmt.Sprintf("impossible current segment %d", c.u32(at+4*i)) + advice
			}
		}
	}
	sum := c.u32(140)
	switch {
	case c.u32(156) != sb.sitHalf/8 || c.u32(160) != sb.natHalf/8 || c.sitBitmap(sb) == nil:
		return fmt.Sprintf("impossible bitmaps of %d and %d bytes", c.u32(156), c.u32(160)) + advice
	case sum < 1+sb.payload || sum >= c.blocks()-logs || c.blocks() < 1+2*logs+1 && flags&flagCompact == 0:
		return fmt.Sprintf("impossible summaries from block %d on, of %d", sum, c.blocks()) + advice
	}
	return ""
}

// sitBitmap says, bit by bit, which half of the SIT a block of it is in; nil
// where it leaves the checkpoint (f2fs-tools, fsck/f2fs.h, __bitmap_ptr).
func (c *checkpoint) sitBitmap(sb *super) []byte {
	at, n := int64(cpBitmaps), c.u32(156)
	switch {
	case c.flags()&flagLargeNAT != 0:
		at += c.u32(160)
		if c.u32(164) == cpBitmaps {
			at += 4
		}
	case sb.payload > 0:
		at = blockSize
	}
	if at+n > int64(len(c.b)) {
		return nil
	}
	return c.b[at : at+n]
}

// isCurrent says whether a log is being written in the segment.
func (c *checkpoint) isCurrent(segment int64) bool {
	for i := range logs {
		if c.u32(36+4*i) == segment || c.u32(84+4*i) == segment {
			return true
		}
	}
	return false
}

// bit is a bit of a bitmap whose bytes begin with their highest, as all of
// F2FS's do.
func bit(b []byte, i int64) bool { return b[i/8]<<(i%8)&0x80 != 0 }

// ones counts.
func ones(b []byte) (n int64) {
	for ; len(b) > 0; b = b[8:] {
		n += int64(bits.OnesCount64(binary.LittleEndian.Uint64(b)))
	}
	return n
}

// rollForward says so where a mount would find files that fsync wrote behind
// the checkpoint: even one made at a clean unmounting can have some, of a later
// mount that crashed before its first checkpoint. They hang together from the
// next block of the log of warm nodes on, in which the footer has the
// checkpoint's version (kernel, fs/f2fs/recovery.c, find_fsync_dnodes, and
// node.h, is_recoverable_dnode).
func (f *fsys) rollForward(c *checkpoint) (string, error) {
	const warm = 1
	segment, next := c.u32(36+4*warm), int64(binary.LittleEndian.Uint16(c.b[68+2*warm:]))
	b := make([]byte, blockSize)
	if err := f.read(b, f.sb.main+segment*segmentBlocks+next, "next node"); err != nil {
		return "", err
	}
	const footer = blockSize - 24 // nid, ino, flag, version, next
	// The upper half may be a checksum, or not, by flags: the lower one will do.
	if binary.LittleEndian.Uint32(b[footer+12:]) == uint32(c.version()) && !zero(b[footer:footer+12]) {
		return "files were written behind the last checkpoint, and a crash came before the next one: mount and unmount it once", nil
	}
	return "", nil
}
