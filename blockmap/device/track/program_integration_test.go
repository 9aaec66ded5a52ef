//go:build integration

package track

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"migimg/blockmap"

	"migimg/internal/need"
)

// forged is a request in memory that programs are run on: a loop device sends
// only few of the kinds there are.
type forged struct {
	t      *testing.T
	tr     *Tracker
	l      *layout
	dev    uint64
	mem    memory // in user space
	kernel uint64 // the same memory's address in the kernel
	prog   *ebpf.Program
}

// forge makes a page of memory whose address in the kernel is known.
func forge(t *testing.T) *forged {
	t.Helper()
	need.Root(t)
	l := newLoop(t, 1<<30)
	tr := start(t, l, Options{})
	types, err := kernelTypes()
	if err != nil {
		t.Fatal(err)
	}
	lay, err := readLayout(types)
	if err != nil {
		t.Fatal(err)
	}
	f := &forged{t: t, tr: tr, l: lay, dev: l.dev}
	m, mem, err := tr.kernel.array("migimg_forged", 8192, 1)
	if err != nil {
		t.Fatal(err)
	}
	f.mem = mem
	t.Cleanup(func() { _ = mem.unmap() })
	// A program that writes down where the memory is.
	leak, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, License: "Dual MIT/GPL", Instructions: asm.Instructions{
		asm.LoadMapValue(asm.R1, m.FD(), 0),
		asm.StoreMem(asm.R1, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	if _, err := leak.Run(&ebpf.RunOptions{Context: []uint64{0}}); err != nil {
		t.Fatal(err)
	}
	if f.kernel = mem[0]; f.kernel == 0 {
		t.Fatal("the memory's address is unknown")
	}
	p := &program{
		layout: lay, geo: tr.geo, dev: unix.Major(l.dev)<<20 | unix.Minor(l.dev), probe: probeRead,
		maps: maps{bits: tr.kernel.maps[0].FD(), ring: tr.kernel.maps[1].FD(), control: tr.kernel.maps[2].FD()},
	}
	f.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, License: "Dual MIT/GPL", Instructions: p.request(0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.prog.Close() })
	return f
}

// probeRead loads with bpf_probe_read_kernel: programs that are run by hand have
// no typed arguments.
func probeRead(p *program, dst, src asm.Register, f field) {
	p.emit(asm.Mov.Reg(asm.R3, src), asm.Add.Imm(asm.R3, int32(f.off)),
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -64),
		asm.Mov.Imm(asm.R2, int32(f.size.Sizeof())),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(dst, asm.RFP, -64, f.size))
}

// set stores a field of the structure at offset at of the memory.
func (f *forged) set(at int64, where field, v uint64) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(&f.mem[0])), len(f.mem)*8)[at+int64(where.off):]
	if where.size == asm.Word {
		binary.NativeEndian.PutUint32(b, uint32(v))
	} else {
		binary.NativeEndian.PutUint64(b, v)
	}
}

// Where the structures lie.
const (
	atRequest = 4096 * (1 + iota)
	atDisk
	atPart
	atQueue
	atBios
)

type piece struct{ sector, bytes uint64 }

// run issues a request to the disk dev, as the kernel writes it.
func (f *forged) run(dev uint32, op uint64, whole piece, bios ...piece) {
	f.t.Helper()
	clear(f.mem)
	f.set(atRequest, f.l.rqOpf, op|1<<14) // and a flag
	f.set(atRequest, f.l.rqSector, whole.sector)
	f.set(atRequest, f.l.rqLen, whole.bytes)
	at := int64(atRequest)
	for i, where := range f.l.rqDisk {
		next := int64(atQueue)
		if i == len(f.l.rqDisk)-1 {
			next = atDisk
		}
		f.set(at, where, f.kernel+uint64(next))
		at = next
	}
	f.set(atDisk, f.l.diskDev[0], f.kernel+atPart)
	f.set(atPart, f.l.diskDev[1], uint64(dev))
	from, link := int64(atRequest), f.l.rqBio
	for i, b := range bios {
		at := atBios + int64(i)*128
		f.set(from, link, f.kernel+uint64(at))
		f.set(at, f.l.bioSector, b.sector)
		f.set(at, f.l.bioLen, b.bytes)
		from, link = at, f.l.bioNext
	}
	if _, err := f.prog.Run(&ebpf.RunOptions{Context: []uint64{f.kernel + atRequest}}); err != nil {
		f.t.Fatal(err)
	}
}

