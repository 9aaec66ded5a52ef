package guestfs

import (
	"encoding/binary"
	"fmt"
)

// extExtent maps n blocks from file block at to disk block disk; disk is -1 for
// blocks that read as zeros.
type extExtent struct{ at, disk, n int64 }

// Bounds of one file's mapping.
const (
	maxExtents = 1 << 18 // 1 GiB in single blocks of 4 KiB
	maxNodes   = 1 << 12 // blocks of an extent tree, or of indirect blocks
)

// extWalk collects the mapping of one file. The list ascends and does not
// overlap. want is how many blocks the size asks for; what lies behind is left
// out.
type extWalk struct {
	s     *extSuper
	want  int64
	list  []extExtent
	nodes int
}

func (w *extWalk) node(n int64) ([]byte, error) {
	if w.nodes++; w.nodes > maxNodes {
		return nil, fmt.Errorf("more than %d blocks of mapping", maxNodes)
	}
	return w.s.block(n)
}

func (w *extWalk) add(x extExtent) error {
	last := int64(0)
	if k := len(w.list); k > 0 {
		p := &w.list[k-1]
		last = p.at + p.n
		if x.at == last && x.disk == p.disk+p.n && p.disk >= 0 {
			p.n += x.n
			return nil
		}
	}
	if x.n <= 0 || x.at < last || len(w.list) >= maxExtents {
		return fmt.Errorf("extent %d of file block %d, out of order or one too many", len(w.list), x.at)
	}
	if x.disk >= 0 && (x.disk == 0 || x.disk > w.s.blocks-x.n) {
		return fmt.Errorf("extent of %d blocks at block %d", x.n, x.disk)
	}
	w.list = append(w.list, x)
	return nil
}

// extents walks one node of an extent tree; depth is what the parent promised,
// or -1 for the root.
func (w *extWalk) extents(node []byte, depth int) error {
	le := binary.LittleEndian
	entries, d := int(le.Uint16(node[2:])), int(le.Uint16(node[6:]))
	if le.Uint16(node) != 0xF30A || 12+12*entries > len(node) || d > 5 || depth >= 0 && d != depth {
		return fmt.Errorf("extent node: %d entries at depth %d", entries, d)
	}
	for i := range entries {
		e := node[12+12*i:]
		if d > 0 {
			b, err := w.node(int64(le.Uint32(e[4:])) | int64(le.Uint16(e[8:]))<<32)
			if err != nil {
				return fmt.Errorf("extent node: %w", err)
			}
			if err := w.extents(b, d-1); err != nil {
				return err
			}
			continue
		}
		x := extExtent{at: int64(le.Uint32(e)), n: int64(le.Uint16(e[4:])), disk: int64(le.Uint32(e[8:])) | int64(le.Uint16(e[6:]))<<32}
		if x.n > 32768 { // allocated and not yet written
			x.n, x.disk = x.n-32768, -1
		}
		if err := w.add(x); err != nil {
			return err
		}
	}
	return nil
}

// blockMap walks the 12 direct and the three indirect pointers of ext2 and ext3.
func (w *extWalk) blockMap(fork []byte) error {
	at := int64(0)
	for i := range 15 {
		level := max(0, i-11)
		if err := w.pointer(int64(binary.LittleEndian.Uint32(fork[4*i:])), level, &at); err != nil || at >= w.want {
			return err
		}
	}
	return nil
}

// pointer follows one pointer, level blocks of pointers above the data, and
// moves at behind what it maps.
func (w *extWalk) pointer(block int64, level int, at *int64) error {
	per := w.s.blockSize / 4
	if block == 0 { // a hole
		n := int64(1)
		for range level {
			n *= per
		}
		*at += n
		return nil
	}
	if level == 0 {
		*at++
		return w.add(extExtent{*at - 1, block, 1})
	}
	b, err := w.node(block)
	if err != nil {
		return fmt.Errorf("indirect block: %w", err)
	}
	for i := range per {
		if *at >= w.want {
			break
		}
		if err := w.pointer(int64(binary.LittleEndian.Uint32(b[4*i:])), level-1, at); err != nil {
			return err
		}
	}
	return nil
}
