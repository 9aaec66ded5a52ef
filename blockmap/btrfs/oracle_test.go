//go:build integration

package btrfs_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
)

// The oracle is what btrfs inspect-internal prints of the extent, chunk and
// device trees, put together a block of 4 KiB at a time.

const unit = 4096

// dumpedChunk is a chunk as printed.
type dumpedChunk struct {
	start, length int64
	kind          string
	sub           int64
	devices       []int64
	offsets       []int64
}

// dump prints a tree of the filesystem that dev is one device of.
func dump(t testing.TB, dev, tree string) string {
	t.Helper()
	out, err := exec.Command("btrfs", "inspect-internal", "dump-tree", "-t", tree, dev).CombinedOutput()
	if err != nil {
		t.Fatalf("dump-tree -t %s %s: %v\n%s", tree, dev, err, out)
	}
	return string(out)
}

var (
	keyLine    = regexp.MustCompile(`^\s*item \d+ key \((\S+) (\S+) (\d+)\)`)
	chunkLine  = regexp.MustCompile(`^\s*length (\d+) owner \d+ stripe_len \d+ type (\S+)`)
	subLine    = regexp.MustCompile(`sub_stripes (\d+)`)
	stripeLine = regexp.MustCompile(`^\s*stripe \d+ devid (\d+) offset (\d+)`)
	extentLine = regexp.MustCompile(`chunk_offset \d+ length (\d+)`)
	devLine    = regexp.MustCompile(`^\s*devid (\d+) total_bytes (\d+)`)
	nodeLine   = regexp.MustCompile(`(?m)^nodesize\s+(\d+)`)
)

// tool is what a program prints.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func num(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func freeOf(t testing.TB, img string) []blockmap.Range {
	t.Helper()
	return freeOn(t, img, 1)
}

// chunksOn lists the chunks of the filesystem that dev is one device of, and how
// long the device is whose number is id.
func chunksOn(t testing.TB, dev string, id int64) (chunks []*dumpedChunk, total int64) {
	t.Helper()
	for line := range strings.Lines(dump(t, dev, "chunk")) {
		switch m := keyLine.FindStringSubmatch(line); {
		case m != nil && m[2] == "CHUNK_ITEM":
			chunks = append(chunks, &dumpedChunk{start: num(t, m[3])})
			continue
		case m != nil:
			continue
		}
		if m := devLine.FindStringSubmatch(line); m != nil && num(t, m[1]) == id {
			total = num(t, m[2])
		}
		if len(chunks) == 0 {
			continue
		}
		c := chunks[len(chunks)-1]
		if m := chunkLine.FindStringSubmatch(line); m != nil {
			c.length, c.kind = num(t, m[1]), m[2]
		} else if m := subLine.FindStringSubmatch(line); m != nil {
			c.sub = num(t, m[1])
		} else if m := stripeLine.FindStringSubmatch(line); m != nil {
			c.devices, c.offsets = append(c.devices, num(t, m[1])), append(c.offsets, num(t, m[2]))
		}
	}
	return chunks, total
}

// freeOn is what is free on the device dev, whose number is id.
func freeOn(t testing.TB, dev string, id int64) []blockmap.Range {
	t.Helper()
	chunks, total := chunksOn(t, dev, id)
	used := make([]bool, total/unit)
	mark := func(off, n int64, as bool) {
		for i := off / unit; i < (off+n+unit-1)/unit && i < int64(len(used)); i++ {
			used[i] = as
		}
	}
	// Parity, which is not looked into, is all used; so is what is in a device
	// extent and in no chunk.
	in := int64(-1)
	for line := range strings.Lines(dump(t, dev, "device")) {
		if m := keyLine.FindStringSubmatch(line); m != nil {
			if in = -1; m[2] == "DEV_EXTENT" && num(t, m[1]) == id {
				in = num(t, m[3])
			}
		} else if m := extentLine.FindStringSubmatch(line); m != nil && in >= 0 {
			mark(in, num(t, m[1]), true)
		}
	}
	for _, c := range chunks {
		if !strings.Contains(c.kind, "RAID5") && !strings.Contains(c.kind, "RAID6") {
			for at := c.start; at < c.start+c.length; at += unit {
				c.each(at, id, func(off int64) { mark(off, unit, false) })
			}
		}
	}
	node := num(t, nodeLine.FindStringSubmatch(tool(t, "btrfs", "inspect-internal", "dump-super", dev))[1])
	for line := range strings.Lines(dump(t, dev, "extent")) {
		m := keyLine.FindStringSubmatch(line)
		if m == nil || m[2] != "EXTENT_ITEM" && m[2] != "METADATA_ITEM" {
			continue
		}
		from, n := num(t, m[1]), node
		if m[2] == "EXTENT_ITEM" {
			n = num(t, m[3])
		}
		for at := from; at < from+n; at += unit {
			for _, c := range chunks {
				if at >= c.start && at < c.start+c.length {
					c.each(at, id, func(off int64) { mark(off, unit, true) })
				}
			}
		}
	}
	mark(0, 1<<20, true)
	mark(64<<20, unit, true)
	var free []blockmap.Range
	for i, u := range used {
		if u {
			continue
		}
		if n := len(free); n > 0 && free[n-1].End() == int64(i)*unit {
			free[n-1].Len += unit
		} else {
			free = append(free, blockmap.Range{Off: int64(i) * unit, Len: unit})
		}
	}
	return free
}

// each calls f with each place of the logical address at on a device.
func (c *dumpedChunk) each(at, id int64, f func(off int64)) {
	const stripe = 64 << 10
	x := at - c.start
	nr, in := x/stripe, x%stripe
	n := int64(len(c.devices))
	for i, dev := range c.devices {
		i := int64(i)
		off := x
		switch {
		case strings.Contains(c.kind, "RAID5"), strings.Contains(c.kind, "RAID6"):
			continue
		case strings.Contains(c.kind, "RAID10"):
			if nr%(n/c.sub) != i/c.sub {
				continue
			}
			off = nr/(n/c.sub)*stripe + in
		case strings.Contains(c.kind, "RAID0"):
			if nr%n != i {
				continue
			}
			off = nr/n*stripe + in
		}
		if dev == id {
			f(c.offsets[i] + off)
		}
	}
}

// exact compares a map with the oracle's free ranges.
func exact(t *testing.T, m *blockmap.Map, size int64, want []blockmap.Range) {
	t.Helper()
	at, i := int64(0), 0
	check := func(off, n int64) {
		if n == 0 {
			return
		}
		if i >= len(want) || want[i] != (blockmap.Range{Off: off, Len: n}) {
			next := blockmap.Range{}
			if i < len(want) {
				next = want[i]
			}
			t.Fatalf("[%d, +%d) is free, the oracle's next is %v", off, n, next)
		}
		i++
	}
	for r := range m.Ranges(0, size) {
		check(at, r.Off-at)
		at = r.End()
	}
	check(at, size-at)
	if i != len(want) {
		t.Fatalf("%v is carried and free", want[i])
	}
}

func openImage(t *testing.T, path string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	n, err := f.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	return f, n
}
