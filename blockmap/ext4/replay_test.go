package ext4

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"
)

// ring writes a journal of 1 KiB blocks by hand.
type ring struct {
	b        []byte
	incompat uint32
	pos      int64
	sequence uint32
}

const ringBlock = 1024

// newRing makes a journal of n blocks whose first transaction, number sequence,
// begins in block start.
func newRing(n, start int64, sequence, incompat uint32) *ring {
	r := &ring{b: make([]byte, n*ringBlock), incompat: incompat, pos: start, sequence: sequence}
	be := binary.BigEndian
	sb := r.b
	be.PutUint32(sb, journalMagic)
	be.PutUint32(sb[4:], 4)
	be.PutUint32(sb[0xc:], ringBlock)
	be.PutUint32(sb[0x10:], uint32(n))
	be.PutUint32(sb[0x14:], 1)
	be.PutUint32(sb[0x18:], sequence)
	be.PutUint32(sb[0x1c:], uint32(start))
	be.PutUint32(sb[0x28:], incompat)
	copy(sb[0x30:], "the journal uuid")
	sb[0x50] = 4
	be.PutUint32(sb[0xfc:], crc32c(^uint32(0), sb[:1024]))
	return r
}

func emptyJournal(n int64) []byte { return newRing(n, 0, 1, 0).b }

func (r *ring) seed() uint32    { return crc32c(^uint32(0), r.b[0x30:0x40]) }
func (r *ring) checksums() bool { return r.incompat&(journalCsumV2|journalCsumV3) != 0 }

// next is the next block of the ring.
func (r *ring) next() []byte {
	b := r.b[r.pos*ringBlock:][:ringBlock]
	if r.pos++; r.pos*ringBlock == int64(len(r.b)) {
		r.pos = 1
	}
	clear(b)
	return b
}

func (r *ring) header(kind uint32) []byte {
	b := r.next()
	binary.BigEndian.PutUint32(b, journalMagic)
	binary.BigEndian.PutUint32(b[4:], kind)
	binary.BigEndian.PutUint32(b[8:], r.sequence)
	return b
}

// seal writes the checksum at the end of a block.
func (r *ring) seal(b []byte, at int) {
	if r.checksums() {
		binary.BigEndian.PutUint32(b[at:], crc32c(r.seed(), b))
	}
}

// blocks writes a descriptor and the blocks that it describes.
func (r *ring) blocks(contents map[int64][]byte, order ...int64) {
	be := binary.BigEndian
	d := r.header(blockDescriptor)
	p := 12
	for i, n := range order {
		flags := uint32(0)
		if i > 0 {
			flags |= tagSameUUID
		}
		if i == len(order)-1 {
			flags |= tagLast
		}
		c := bytes.Clone(contents[n])
		if be.Uint32(c) == journalMagic {
			flags |= tagEscaped
			clear(c[:4])
		}
		copy(r.next(), c)
		var seq [4]byte
		be.PutUint32(seq[:], r.sequence)
		sum := crc32c(crc32c(r.seed(), seq[:]), c)
		be.PutUint32(d[p:], uint32(n))
		size := 8
		if r.incompat&journalCsumV3 != 0 {
			be.PutUint32(d[p+4:], flags)
			be.PutUint32(d[p+12:], sum)
			size = 16
		} else {
			be.PutUint16(d[p+6:], uint16(flags))
			if r.checksums() {
				be.PutUint16(d[p+4:], uint16(sum))
				size += 2
			}
			if r.incompat&journal64Bit != 0 {
				size += 4
			}
		}
		p += size
		if i == 0 {
			p += 16
		}
	}
	r.seal(d, ringBlock-4)
}

func (r *ring) revoke(blocks ...int64) {
	b := r.header(blockRevoke)
	p := 16
	for _, n := range blocks {
		if r.incompat&journal64Bit != 0 {
			binary.BigEndian.PutUint64(b[p:], uint64(n))
			p += 8
		} else {
			binary.BigEndian.PutUint32(b[p:], uint32(n))
			p += 4
		}
	}
	binary.BigEndian.PutUint32(b[12:], uint32(p))
	r.seal(b, ringBlock-4)
}

func (r *ring) commit() {
	b := r.header(blockCommit)
	r.seal(b, 16)
	r.sequence++
}

func fill(c byte) []byte { return bytes.Repeat([]byte{c}, ringBlock) }