func TestKindsOfRequests(t *testing.T) {
	f := forge(t)
	size := uint64(1<<30) / 512
	dev := unix.Major(f.dev)<<20 | unix.Minor(f.dev)
	many := make([]piece, 256)
	scattered := make([]blockmap.Range, len(many))
	for i := range many {
		many[i] = piece{uint64(i) * 800, 4096 * uint64(1+i%3)}
		scattered[i] = blockmap.Range{Off: int64(i) * 800 * 512, Len: 4096 * int64(1+i%3)}
	}
	ranges := func(r ...int64) (out []blockmap.Range) {
		for i := 0; i < len(r); i += 2 {
			out = append(out, blockmap.Range{Off: r[i], Len: r[i+1]})
		}
		return out
	}
	const none = ^uint64(0)
	for _, c := range []struct {
		name  string
		op    uint64
		whole piece
		bios  []piece
		want  []blockmap.Range
	}{
		{"read", opRead, piece{8, 4096}, nil, nil},
		{"flush", opFlush, piece{0, 0}, nil, nil},
		{"empty write", 1, piece{0, 0}, nil, nil},
		{"empty write at -1", 1, piece{none, 0}, nil, nil},
		{"write", 1, piece{8, 4096}, []piece{{8, 4096}}, ranges(4096, 4096)},
		{"a sector", 1, piece{9, 512}, nil, ranges(4096, 4096)},
		{"half a sector", 1, piece{15, 100}, nil, ranges(4096, 4096)},
		{"two grains", 1, piece{15, 1024}, nil, ranges(4096, 8192)},
		{"to the end", 1, piece{size - 8, 4096}, nil, ranges(1<<30-4096, 4096)},
		{"over the end", 1, piece{size - 8, 1 << 20}, nil, ranges(1<<30-4096, 4096)},
		{"behind the end", 1, piece{size, 4096}, nil, nil},
		{"far behind the end", 1, piece{none - 1, 4096}, nil, nil},
		{"64 words", 1, piece{8, 64 * 64 * 4096}, nil, ranges(4096, 64*64*4096)},
		{"63 words", 1, piece{0, 63 * 64 * 4096}, nil, ranges(0, 63*64*4096)},
		{"longest", 9, piece{0, 1<<32 - 512}, nil, ranges(0, 1<<30)},
		{"unknown operation", 77, piece{8, 4096}, nil, ranges(4096, 4096)},
		{"passthrough in", opDrvIn, piece{none, 4096}, nil, nil},
		{"one discard", opDiscard, piece{8, 4096}, []piece{{8, 4096}}, ranges(4096, 4096)},
		{"discard without a bio", opDiscard, piece{8, 4096}, nil, ranges(4096, 4096)},
		{"scattered discards", opDiscard, piece{0, 4096}, many, scattered},
		{"a discard behind the end", opDiscard, piece{size, 8192}, []piece{{size, 4096}, {8, 4096}, {16, 0}}, ranges(4096, 4096)},
	} {
		f.run(dev, c.op, c.whole, c.bios...)
		if d := cmp.Diff(c.want, slices.Collect(f.tr.Ranges(0, 1<<30))); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if _, err := f.tr.Epoch(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	f.run(dev+1, 1, piece{8, 4096})
	if f.tr.Written(0, 1<<30) {
		t.Error("another disk's write was counted")
	}
}

// What cannot be followed makes all unknown.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		name, want string
		op         uint64
		whole      piece
		bios       []piece
		times      int
	}{
		{"passthrough", "SG_IO", opDrvOut, piece{^uint64(0), 512}, nil, 1},
		{"passthrough of old kernels", "SG_IO", opScsiOut, piece{^uint64(0), 512}, nil, 1},
		{"no position", "did not say where", 1, piece{^uint64(0), 512}, nil, 1},
		{"257 discards", "at once", opDiscard, piece{0, 4096}, slices.Repeat([]piece{{8, 4096}}, 257), 1},
		{"more than the ring holds", "at once", opDiscard, piece{0, 4096}, slices.Repeat([]piece{{8, 4096}}, 256), ringSize/256 + 1},
	} {
		f := forge(t)
		f.tr.fold.Lock() // nobody empties the rings
		for range c.times {
			f.run(unix.Major(f.dev)<<20|unix.Minor(f.dev), c.op, c.whole, c.bios...)
		}
		f.tr.fold.Unlock()
		if err := f.tr.Lost(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if !f.tr.Written(1<<29, 1) {
			t.Errorf("%s: Written still says no", c.name)
		}
		if d := cmp.Diff([]blockmap.Range{{Off: 100, Len: 5000}}, slices.Collect(f.tr.Ranges(100, 5000))); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if _, err := f.tr.Epoch(); err == nil {
			t.Errorf("%s: an epoch ended as if nothing had happened", c.name)
		}
	}
}
