package f2fs

import (
	"encoding/binary"
	"io"
	"unicode/utf16"

	"migimg/blockmap"
)

var le = binary.LittleEndian

// disk is a volume of which only some blocks are not zero.
type disk struct {
	blocks map[int64][]byte
	size   int64
}

func (d *disk) block(n int64) []byte {
	if d.blocks[n] == nil {
		d.blocks[n] = make([]byte, blockSize)
	}
	return d.blocks[n]
}

func (d *disk) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		if off >= d.size {
			return n, io.EOF
		}
		part := p[n:min(int64(len(p)), int64(n)+blockSize-off%blockSize, int64(n)+d.size-off)]
		if b := d.blocks[off/blockSize]; b != nil {
			copy(part, b[off%blockSize:])
		} else {
			clear(part)
		}
		n, off = n+len(part), off+int64(len(part))
	}
	return n, nil
}

func (d *disk) volume() blockmap.Volume { return blockmap.Bytes(d, d.size, 512) }

// synth is a small filesystem: 150 segments in the main area, whose SIT takes
// three blocks. Its fields may be changed before disk is called.
type synth struct {
	features uint32
	flags    uint32
	payload  int64  // blocks
	at       uint32 // of the checkpoint's checksum
	newer    int64  // which pack counts
	halves   []bool // for each block of the SIT: it is in the second half
	valid    map[int64][]int64
	journal  map[int64]bool     // segments whose entry is in the journal
	promised uint64             // blocks that count as valid, and are not written
	super    func(b []byte)     // changes to both superblocks
	cp       func(b []byte)     // changes to the newer checkpoint
	patch    func(d *disk)      // changes at the end
	nodes    func(n int64) bool // which segments hold nodes
}

const (
	testSegments = 150
	testStart    = 512 // of the checkpoint area
	testSIT      = testStart + 2*segmentBlocks
	testMain     = testStart + 7*segmentBlocks
	testBlocks   = testMain + testSegments*segmentBlocks
	testSum      = 1 // of the pack, behind checkpoint and payload
)

func newSynth() *synth {
	return &synth{
		flags:  flagUnmounted | flagCRCRecover | flagTrimmed,
		at:     cpChecksum,
		newer:  1,
		halves: []bool{true, false, true},
		valid: map[int64][]int64{
			0: {0, 1, 2, 511}, 1: {}, 2: {5}, 3: {7, 8, 300}, 54: {511}, 55: {0}, 56: {1, 3, 5, 7, 9}, 149: {500},
		},
		journal: map[int64]bool{3: true, 56: true},
		nodes:   func(n int64) bool { return n < 3 },
	}
}

// entry is a segment's SIT entry.
func (s *synth) entry(n int64) []byte {
	e := make([]byte, sitEntry)
	kind := uint16(1)
	if s.nodes(n) {
		kind = 4
	}
	le.PutUint16(e, uint16(len(s.valid[n]))|kind<<10)
	for _, i := range s.valid[n] {
		e[2+i/8] |= 0x80 >> (i % 8)
	}
	return e
}

// stale is an entry that must not be looked at.
func stale() []byte {
	e := make([]byte, sitEntry)
	le.PutUint16(e, 3<<10)
	return e
}

func (s *synth) superBytes() []byte {
	b := make([]byte, superSize)
	for off, v := range map[int]uint32{
		0: superMagic, 8: 9, 12: 3, 16: 12, 20: 9, 24: 1, 28: 1, 36: testBlocks, 44: testSegments, 48: testSegments + 7,
		52: 2, 56: 2, 60: 2, 64: 1, 68: testSegments, 72: testStart, 76: testStart, 80: testSIT, 84: testSIT + 2*512, 88: testSIT + 4*512, 92: testMain,
		96: 3, 100: 1, 104: 2, 1664: uint32(s.payload), superFeatures: s.features,
	} {
		le.PutUint32(b[off:], v)
	}
	copy(b[108:], "0123456789abcdef")
	for i, u := range utf16.Encode([]rune("my Läbel ")) {
		le.PutUint16(b[124+2*i:], u)
	}
	if s.super != nil {
		s.super(b)
	}
	if s.features&featureChecksum != 0 {
		le.PutUint32(b[32:], superChecksum)
		le.PutUint32(b[superChecksum:], crc(superMagic, b[:superChecksum]))
	}
	return b
}

// seal writes the checksum of a checkpoint's block.
func seal(b []byte) {
	at := le.Uint32(b[164:])
	if at < cpBitmaps || at > cpChecksum {
		return
	}
	sum := crc(superMagic, b[:at])
	if at < cpChecksum {
		sum = crc(sum, b[at+4:])
	}
	le.PutUint32(b[at:], sum)
}

