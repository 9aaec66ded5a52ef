package exfat

import (
	"encoding/binary"
	"unicode/utf16"
)

// spec is a filesystem to be built, by arithmetic of the tests' own.
type spec struct {
	sectorShift, clusterShift int // of bytes, of sectors
	clusters                  int
	fatAt, heapAt             int // sectors
	tail                      int // sectors behind the last cluster
	bitmap, upcase, root      int // first clusters
}

var (
	small = spec{sectorShift: 9, clusterShift: 0, clusters: 5000, fatAt: 24, heapAt: 70, tail: 3, bitmap: 2, upcase: 10, root: 20}
	large = spec{sectorShift: 12, clusterShift: 1, clusters: 100, fatAt: 30, heapAt: 32, bitmap: 4, upcase: 3, root: 2}
)

// image is a filesystem in memory.
type image struct {
	spec
	b       []byte
	sector  int // bytes
	cluster int // bytes
	used    []int
}

// build makes an empty filesystem with a label.
func build(s spec) *image {
	le := binary.LittleEndian
	m := &image{spec: s, sector: 1 << s.sectorShift}
	m.cluster = m.sector << s.clusterShift
	sectors := s.heapAt + s.clusters<<s.clusterShift + s.tail
	m.b = make([]byte, sectors*m.sector)
	b := m.b
	copy(b, "\xeb\x76\x90EXFAT   ")
	le.PutUint64(b[72:], uint64(sectors))
	for i, v := range []int{s.fatAt, ((s.clusters+2)*4 + m.sector - 1) / m.sector, s.heapAt, s.clusters, s.root, 0x12345678} {
		le.PutUint32(b[80+4*i:], uint32(v))
	}
	b[105], b[108], b[109], b[110] = 1, byte(s.sectorShift), byte(s.clusterShift), 1
	b[510], b[511] = 0x55, 0xaa
	m.seal()
	le.PutUint64(b[s.fatAt*m.sector:], 0xfffffffffffffff8)

	m.file(s.root, 1)
	n := (s.clusters + 7) / 8
	m.file(s.bitmap, (n+m.cluster-1)/m.cluster)
	table := b[m.at(s.upcase):][:600]
	for i := range table {
		table[i] = byte(i * 7)
	}
	m.file(s.upcase, (len(table)+m.cluster-1)/m.cluster)
	dir := b[m.at(s.root):]
	e := dir[:32]
	e[0] = typeLabel
	for i, c := range utf16.Encode([]rune("Größe €")) {
		le.PutUint16(e[2+2*i:], c)
		e[1]++
	}
	e = dir[32:64]
	e[0] = typeBitmap
	le.PutUint32(e[20:], uint32(s.bitmap))
	le.PutUint64(e[24:], uint64(n))
	e = dir[64:96]
	e[0] = typeUpcase
	sum := uint32(0)
	for _, c := range table {
		sum = (sum>>1 | sum<<31) + uint32(c)
	}
	le.PutUint32(e[4:], sum)
	le.PutUint32(e[20:], uint32(s.upcase))
	le.PutUint64(e[24:], uint64(len(table)))
	dir[96], dir[128], dir[160] = typeFile, 0xc0, 0xc1
	dir[192] = 0x05 // a deleted file
	return m
}

// seal makes the checksums of the boot regions right again, and the backup the
// same as the first.
func (m *image) seal() {
	sum := uint32(0)
	for i := range 11 * m.sector {
		if i != 106 && i != 107 && i != 112 {
			sum = (sum>>1 | sum<<31) + uint32(m.b[i])
		}
	}
	for i := 0; i < m.sector; i += 4 {
		binary.LittleEndian.PutUint32(m.b[11*m.sector+i:], sum)
	}
	copy(m.b[12*m.sector:24*m.sector], m.b)
}

// at is where cluster c lies.
func (m *image) at(c int) int { return m.heapAt*m.sector + (c-2)*m.cluster }

// put sets a FAT entry.
func (m *image) put(c, v int) {
	binary.LittleEndian.PutUint32(m.b[m.fatAt*m.sector+4*c:], uint32(v))
}

// file makes a chain of n clusters from c on, and uses them.
func (m *image) file(c, n int) {
	for i := range n {
		m.put(c+i, c+i+1)
		m.use(c + i)
	}
	m.put(c+n-1, -1)
}

// use sets the cluster's bit.
func (m *image) use(c int) {
	m.b[m.at(m.bitmap)+(c-2)/8] |= 1 << ((c - 2) % 8)
	m.used = append(m.used, c)
}

// drop clears it.
func (m *image) drop(c int) { m.b[m.at(m.bitmap)+(c-2)/8] &^= 1 << ((c - 2) % 8) }

// entry is the i-th of the root directory.
func (m *image) entry(i int) []byte { return m.b[m.at(m.root)+32*i:][:32] }