func TestReplay(t *testing.T) {
	escaped := append(binary.BigEndian.AppendUint32(nil, journalMagic), fill(7)[4:]...)
	const a, b, c = 900, 901, 902 // blocks of the filesystem
	for _, tc := range []struct {
		name  string
		start int64
		seq   uint32
		write func(r *ring)
		want  map[int64][]byte // nil: not written
		union byte             // of block a with all its copies
	}{
		{"nothing", 1, 5, func(*ring) {}, map[int64][]byte{a: nil}, 0},
		{"one", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: fill(1), b: fill(2)}, a, b)
			r.commit()
		}, map[int64][]byte{a: fill(1), b: fill(2), c: nil}, 1},
		{"the last wins", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: fill(1)}, a)
			r.commit()
			r.blocks(map[int64][]byte{a: fill(2)}, a)
			r.blocks(map[int64][]byte{a: fill(4)}, a)
			r.commit()
		}, map[int64][]byte{a: fill(4)}, 7},
		{"not committed", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: fill(1)}, a)
			r.commit()
			r.blocks(map[int64][]byte{a: fill(2), b: fill(2)}, a, b)
		}, map[int64][]byte{a: fill(1), b: nil}, 3},
		{"escaped", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: escaped}, a)
			r.commit()
		}, map[int64][]byte{a: escaped}, 0xff},
		{"the ring wraps", 28, 0xffffffff, func(r *ring) {
			for i := byte(1); i <= 4; i++ {
				r.blocks(map[int64][]byte{a: fill(i), b: fill(i + 1)}, a, b)
				r.commit()
			}
		}, map[int64][]byte{a: fill(4), b: fill(5)}, 7},
		{"revoked later", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: fill(1), b: fill(1)}, a, b)
			r.commit()
			r.revoke(a, c)
			r.commit()
		}, map[int64][]byte{a: nil, b: fill(1)}, 1},
		{"revoked by its own transaction", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: fill(1)}, a)
			r.revoke(a)
			r.commit()
		}, map[int64][]byte{a: nil}, 1},
		{"written again after", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: fill(1)}, a)
			r.revoke(a)
			r.commit()
			r.blocks(map[int64][]byte{a: fill(2)}, a)
			r.commit()
		}, map[int64][]byte{a: fill(2)}, 3},
		{"revoked without a commit", 1, 5, func(r *ring) {
			r.blocks(map[int64][]byte{a: fill(1)}, a)
			r.commit()
			r.revoke(a)
		}, map[int64][]byte{a: fill(1)}, 1},
	} {
		for _, incompat := range []uint32{0, journalRevoke, journal64Bit | journalRevoke, journalCsumV2, journalCsumV2 | journal64Bit, journalCsumV3, journalCsumV3 | journal64Bit} {
			r := newRing(32, tc.start, tc.seq, incompat)
			tc.write(r)
			s := small(r.b)
			f := &fsys{v: s.volume(), sb: s.sb}
			j, err := f.openJournal()
			if err != nil {
				t.Fatal(err)
			}
			l, err := j.readLog()
			if err != nil {
				t.Errorf("%s, features %#x: %v", tc.name, incompat, err)
				continue
			}
			for n, want := range tc.want {
				got := fill(0xee)
				if err := l.replay(got, n); err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = fill(0xee)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s, features %#x: block %d is %x..., must be %x...", tc.name, incompat, n, got[:8], want[:8])
				}
			}
			got := make([]byte, ringBlock)
			if err := l.union(got, a); err != nil {
				t.Fatal(err)
			}
			all := byte(0)
			for _, x := range got {
				all |= x
			}
			if all != tc.union {
				t.Errorf("%s, features %#x: the union is %#x, must be %#x", tc.name, incompat, all, tc.union)
			}
		}
	}
}

// What a journal says in its checksums must hold.
func TestReplayDamaged(t *testing.T) {
	for _, incompat := range []uint32{journalCsumV2, journalCsumV3} {
		r := newRing(32, 1, 5, incompat)
		r.blocks(map[int64][]byte{900: fill(1)}, 900)
		r.revoke(901)
		r.commit()
		for block := range int64(5) {
			b := bytes.Clone(r.b)
			b[block*ringBlock+40] ^= 1
			var k counter
			rep, err := Scanner{Replay: true}.Scan(context.Background(), small(b).volume(), &k)
			if err == nil || !strings.Contains(err.Error(), "checksum") || k.bytes != 0 {
				t.Errorf("features %#x, block %d changed: %d bytes are free, %q, %v", incompat, block, k.bytes, rep.Whole, err)
			}
		}
	}
}

func TestJournalRefused(t *testing.T) {
	be := binary.BigEndian
	for _, tc := range []struct {
		name string
		edit func(b []byte)
		want string
	}{
		{"aborted", func(b []byte) { be.PutUint32(b[0x20:], 0xfffffffb) }, "aborted"},
		{"too long", func(b []byte) { be.PutUint32(b[0x10:], 1000) }, "no valid superblock"},
		{"starts behind the end", func(b []byte) { be.PutUint32(b[0x1c:], 32) }, "no valid superblock"},
		{"first is 0", func(b []byte) { be.PutUint32(b[0x14:], 0) }, "no valid superblock"},
		{"first is the end", func(b []byte) { be.PutUint32(b[0x14:], 32) }, "no valid superblock"},
		{"block size", func(b []byte) { be.PutUint32(b[0xc:], 4096) }, "no valid superblock"},
		{"magic", func(b []byte) { b[0] = 0 }, "no valid superblock"},
		{"fast commit", func(b []byte) { be.PutUint32(b[0x28:], 0x20) }, "features"},
		{"async commit", func(b []byte) { be.PutUint32(b[0x28:], 4) }, "features"},
		{"old checksums", func(b []byte) { be.PutUint32(b[0x24:], 1) }, "features"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRing(32, 1, 5, 0)
			tc.edit(r.b)
			var k counter
			_, err := Scanner{Replay: true}.Scan(context.Background(), small(r.b).volume(), &k)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Every block of a journal may be a descriptor of the same transaction.
func TestJournalWithoutEnd(t *testing.T) {
	r := newRing(32, 1, 5, 0)
	for range 31 {
		d := r.header(blockDescriptor)
		binary.BigEndian.PutUint16(d[18:], tagLast|tagSameUUID)
	}
	for i := int64(1); i < 32; i++ {
		copy(r.b[i*ringBlock:][:ringBlock], r.b[ringBlock:][:ringBlock])
	}
	var k counter
	_, err := Scanner{Replay: true}.Scan(context.Background(), small(r.b).volume(), &k)
	if err == nil || !strings.Contains(err.Error(), "has no end") {
		t.Errorf("%v", err)
	}
}

// Without Replay, a filesystem that needs it is left alone.
func TestNoReplay(t *testing.T) {
	var k counter
	r, err := Scanner{}.Scan(context.Background(), small(newRing(32, 1, 5, 0).b).volume(), &k)
	if err != nil || !strings.Contains(r.Whole, "not frozen") || k.bytes != 0 {
		t.Errorf("%+v, %v, %d bytes are free", r, err, k.bytes)
	}
}
