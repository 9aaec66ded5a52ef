package xfs

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
)

// The log is a ring of blocks of 512 bytes, whatever the filesystem's block
// size. It is written in records, which have one header block (more, if they
// may be longer than 32 KiB). The first word of every block is the number of
// the lap in which it was written, the cycle; of a record's first block, it is
// the header's magic number, and the cycle follows. So where the cycle changes
// is the head, where the next record will go (kernel, xfs_log_recover.c,
// xlog_find_head and xlog_find_tail). Record header, big-endian
// (xfs_log_format.h, struct xlog_rec_header; offsets in bytes):
//
//	0 magic          4 cycle          8 version       12 length, without headers
//	16 lsn (64)      24 tail_lsn (64) 32 crc          36 prev_block
//	40 num_logops    44 cycle_data[64]                300 fmt
//	304 fs_uuid[16]  320 size of the record's buffer
//
// An unmounting is a record with one operation, flagged so. It is written when
// everything else in the log has reached its place: a log that ends with it is
// clean. Not so, though it has nothing to replay either, one that ends with the
// dummy record of an idle or frozen filesystem: that is mounted.
const (
	logBlock     = 512
	minLogBlocks = 64
	recordMagic  = 0xfeedbabe
	headerCycles = 32 << 10 // bytes of a record for which one header block has the cycle data

	// maxRecord is the longest record with its headers, in blocks: 256 KiB.
	maxRecord = 512 + 8
	// inFlight is how many blocks before or behind the head may be of either
	// cycle after a crash: eight buffers of 256 KiB (XLOG_TOTAL_REC_SHIFT).
	inFlight = 8 * 512
	// logPiece is how many blocks are read at once.
	logPiece = 512

	// Operation header: tid, length, then these two bytes.
	opClient, opFlags = 8, 9
	clientLog         = 0xaa
	flagUnmount       = 0x20
)

const dirtyLog = "the log is dirty: the filesystem is mounted, or was not unmounted cleanly: unmount it; after a crash mount and unmount it once, or run xfs_repair if it cannot be mounted"

// ring is the log. Positions are in blocks of 512 bytes.
type ring struct {
	f    *fsys
	off  int64 // of the first block, in bytes of the volume
	size int64
}

// openLog says where the log lies.
func (f *fsys) openLog() *ring {
	s := f.sb
	group, at := s.logPlace()
	return &ring{f: f, off: s.offset(group, at), size: s.logBlocks * s.blockSize / logBlock}
}

func (l *ring) read(p []byte, at int64) error {
	return l.f.read(p, l.off+at*logBlock, "log")
}

// cycleOf is the lap in which the block was written.
func cycleOf(b []byte) uint32 {
	if c := binary.BigEndian.Uint32(b); c != recordMagic {
		return c
	}
	return binary.BigEndian.Uint32(b[4:])
}

// cycle is that of the block at a position.
func (l *ring) cycle(at int64) (uint32, error) {
	b := make([]byte, logBlock)
	if err := l.read(b, at); err != nil {
		return 0, err
	}
	return cycleOf(b), nil
}

// dirt says why the log is not clean, or nothing.
func (l *ring) dirt(ctx context.Context) (string, error) {
	first, err := l.cycle(0)
	if err != nil {
		return "", err
	}
	last, err := l.cycle(l.size - 1)
	if err != nil {
		return "", err
	}
	switch {
	case first == 0:
		return "the log is empty, without even the record that mkfs.xfs writes: run xfs_repair", nil
	case last != first && last != first-1 && last != 0:
		return fmt.Sprintf("the log begins in lap %d and ends in lap %d: mount and unmount the filesystem once, or run xfs_repair", first, last), nil
	}
	head := l.size
	if last != first {
		if head, err = l.head(ctx, last); err != nil {
			return "", err
		}
	}
	w, err := l.window(head)
	if err != nil {
		return "", err
	}
	// xfsprogs empties a log of a later lap with a record at its beginning and
	// others of the lap before from 256 KiB on; what is between stays zeros until
	// the kernel, before it writes anything, covers it (xfsprogs, libxfs/rdwr.c,
	// libxfs_log_clear; kernel, xlog_clear_stale_blocks).
	zeros := int64(0)
	for last != 0 && zeros < w.back && w.cycles[w.back-1-zeros] == 0 {
		zeros++
	}
	for i := range w.n {
		at, want := (w.at+i)%l.size, first
		switch {
		case at >= head:
			want = last
		case at >= head-zeros:
			want = 0
		}
		if w.cycles[i] != want {
			return dirtyLog, nil // a hole: a record on its way when the machine stopped
		}
	}
	w.back -= zeros
	return l.unmounted(w)
}

