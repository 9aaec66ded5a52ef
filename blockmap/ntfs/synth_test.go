package ntfs

import (
	"encoding/binary"
	"unicode/utf16"
)

// synth is a small volume: clusters and MFT records of 1 KiB, 20 records. Its
// fields may be changed before bytes is called.
type synth struct {
	sector   int64
	clusters int64
	mft      []span // where $MFT lies, in clusters
	bitmap   []span // where $Bitmap lies
	major    byte
	minor    byte
	flags    uint16         // of the volume
	log      []byte         // what $LogFile begins with; the rest is 0xff
	names    []string       // in the root of the index, each the file of record 15
	deep     []string       // in a block of the index
	hiber    []byte         // contents of the file of record 15
	boot     map[int64]byte // changes to the boot sector
	used     []span         // by files
	free     []span         // marked free in spite of all
	patch    func(b []byte) // of all, at the end
}

const (
	testCluster = 1024
	testRecords = 20
	testSerial  = 0x0123456789abcdef
	mirrorAt    = 10
	logAt       = 100
	logClusters = 200
	indexAt     = 70
	hiberAt     = 80
	hiberFile   = 15
)

func newSynth() *synth {
	return &synth{
		sector: 512, clusters: 1001, major: 3, minor: 1,
		mft:    []span{{20, 20 + testRecords}},
		bitmap: []span{{50, 52}},
		used:   []span{{500, 520}, {700, 701}},
	}
}

var le = binary.LittleEndian