// packBlocks is how many blocks a pack has: six summaries and its last one.
func (s *synth) packBlocks() int64 { return 1 + s.payload + 6 + 1 }

// checkpointBytes is the first block, and the payload.
func (s *synth) checkpointBytes(version uint64) []byte {
	b := make([]byte, (1+s.payload)*blockSize)
	valid, nodes, free := uint64(0), uint32(0), uint32(0)
	for n := range int64(testSegments) {
		valid += uint64(len(s.valid[n]))
		if s.nodes(n) {
			nodes += uint32(len(s.valid[n]))
		}
		if len(s.valid[n]) == 0 && n != 1 {
			free++
		}
	}
	le.PutUint64(b, version)
	le.PutUint64(b[8:], 100*512)
	le.PutUint64(b[16:], valid+s.promised)
	le.PutUint32(b[24:], 10)
	le.PutUint32(b[28:], 20)
	le.PutUint32(b[32:], free)
	for i, n := range []uint32{0, 1, 2} { // current segments of nodes, and of data
		le.PutUint32(b[36+4*i:], n)
		le.PutUint32(b[84+4*i:], 54+n)
		le.PutUint16(b[68+2*i:], 100)
		le.PutUint16(b[116+2*i:], 100)
	}
	le.PutUint32(b[132:], s.flags)
	le.PutUint32(b[136:], uint32(s.packBlocks()))
	le.PutUint32(b[140:], uint32(testSum+s.payload))
	le.PutUint32(b[144:], nodes)
	le.PutUint32(b[156:], 64)
	le.PutUint32(b[160:], 64)
	le.PutUint32(b[164:], s.at)
	bitmap := cpBitmaps
	switch {
	case s.flags&flagLargeNAT != 0:
		bitmap += 64
		if s.at == cpBitmaps {
			bitmap += 4
		}
	case s.payload > 0:
		bitmap = blockSize
	}
	for i, second := range s.halves {
		if second {
			b[bitmap+i/8] |= 0x80 >> (i % 8)
		}
	}
	return b
}

// disk is the filesystem.
func (s *synth) disk() *disk {
	d := &disk{blocks: map[int64][]byte{}, size: testBlocks * blockSize}
	for n := range int64(2) {
		copy(d.block(n)[superOffset:], s.superBytes())
		version := uint64(0x77_0000_0041)
		if n == s.newer {
			version++
		}
		b := s.checkpointBytes(version)
		if n == s.newer && s.cp != nil {
			s.cp(b)
		} else if n != s.newer {
			le.PutUint32(b[144:], 9999)
		}
		seal(b[:blockSize])
		start := int64(testStart) + n*segmentBlocks
		for i := range 1 + s.payload {
			copy(d.block(start+i), b[i*blockSize:])
		}
		copy(d.block(start+s.packBlocks()-1), b[:blockSize])
	}
	for i := range int64(len(s.halves)) {
		for h := range int64(2) {
			b := d.block(testSIT + h*segmentBlocks + i)
			for k := range min(sitPerBlock, testSegments-i*sitPerBlock) {
				n := i*sitPerBlock + k
				e := s.entry(n)
				if s.journal[n] || s.halves[i] != (h == 1) {
					e = stale()
				}
				copy(b[k*sitEntry:], e)
			}
		}
	}
	start := int64(testStart) + s.newer*segmentBlocks
	j := d.block(start + s.packBlocks() - 1 - 6 + coldData)[journalInSummary:]
	if s.flags&flagCompact != 0 {
		j = d.block(start + testSum + s.payload)[journalCompact:]
	}
	le.PutUint16(j, uint16(len(s.journal)))
	j = j[2:]
	for n := range s.journal {
		le.PutUint32(j, uint32(n))
		copy(j[4:], s.entry(n))
		j = j[journalEntry:]
	}
	if s.patch != nil {
		s.patch(d)
	}
	return d
}

// free is what is free, by the fields.
func (s *synth) free() (out []blockmap.Range) {
	for n := range int64(testSegments) {
		used := map[int64]bool{}
		for _, i := range s.valid[n] {
			used[i] = true
		}
		for i := range int64(segmentBlocks) {
			if used[i] {
				continue
			}
			off := (testMain + n*segmentBlocks + i) * blockSize
			if k := len(out); k > 0 && out[k-1].End() == off {
				out[k-1].Len += blockSize
				continue
			}
			out = append(out, blockmap.Range{Off: off, Len: blockSize})
		}
	}
	return out
}