// head is the first position whose block is of the cycle last, given that
// position 0 is of another and the last one is not.
func (l *ring) head(ctx context.Context, last uint32) (int64, error) {
	lo, hi := int64(0), l.size-1 // lo is not of the cycle, hi is
	for hi-lo > 1 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		mid := (lo + hi) / 2
		c, err := l.cycle(mid)
		if err != nil {
			return 0, err
		}
		if c == last {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi, nil
}

// window is the blocks around the head that may still have been on their way: in
// what lap each was written.
type window struct {
	cycles []uint32
	at     int64 // position of the first
	n      int64 // blocks
	back   int64 // of which this many lie before the head
}

// window reads inFlight blocks on both sides of the head, round the ring's end,
// or all there are.
func (l *ring) window(head int64) (*window, error) {
	w := &window{n: 2 * inFlight, back: inFlight}
	if w.n >= l.size {
		w.n, w.back = l.size, l.size // a record may begin at the head itself, a lap ago
	}
	w.at = (head - w.back + l.size) % l.size
	w.cycles = make([]uint32, 0, w.n)
	buf := make([]byte, min(w.n, logPiece)*logBlock)
	for k := int64(0); k < w.n; k += logPiece {
		b := buf[:min(logPiece, w.n-k)*logBlock]
		if err := l.readRound(b, w.at+k); err != nil {
			return nil, err
		}
		for ; len(b) > 0; b = b[logBlock:] {
			w.cycles = append(w.cycles, cycleOf(b))
		}
	}
	return w, nil
}

// readRound reads from a position on, round the ring's end.
func (l *ring) readRound(p []byte, at int64) error {
	at %= l.size
	here := min(int64(len(p)), (l.size-at)*logBlock)
	if err := l.read(p[:here], at); err != nil || here == int64(len(p)) {
		return err
	}
	return l.read(p[here:], 0)
}

// unmounted says why the record before the head is not that of an unmounting,
// or nothing.
func (l *ring) unmounted(w *window) (string, error) {
	n := min(maxRecord, w.back)
	b := make([]byte, n*logBlock)
	if err := l.readRound(b, w.at+w.back-n); err != nil {
		return "", err
	}
	return l.unmountRecord(b, w.at+w.back-n), nil
}

// unmountRecord says why b, the blocks from a position to the head, does not end
// with the record of an unmounting, or nothing.
func (l *ring) unmountRecord(b []byte, first int64) string {
	be, n := binary.BigEndian, int64(len(b)/logBlock)
	block := func(i int64) []byte { return b[i*logBlock:][:logBlock] }
	i := n - 1
	for ; ; i-- {
		if i < 0 {
			return "the log has no record before its head: run xfs_repair"
		}
		if be.Uint32(block(i)) == recordMagic {
			break
		}
	}
	h := block(i)
	at := (first + i) % l.size
	headers := int64(1)
	version, buffer := be.Uint32(h[8:]), int64(be.Uint32(h[320:]))
	if l.f.sb.versionNum&versionLogV2 != 0 && version&2 != 0 && buffer > headerCycles {
		headers = (buffer + headerCycles - 1) / headerCycles
	}
	data := (int64(be.Uint32(h[12:])) + logBlock - 1) / logBlock
	uuid := h[304:320]
	switch {
	case be.Uint64(h[16:]) != uint64(cycleOf(h))<<32|uint64(at):
		return "the log's last record is not where it says that it is: run xfs_repair"
	case !bytes.Equal(uuid, l.f.sb.uuid):
		return fmt.Sprintf("the log is that of another filesystem, %x: run xfs_repair", uuid)
	case i+headers+data != n: // torn
		return dirtyLog
	case be.Uint32(h[40:]) != 1 || data < 1:
		return dirtyLog
	}
	op := block(i + headers)
	if op[opClient] != clientLog || op[opFlags]&flagUnmount == 0 {
		return dirtyLog
	}
	return ""
}