func utf16le(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

func pad8(b []byte) []byte {
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// head is what all attributes begin with; the length is set by whole.
func head(kind uint32, nonResident byte, size int, name string, flags, instance uint16) []byte {
	b := make([]byte, size)
	le.PutUint32(b, kind)
	b[8], b[9] = nonResident, byte(len(name))
	le.PutUint16(b[10:], uint16(size))
	le.PutUint16(b[12:], flags)
	le.PutUint16(b[14:], instance)
	return append(b, utf16le(name)...)
}

func whole(b []byte) []byte {
	b = pad8(b)
	le.PutUint32(b[4:], uint32(len(b)))
	return b
}

func resident(kind uint32, name string, instance uint16, value []byte) []byte {
	b := pad8(head(kind, 0, residentHead, name, 0, instance))
	le.PutUint32(b[16:], uint32(len(value)))
	le.PutUint16(b[20:], uint16(len(b)))
	return whole(append(b, value...))
}

// nonResident covers the contents from cluster first on; size is of all.
func nonResident(kind uint32, name string, instance uint16, first, size int64, runs ...span) []byte {
	b := pad8(head(kind, 1, nonResidentHead, name, 0, instance))
	le.PutUint16(b[32:], uint16(len(b)))
	at, n := int64(0), first
	for _, r := range runs {
		b = append(b, 0x44)
		b = le.AppendUint32(b, uint32(r.to-r.from))
		b = le.AppendUint32(b, uint32(int32(r.from-at)))
		at = r.from
		n += r.to - r.from
	}
	le.PutUint64(b[16:], uint64(first))
	le.PutUint64(b[24:], uint64(n-1))
	if first == 0 {
		le.PutUint64(b[40:], uint64((size+testCluster-1)/testCluster*testCluster))
		le.PutUint64(b[48:], uint64(size))
		le.PutUint64(b[56:], uint64(size))
	}
	return whole(append(b, 0))
}

// protect writes an update sequence of number 7 at byte at.
func protect(b []byte, at int) {
	n := len(b)/stride + 1
	le.PutUint16(b[4:], uint16(at))
	le.PutUint16(b[6:], uint16(n))
	le.PutUint16(b[at:], 7)
	for i := 1; i < n; i++ {
		copy(b[at+2*i:], b[i*stride-2:i*stride])
		le.PutUint16(b[i*stride-2:], 7)
	}
}

// recordBytes is an MFT record in use; base is that of an extension.
func recordBytes(n int64, base uint64, attrs ...[]byte) []byte {
	b := make([]byte, testCluster)
	copy(b, "FILE")
	le.PutUint16(b[16:], uint16(n+1)) // sequence
	le.PutUint16(b[20:], 56)
	le.PutUint16(b[22:], recordInUse)
	le.PutUint64(b[32:], base)
	le.PutUint32(b[44:], uint32(n))
	at := 56
	for _, a := range attrs {
		at += copy(b[at:], a)
	}
	le.PutUint32(b[at:], typeEnd)
	le.PutUint32(b[24:], uint32(at+8))
	le.PutUint32(b[28:], testCluster)
	protect(b, 48)
	return b
}

func refOf(n int64) uint64 { return uint64(n) | uint64(n+1)<<48 }

// listOf is an attribute list with the parts of one attribute, in the records
// given, and the instance of each its index; then a bitmap of the instance 8,
// which only $MFT has.
func listOf(kind uint32, firsts []int64, records []int64) []byte {
	var b []byte
	for i := range len(firsts) + 1 {
		e := make([]byte, 32)
		if i == len(firsts) {
			le.PutUint32(e, typeBitmap)
			le.PutUint16(e[4:], 32)
			le.PutUint64(e[16:], refOf(records[0]))
			e[24] = 8
			b = append(b, e...)
			break
		}
		le.PutUint32(e, kind)
		le.PutUint16(e[4:], 32)
		e[7] = 26
		le.PutUint64(e[8:], uint64(firsts[i]))
		le.PutUint64(e[16:], refOf(records[i]))
		le.PutUint16(e[24:], uint16(i))
		b = append(b, e...)
	}
	return resident(typeList, "", 9, b)
}

// entriesOf are index entries with the names, all files of record 15, and the
// header before them.
func entriesOf(names []string, from int) []byte {
	h := make([]byte, from)
	le.PutUint32(h, uint32(from))
	for _, n := range names {
		k := make([]byte, 66)
		k[64] = byte(len(n))
		k = append(k, utf16le(n)...)
		e := make([]byte, entryHead)
		le.PutUint64(e, refOf(hiberFile))
		le.PutUint16(e[10:], uint16(len(k)))
		e = pad8(append(e, k...))
		le.PutUint16(e[8:], uint16(len(e)))
		h = append(h, e...)
	}
	e := make([]byte, entryHead)
	le.PutUint16(e[8:], entryHead)
	le.PutUint16(e[12:], entryLast)
	h = append(h, e...)
	le.PutUint32(h[4:], uint32(len(h)))
	return h
}

// inParts are the attributes that stand for the contents at runs: in one
// record, or, where they are several, in a list, and in records of their own
// from the number more on, which are added to extra.
func inParts(n int64, size int64, runs []span, more int64, extra map[int64][]byte) []byte {
	if len(runs) == 1 {
		return nonResident(typeData, "", 0, 0, size, runs[0])
	}
	firsts, records := []int64{0}, []int64{n}
	first := runs[0].to - runs[0].from
	for i, r := range runs[1:] {
		firsts, records = append(firsts, first), append(records, more+int64(i))
		extra[more+int64(i)] = recordBytes(more+int64(i), refOf(n), nonResident(typeData, "", uint16(i+1), first, 0, r))
		first += r.to - r.from
	}
	return append(listOf(typeData, firsts, records), nonResident(typeData, "", 0, 0, size, runs[0])...)
}

// bytes is the volume, of whole clusters and one sector.
func (s *synth) bytes() []byte {
	b := make([]byte, s.clusters*testCluster+s.sector)
	copy(b[3:], bootMark)
	le.PutUint16(b[11:], uint16(s.sector))
	b[13] = byte(testCluster / s.sector)
	b[21] = 0xf8
	le.PutUint64(b[40:], uint64(s.clusters*testCluster/s.sector))
	le.PutUint64(b[48:], uint64(s.mft[0].from))
	le.PutUint64(b[56:], mirrorAt)
	b[64], b[68] = 0xf6, 0xf4 // 1 KiB, 4 KiB
	le.PutUint64(b[72:], testSerial)
	b[510], b[511] = 0x55, 0xaa
	for at, v := range s.boot {
		b[at] = v
	}
	bm := s.bitmapBytes()
	info := make([]byte, 12)
	info[8], info[9] = s.major, s.minor
	le.PutUint16(info[10:], s.flags)
	root := make([]byte, rootHeader)
	le.PutUint32(root, 0x30)
	le.PutUint32(root[8:], 4096)
	rootAttrs := [][]byte{resident(typeIndexRoot, indexName, 0, append(root, entriesOf(s.names, 16)...))}
	if s.deep != nil {
		rootAttrs = append(rootAttrs, nonResident(typeIndexAlloc, indexName, 1, 0, 4096, span{indexAt, indexAt + 4}),
			resident(typeBitmap, indexName, 2, []byte{1, 0, 0, 0, 0, 0, 0, 0}))
	}
	hiber := resident(typeData, "", 0, s.hiber)
	if len(s.hiber) > 500 {
		hiber = nonResident(typeData, "", 0, 0, int64(len(s.hiber)), span{hiberAt, hiberAt + 4})
	}
	records := map[int64][]byte{}
	records[fileMFT] = recordBytes(fileMFT, 0, inParts(fileMFT, testRecords*testCluster, s.mft, 16, records),
		resident(typeBitmap, "", 8, []byte{0xff, 0xff, 0x0f, 0, 0, 0, 0, 0}))
	records[fileMirror] = recordBytes(fileMirror, 0, nonResident(typeData, "", 0, 0, mirrorCount*testCluster, span{mirrorAt, mirrorAt + mirrorCount}))
	records[fileLog] = recordBytes(fileLog, 0, nonResident(typeData, "", 0, 0, logClusters*testCluster, span{logAt, logAt + logClusters}))
	records[fileVolume] = recordBytes(fileVolume, 0, resident(typeVolumeName, "", 0, utf16le("my Völume ")), resident(typeVolumeInfo, "", 1, info))
	records[fileRoot] = recordBytes(fileRoot, 0, rootAttrs...)
	records[fileBitmap] = recordBytes(fileBitmap, 0, inParts(fileBitmap, int64(len(bm)), s.bitmap, 17, records))
	records[fileBoot] = recordBytes(fileBoot, 0, nonResident(typeData, "", 0, 0, bootBytes, span{0, 8}))
	records[hiberFile] = recordBytes(hiberFile, 0, hiber)
	at := int64(0)
	for _, r := range s.mft {
		for c := r.from; c < r.to; c++ {
			copy(b[c*testCluster:], records[at])
			if at < mirrorCount {
				copy(b[(mirrorAt+at)*testCluster:], records[at])
			}
			at++
		}
	}
	log := b[logAt*testCluster : (logAt+logClusters)*testCluster]
	for i := range log {
		log[i] = 0xff
	}
	copy(log, s.log)
	for _, r := range s.bitmap {
		bm = bm[copy(b[r.from*testCluster:r.to*testCluster], bm):]
	}
	if s.deep != nil {
		x := make([]byte, 4096)
		copy(x, "INDX")
		copy(x[blockHeader:], entriesOf(s.deep, 40))
		protect(x, 40)
		copy(b[indexAt*testCluster:], x)
	}
	copy(b[hiberAt*testCluster:(hiberAt+4)*testCluster], s.hiber)
	copy(b[s.clusters*testCluster:], b[:s.sector])
	if s.patch != nil {
		s.patch(b)
	}
	return b
}

// static is what the volume uses beside files.
func (s *synth) static() []span {
	out := []span{{0, 8}, {mirrorAt, mirrorAt + mirrorCount}, {logAt, logAt + logClusters}}
	return append(append(out, s.mft...), s.bitmap...)
}

// bitmapBytes is the bitmap, with ones behind the last cluster. It has 1100
// bytes at least, so that it can be in two parts.
func (s *synth) bitmapBytes() []byte {
	bm := make([]byte, max(1100, (s.clusters+63)/64*8))
	set := func(a, b int64, v byte) {
		for i := a; i < b; i++ {
			bm[i/8] = bm[i/8]&^(1<<(i%8)) | v<<(i%8)
		}
	}
	for _, r := range append(s.static(), s.used...) {
		set(r.from, r.to, 1)
	}
	set(indexAt, indexAt+4, 1)
	set(hiberAt, hiberAt+4, 1)
	for _, r := range s.free {
		set(r.from, r.to, 0)
	}
	set(s.clusters, int64(len(bm))*8, 1)
	return bm
}

// isUsed says, by the fields, whether a cluster is.
func (s *synth) isUsed(c int64) bool {
	for _, r := range append(s.static(), s.used...) {
		if r.from <= c && c < r.to {
			return true
		}
	}
	return c >= indexAt && c < indexAt+4 || c >= hiberAt && c < hiberAt+4
}
