package fat

import (
	"encoding/binary"
)

// spec is a filesystem to be built, by arithmetic of the tests' own.
type spec struct {
	bits        int
	sector      int // bytes
	perCluster  int // sectors
	reserved    int
	fats        int
	rootEntries int
	clusters    int
	tail        int // sectors behind the last cluster
	fatSlack    int // sectors of each table that are not needed
}

var (
	spec12 = spec{bits: 12, sector: 512, perCluster: 1, reserved: 1, fats: 2, rootEntries: 16, clusters: 100}
	spec16 = spec{bits: 16, sector: 512, perCluster: 2, reserved: 4, fats: 2, rootEntries: 32, clusters: 4200, tail: 1}
	spec32 = spec{bits: 32, sector: 512, perCluster: 1, reserved: 8, fats: 2, clusters: 300, fatSlack: 2}
)

// image is a filesystem in memory.
type image struct {
	spec
	b         []byte
	fatAt     int // bytes
	fatBytes  int // of a table
	rootAt    int
	dataAt    int
	endOfData int
}

// build makes an empty filesystem with nothing but the root directory in it.
func build(s spec) *image {
	le := binary.LittleEndian
	need := ((s.clusters+2)*s.bits + 7) / 8
	fatSectors := (need+s.sector-1)/s.sector + s.fatSlack
	m := &image{spec: s, fatAt: s.reserved * s.sector, fatBytes: fatSectors * s.sector}
	m.rootAt = m.fatAt + s.fats*m.fatBytes
	m.dataAt = m.rootAt + s.rootEntries*32
	m.endOfData = m.dataAt + s.clusters*s.perCluster*s.sector
	m.b = make([]byte, m.endOfData+s.tail*s.sector)
	b := m.b
	copy(b, "\xeb\x3c\x90MSDOS5.0")
	le.PutUint16(b[11:], uint16(s.sector))
	b[13] = byte(s.perCluster)
	le.PutUint16(b[14:], uint16(s.reserved))
	b[16] = byte(s.fats)
	le.PutUint16(b[17:], uint16(s.rootEntries))
	if sectors := len(b) / s.sector; sectors < 65536 && s.bits != 32 {
		le.PutUint16(b[19:], uint16(sectors))
	} else {
		le.PutUint32(b[32:], uint32(sectors))
	}
	b[21] = 0xf8
	b[510], b[511] = 0x55, 0xaa
	if s.bits == 32 {
		le.PutUint32(b[36:], uint32(fatSectors))
		le.PutUint32(b[44:], 2) // root directory
		copy(b[67:], "\x78\x56\x34\x12NO NAME    FAT32   ")
		if s.reserved > 6 {
			le.PutUint16(b[48:], 1) // FSInfo
			le.PutUint16(b[50:], 6) // backup
			copy(b[s.sector:], "RRaA")
			copy(b[s.sector+484:], "rrAa\xff\xff\xff\xff")
			copy(b[6*s.sector:], b[:512])
		}
		m.put(2, 0x0fffffff)
	} else {
		le.PutUint16(b[22:], uint16(fatSectors))
		copy(b[39:], "\x78\x56\x34\x12NO NAME    FAT     ")
	}
	m.put(0, -8)
	m.put(1, -1)
	return m
}

// put sets entry c of all tables.
func (m *image) put(c, v int) {
	for i := range m.fats {
		m.putIn(i, c, v)
	}
}

// putIn sets entry c of table i.
func (m *image) putIn(i, c, v int) {
	le := binary.LittleEndian
	t := m.b[m.fatAt+i*m.fatBytes:][:m.fatBytes]
	switch m.bits {
	case 32:
		le.PutUint32(t[4*c:], uint32(v)&0x0fffffff)
	case 16:
		le.PutUint16(t[2*c:], uint16(v))
	default:
		lo := t[c*3/2:]
		if c%2 == 0 {
			lo[0] = byte(v)
			lo[1] = lo[1]&0xf0 | byte(v>>8)&0xf
		} else {
			lo[0] = lo[0]&0xf | byte(v<<4)
			lo[1] = byte(v >> 4)
		}
	}
}

// chain makes a file of the clusters.
func (m *image) chain(clusters ...int) {
	for i, c := range clusters[:len(clusters)-1] {
		m.put(c, clusters[i+1])
	}
	m.put(clusters[len(clusters)-1], -1)
}

// at is where cluster c lies.
func (m *image) at(c int) int { return m.dataAt + (c-2)*m.perCluster*m.sector }

// entry writes a directory entry.
func (m *image) entry(at int, name string, attr byte, start int) {
	e := m.b[at:][:32]
	copy(e, name)
	e[11] = attr
	binary.LittleEndian.PutUint16(e[20:], uint16(start>>16))
	binary.LittleEndian.PutUint16(e[26:], uint16(start))
}
