package ptable

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"migimg/blockmap"
)

// disk is a sparse disk in memory: chunks of 512 bytes.
type disk struct {
	size   int64
	chunks map[int64]*[512]byte
	// bad are offsets of sectors that cannot be read.
	bad map[int64]bool
}

func newDisk(size int64) *disk { return &disk{size: size, chunks: map[int64]*[512]byte{}} }

func (d *disk) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		if at >= d.size {
			return n, io.EOF
		}
		s, in := at/512, at%512
		if d.bad[s*512] {
			return n, io.ErrClosedPipe
		}
		k := min(int64(len(p)-n), 512-in, d.size-at)
		if c := d.chunks[s]; c != nil {
			copy(p[n:], c[in:in+k])
		} else {
			clear(p[n : n+int(k)])
		}
		n += int(k)
	}
	return len(p), nil
}

// put writes b at off.
func (d *disk) put(off int64, b []byte) *disk {
	for i, x := range b {
		at := off + int64(i)
		c := d.chunks[at/512]
		if c == nil {
			c = new([512]byte)
			d.chunks[at/512] = c
		}
		c[at%512] = x
	}
	return d
}

func (d *disk) volume(sectorSize int64) blockmap.Volume { return blockmap.Bytes(d, d.size, sectorSize) }

// read is Read, which must not fail.
func (d *disk) read(t testing.TB, sectorSize int64) *Table {
	t.Helper()
	tab, err := Read(d.volume(sectorSize))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// record writes a boot record: 55 AA and up to four entries.
func (d *disk) record(off int64, entries ...entry) *disk {
	b := make([]byte, 64)
	for i, e := range entries {
		x := b[i*16:]
		x[0], x[4] = e.flag, e.kind
		binary.LittleEndian.PutUint32(x[8:], uint32(e.start))
		binary.LittleEndian.PutUint32(x[12:], uint32(e.sectors))
	}
	return d.put(off+offEntries, b).put(off+510, []byte{0x55, 0xaa})
}

// mbr writes an MBR with the disk signature 0x1234abcd.
func (d *disk) mbr(entries ...entry) *disk {
	return d.record(0, entries...).put(offSignature, []byte{0xcd, 0xab, 0x34, 0x12})
}

// part is a GPT entry.
type part struct {
	kind, uuid  string
	first, last uint64
	attrs       uint64
	name        string
}

const (
	linux    = "0fc63daf-8483-4772-8e79-3d69d8477de4"
	diskGUID = "11111111-2222-3333-4444-555566667777"
)

// linuxPart is a Linux partition, numbered n for its UUID.
func linuxPart(n byte, first, last uint64) part {
	return part{kind: linux, uuid: "aaaaaaaa-bbbb-cccc-dddd-0000000000" + hex.EncodeToString([]byte{n}), first: first, last: last}
}

// rawGUID is the inverse of guid.
func rawGUID(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil {
		panic(err)
	}
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
	return b
}

// gptSpec is a GPT to write; zero fields are the usual ones.
type gptSpec struct {
	sectorSize       int64
	parts            []part
	count, entrySize int64
	// last is the block of the backup; 0 means the disk's last.
	last                    int64
	firstUsable, lastUsable int64
	guid                    string
	noMBR                   bool
}

func (g gptSpec) entries() []byte {
	b := make([]byte, g.count*g.entrySize)
	for i, p := range g.parts {
		if p.kind == "" {
			continue
		}
		e := b[int64(i)*g.entrySize:]
		copy(e, rawGUID(p.kind))
		copy(e[16:], rawGUID(p.uuid))
		binary.LittleEndian.PutUint64(e[32:], p.first)
		binary.LittleEndian.PutUint64(e[40:], p.last)
		binary.LittleEndian.PutUint64(e[48:], p.attrs)
		for j, u := range utf16.Encode([]rune(p.name)) {
			binary.LittleEndian.PutUint16(e[56+2*j:], u)
		}
	}
	return b
}

func (g gptSpec) header(own, other, entriesLBA int64, entries []byte) []byte {
	b := make([]byte, 92)
	copy(b, "EFI PART\x00\x00\x01\x00")
	le := binary.LittleEndian
	le.PutUint32(b[12:], 92)
	le.PutUint64(b[24:], uint64(own))
	le.PutUint64(b[32:], uint64(other))
	le.PutUint64(b[40:], uint64(g.firstUsable))
	le.PutUint64(b[48:], uint64(g.lastUsable))
	copy(b[56:], rawGUID(g.guid))
	le.PutUint64(b[72:], uint64(entriesLBA))
	le.PutUint32(b[80:], uint32(g.count))
	le.PutUint32(b[84:], uint32(g.entrySize))
	le.PutUint32(b[88:], crc32.ChecksumIEEE(entries))
	return seal(b)
}

// seal writes a header's checksum.
func seal(b []byte) []byte {
	clear(b[16:20])
	binary.LittleEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b[:92]))
	return b
}

// gpt writes a protective MBR and both headers.
func (d *disk) gpt(g gptSpec) *disk {
	if g.sectorSize == 0 {
		g.sectorSize = 512
	}
	if g.count == 0 {
		g.count = 128
	}
	if g.entrySize == 0 {
		g.entrySize = 128
	}
	if g.guid == "" {
		g.guid = diskGUID
	}
	if g.last == 0 {
		g.last = d.size/g.sectorSize - 1
	}
	blocks := (g.count*g.entrySize + g.sectorSize - 1) / g.sectorSize
	if g.firstUsable == 0 {
		g.firstUsable = 2 + blocks
	}
	if g.lastUsable == 0 {
		g.lastUsable = g.last - blocks - 1
	}
	if !g.noMBR {
		d.record(0, entry{kind: kindProtective, start: 1, sectors: min(d.size/g.sectorSize-1, 1<<32-1)})
	}
	e := g.entries()
	d.put(2*g.sectorSize, e).put(g.sectorSize, g.header(1, g.last, 2, e))
	d.put((g.last-blocks)*g.sectorSize, e).put(g.last*g.sectorSize, g.header(g.last, 1, g.last-blocks, e))
	return d
}
