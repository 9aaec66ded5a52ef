package qcow2_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/qcow2"
)

// TestReferences does what qemu-img check does, written from the
// specification: it follows every reference, and asks whether each cluster of
// the file is referred to once, has a refcount of one, and whether the
// references say so in bit 63 where they should.
func TestReferences(t *testing.T) {
	for _, c := range slices.Concat(encodertest.Small(), encodertest.Random()) {
		t.Run(c.Name, func(t *testing.T) {
			outs, err := qcow2.Encoder{}.Plan(c.Disk(t), c.Options)
			if err != nil {
				t.Fatal(err)
			}
			file := make([]byte, outs[0].Layout.Size())
			if n, err := encodertest.Plain(outs[0].Layout, c.View(t)).ReadAt(file, 0); n < len(file) {
				t.Fatal(err)
			}
			if err := follow(file); err != nil {
				t.Error(err)
			}
		})
	}
}

const (
	copied = uint64(1) << 63
	offset = uint64(1)<<56 - 1<<9 // bits 9 to 55
)

// image counts the references to each cluster of a file.
type image struct {
	file    []byte
	cluster uint64
	refs    []int
}

func follow(file []byte) error {
	be := binary.BigEndian
	m := &image{file: file, cluster: 1 << be.Uint32(file[20:])}
	if uint64(len(file))%m.cluster != 0 {
		return fmt.Errorf("%d bytes are not whole clusters of %d", len(file), m.cluster)
	}
	m.refs = make([]int, uint64(len(file))/m.cluster)
	l1, l1Entries := be.Uint64(file[40:]), uint64(be.Uint32(file[36:]))
	table, tableClusters := be.Uint64(file[48:]), uint64(be.Uint32(file[56:]))
	perL2 := m.cluster / 8
	if size := be.Uint64(file[24:]); l1Entries*perL2*m.cluster < size {
		return fmt.Errorf("%d L1 entries for a disk of %d bytes", l1Entries, size)
	}
	m.refs[0]++
	for _, run := range [][2]uint64{{l1, (l1Entries*8 + m.cluster - 1) / m.cluster}, {table, tableClusters}} {
		for i := range run[1] {
			if err := m.refer(run[0] + i*m.cluster); err != nil {
				return err
			}
		}
	}
	counts := make([]uint16, 0, len(m.refs))
	for i := range tableClusters * m.cluster / 8 {
		e := be.Uint64(file[table+i*8:])
		if e == 0 {
			continue
		}
		if i*m.cluster/2 != uint64(len(counts)) {
			return fmt.Errorf("refcount block %d comes after a hole", i)
		}
		if err := m.refer(e); err != nil { // with bit 63 it lies beyond the file
			return err
		}
		for j := range m.cluster / 2 {
			counts = append(counts, be.Uint16(file[e+j*2:]))
		}
	}
	if err := m.tables(l1, l1Entries); err != nil {
		return err
	}
	for i, n := range counts {
		if want := i < len(m.refs); want != (n == 1) || !want && n != 0 || want && m.refs[i] != 1 {
			return fmt.Errorf("cluster %d of %d has refcount %d", i, len(m.refs), n)
		}
	}
	if len(counts) < len(m.refs) {
		return fmt.Errorf("%d of %d clusters have a refcount", len(counts), len(m.refs))
	}
	return nil
}

// tables follows the L1 table and all L2 tables.
func (m *image) tables(l1, entries uint64) error {
	be := binary.BigEndian
	last := uint64(0)
	for i := range entries {
		e := be.Uint64(m.file[l1+i*8:])
		if e == 0 {
			continue
		}
		if e&^offset != copied {
			return fmt.Errorf("L1 entry %d is %#x", i, e)
		}
		if err := m.refer(e & offset); err != nil {
			return err
		}
		used := false
		for j := range m.cluster / 8 {
			d := be.Uint64(m.file[e&offset+j*8:])
			if d == 0 {
				continue
			}
			if d&^offset != copied || d&offset <= last {
				return fmt.Errorf("entry %d of L2 table %d is %#x, after %#x", j, i, d, last)
			}
			if err := m.refer(d & offset); err != nil {
				return err
			}
			used, last = true, d&offset
		}
		if !used {
			return fmt.Errorf("L2 table %d is empty", i)
		}
	}
	return nil
}

// refer counts a reference to the cluster at a file offset.
func (m *image) refer(at uint64) error {
	if at%m.cluster != 0 || at >= uint64(len(m.file)) {
		return fmt.Errorf("a reference to %#x in a file of %#x", at, len(m.file))
	}
	m.refs[at/m.cluster]++
	return nil
}
