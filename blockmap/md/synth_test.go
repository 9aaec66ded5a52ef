package md_test

import (
	"encoding/binary"
	"math"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// super is a superblock to be made. Places are in sectors.
type super struct {
	version            string
	level              int32
	disks              uint32
	roles              []uint16 // of version 1; of 0.90 the places in the list of disks
	dev                uint32
	size, off, room    uint64
	features, flags    uint32
	resync             uint64
	bitmap             int32
	badBlocks          int32
	order              binary.ByteOrder // of version 0.90
	state              uint32           // of version 0.90
	diskState          []uint32         // of version 0.90
	minor              uint32           // of version 0.90
	padding, blockSize uint32
	noSum              bool
	chunk              uint32 // of version 1, in sectors
	events             uint64 // of version 1, from 17 on
}

// mirror is a sound first member of two, for a volume of n bytes.
func mirror(version string, n int64) *super {
	s := &super{
		version: version, level: 1, disks: 2, roles: []uint16{0, 1}, resync: math.MaxUint64,
		order: binary.LittleEndian, state: 1, diskState: []uint32{6, 6}, minor: 90,
	}
	sectors := uint64(n) / 512
	switch version {
	case "1.1", "1.2":
		s.off = 256
		s.room = sectors - 256
	case "1.0":
		s.room = (sectors-16)&^7 - 64
	case "0.90":
		s.room = sectors&^127 - 128
	}
	s.size = s.room - 8
	return s
}

// at is where the superblock belongs in a volume of n bytes.
func (s *super) at(n int64) int64 {
	switch s.version {
	case "1.1":
		return 0
	case "1.2":
		return 4096
	case "1.0":
		return (n/512 - 16) &^ 7 * 512
	}
	return n&^(64*kib-1) - 64*kib
}

// write puts the superblock into the volume b.
func (s *super) write(b []byte) {
	at := s.at(int64(len(b)))
	if s.version == "0.90" {
		copy(b[at:], s.bytes0())
	} else {
		copy(b[at:], s.bytes1(at))
	}
}

func (s *super) bytes1(at int64) []byte {
	le := binary.LittleEndian
	b := make([]byte, 4096)
	le.PutUint32(b, 0xa92b4efc)
	le.PutUint32(b[4:], 1)
	le.PutUint32(b[8:], s.features)
	le.PutUint32(b[12:], s.padding)
	copy(b[16:], "0123456789abcdef")
	copy(b[32:], "host:home")
	le.PutUint32(b[72:], uint32(s.level))
	le.PutUint64(b[80:], s.size)
	le.PutUint32(b[88:], s.chunk)
	le.PutUint32(b[92:], s.disks)
	le.PutUint32(b[96:], uint32(s.bitmap))
	le.PutUint64(b[128:], s.off)
	le.PutUint64(b[136:], s.room)
	le.PutUint64(b[144:], uint64(at/512))
	le.PutUint32(b[160:], s.dev)
	copy(b[168:], "fedcba9876543210")
	b[184] = byte(s.flags)
	if s.badBlocks != 0 {
		le.PutUint16(b[186:], 8)
		le.PutUint32(b[188:], uint32(s.badBlocks))
	}
	le.PutUint64(b[192:], 1700000000)
	le.PutUint64(b[200:], 17+s.events)
	le.PutUint64(b[208:], s.resync)
	le.PutUint32(b[220:], uint32(len(s.roles)))
	le.PutUint32(b[224:], s.blockSize)
	for i, r := range s.roles {
		le.PutUint16(b[256+2*i:], r)
	}
	sum := uint64(0)
	n := 256 + 2*len(s.roles)
	for i := 0; i+4 <= n; i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	if n%4 == 2 {
		sum += uint64(le.Uint16(b[n-2:]))
	}
	if !s.noSum {
		le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32))
	}
	return b
}

func (s *super) bytes0() []byte {
	w := make([]uint32, 1024)
	w[0], w[1], w[2], w[4] = 0xa92b4efc, 0, s.minor, 32
	w[5], w[13], w[14], w[15] = 0x30313233, 0x34353637, 0x38396162, 0x63646566
	w[6], w[7], w[8] = 1700000000, uint32(s.level), uint32(s.size/2)
	w[9], w[10], w[11] = s.disks, s.disks, 3
	w[32], w[33], w[34], w[35] = 1700000000, s.state, s.disks, s.disks
	for i, r := range s.roles {
		d := w[128+32*i:]
		d[0], d[1], d[2], d[3], d[4] = uint32(i), 8, uint32(16*i+1), uint32(r), s.diskState[i]
	}
	copy(w[992:], w[128+32*s.dev:][:32])
	sum := uint64(0)
	for _, x := range w {
		sum += uint64(x)
	}
	if !s.noSum {
		w[38] = uint32(sum) + uint32(sum>>32)
	}
	b := make([]byte, 0, 4096)
	for _, x := range w {
		if s.order == binary.BigEndian {
			b = binary.BigEndian.AppendUint32(b, x)
		} else {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	return b
}

// withBitmap gives the array in b a bitmap.
func withBitmap(s *super, b []byte) {
	if s.version == "0.90" {
		s.state |= 1 << 8
		return
	}
	s.features, s.bitmap = 1, 8
	if s.version == "1.0" {
		s.bitmap = -16
	}
	putBitmap(b, s.at(int64(len(b)))+int64(s.bitmap)*512, 4, s.size, 64*kib)
}

// putBitmap puts the header of a bitmap at byte at.
func putBitmap(b []byte, at int64, version uint32, sectors uint64, chunk uint32) {
	le := binary.LittleEndian
	le.PutUint32(b[at:], 0x6d746962)
	le.PutUint32(b[at+4:], version)
	le.PutUint64(b[at+40:], sectors)
	le.PutUint32(b[at+52:], chunk)
}
