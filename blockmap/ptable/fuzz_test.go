package ptable

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"migimg/blockmap"
)

// invariants hold for any disk: what Read calls sound is safe to free inside.
func invariants(t *testing.T, v blockmap.Volume) {
	tab, err := Read(v)
	if err != nil {
		return
	}
	if len(tab.Problems) > maxProblems+1 {
		t.Errorf("%d problems", len(tab.Problems))
	}
	probe := Scanner{}.Probe(v)
	m, info, err := blockmap.Scan(context.Background(), v, []blockmap.Scanner{Scanner{}}, blockmap.ScanOptions{ClusterSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if m.Bytes() != v.Size() {
		t.Error("a table alone frees something")
	}
	if tab.Broken != "" || tab.Kind == KindNone {
		if len(info.Children) > 0 {
			t.Errorf("%s, broken %q, has inner volumes", tab.Kind, tab.Broken)
		}
		return
	}
	if len(tab.Partitions) > 0 && probe != nil {
		t.Errorf("%d partitions, but %v", len(tab.Partitions), probe)
	}
	used := make([]int, v.Size()/512+1) // the partition that has a sector
	for _, p := range tab.Partitions {
		if p.Start <= 0 || p.Size <= 0 || p.Start > v.Size() || p.Size > v.Size()-p.Start || p.Number < 1 {
			t.Fatalf("%+v on a disk of %d bytes", p, v.Size())
		}
		if p.Extended {
			continue
		}
		for s := p.Start / 512; s < p.end()/512; s++ {
			if used[s] != 0 {
				t.Fatalf("partitions %d and %d share sector %d", used[s], p.Number, s)
			}
			used[s] = p.Number
		}
	}
}

// fuzzSize is the fuzzed disks' size: small, as all of it is read again and again.
const fuzzSize = 128 << 10

// FuzzMBR mutates the disk's first 16 sectors: an MBR and extended boot records.
func FuzzMBR(f *testing.F) {
	seed := func(d *disk) {
		b := make([]byte, 16*512)
		_, _ = d.ReadAt(b, 0)
		f.Add(b)
	}
	fresh := func() *disk { return newDisk(fuzzSize) }
	seed(fresh().mbr(entry{0x80, 0x83, 63, 100}, entry{0, 0x82, 200, 56}))
	seed(fresh().mbr(entry{0, 5, 3, 200}, entry{0, 0x83, 1, 2}).
		record(3*512, entry{0, 0x83, 1, 1}, entry{0, 5, 3, 50}).
		record(6*512, entry{0, 0x83, 1, 1}, entry{0, 5, 6, 60}).
		record(9*512, entry{}, entry{0, 5, 9, 90}).
		record(12*512, entry{0, 0x8e, 2, 30}))
	seed(fresh().mbr(entry{0, 5, 4, 5}, entry{0, 0x0f, 10, 50}).record(4*512, entry{0, 0x83, 1, 3}).record(10*512, entry{0, 0x83, 1, 3}, entry{}, entry{0, 0x83, 9, 3}))
	seed(fresh().mbr(entry{0, 1, 0, 256}).put(0, fatBoot))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := make([]byte, fuzzSize)
		copy(d, b)
		for _, s := range []int64{0, 512, 4096} {
			invariants(t, blockmap.Bytes(bytes.NewReader(d), fuzzSize, s))
		}
	})
}

// FuzzGPT mutates the headers and the entries of a small GPT, whose checksums
// are made right again, so that what they guard is reached.
func FuzzGPT(f *testing.F) {
	for _, large := range []bool{false, true} {
		spec := gptSpec{sectorSize: 512, count: 8, parts: []part{linuxPart(1, 100, 150), {}, linuxPart(3, 152, 152)}}
		if large {
			spec.sectorSize, spec.parts = 4096, []part{linuxPart(1, 20, 25)}
		}
		d := newDisk(fuzzSize).gpt(spec)
		head, entries, tail := make([]byte, 92), make([]byte, 1024), make([]byte, 92)
		_, _ = d.ReadAt(head, spec.sectorSize)
		_, _ = d.ReadAt(entries, 2*spec.sectorSize)
		_, _ = d.ReadAt(tail, fuzzSize-spec.sectorSize)
		f.Add(head, entries, tail, large, uint8(3))
		f.Add(head, entries, tail, large, uint8(0))
	}
	f.Fuzz(func(t *testing.T, head, entries, tail []byte, large bool, repair uint8) {
		if len(head) < 92 || len(tail) < 92 {
			return
		}
		s := int64(512)
		if large {
			s = 4096
		}
		d := make([]byte, fuzzSize)
		_, _ = newDisk(fuzzSize).record(0, entry{kind: kindProtective, start: 1, sectors: fuzzSize/s - 1}).ReadAt(d[:512], 0)
		for i, h := range [][]byte{bytes.Clone(head[:92]), bytes.Clone(tail[:92])} {
			if repair>>i&1 != 0 {
				repaired(d, h, entries, s)
			}
			copy(d[[]int64{s, fuzzSize - s}[i]:], h)
		}
		for _, known := range []int64{0, 512, 4096} {
			invariants(t, blockmap.Bytes(bytes.NewReader(d), fuzzSize, known))
		}
	})
}

// repaired puts entries where header h says, and makes h's checksums right.
func repaired(d, h, entries []byte, sectorSize int64) {
	le := binary.LittleEndian
	at, n := int64(le.Uint64(h[72:])), int64(le.Uint32(h[80:]))*int64(le.Uint32(h[84:]))
	if at >= 1 && n > 0 && n <= fuzzSize && at <= (fuzzSize-n)/sectorSize {
		array := d[at*sectorSize:][:n]
		copy(array, entries)
		le.PutUint32(h[88:], crc32.ChecksumIEEE(array))
	}
	seal(h)
}
