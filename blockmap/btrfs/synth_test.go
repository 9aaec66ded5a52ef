package btrfs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"

	"migimg/blockmap"
)

// A synthetic filesystem: blocks and sectors of 4 KiB, generation 9, one device
// with the number 1. All three chunks are small; the system chunk is twice on
// the device.
const (
	unit       = 4096
	synthSize  = 3 << 20
	synthTotal = synthSize - 5*unit // the filesystem's end is before the volume's
	generation = 9

	sysChunk, sysLen   = 1 << 20, 64 << 10
	metaChunk, metaLen = 8 << 20, 256 << 10
	dataChunk, dataLen = 16 << 20, 512 << 10

	sysOne, sysTwo, metaAt, dataAt = 1 << 20, 1<<20 + 128<<10, 1<<20 + 256<<10, 2 << 20

	chunkRoot   = sysChunk
	rootRoot    = metaChunk
	extentNode  = metaChunk + 1*unit
	extentLeaf1 = metaChunk + 2*unit
	extentLeaf2 = metaChunk + 3*unit
	deviceRoot  = metaChunk + 4*unit
	groupRoot   = metaChunk + 5*unit
	topRoot     = metaChunk + 6*unit
	subRoot     = metaChunk + 7*unit
	logRoot     = metaChunk + 20*unit // not in the extent tree
	logLeaf     = metaChunk + 21*unit
	logData     = dataChunk + 64*unit
)

func id(b byte) (u [16]byte) {
	for i := range u {
		u[i] = b
	}
	return u
}

// entry is an item of a leaf.
type entry struct {
	key  key
	data []byte
}

// synth is what an image is made from. Tests change it before build.
type synth struct {
	csum    uint16
	flags   uint64 // of the superblock
	incomp  uint64
	ro      uint64
	used    uint64
	devices uint64
	total   uint64
	log     uint64
	array   []byte
	fsid    [16]byte
	metaID  [16]byte

	chunks, roots, extents1, extents2, device, groups, logRoots, logged []entry
	top, sub                                                            []entry // the trees of subvolumes

	super func(b []byte)                         // before its checksum
	block func(logical int64, b []byte)          // likewise
	image func(img []byte, at func(int64) int64) // at last
}

func put(vals ...any) []byte {
	var b []byte
	for _, v := range vals {
		switch v := v.(type) {
		case int:
			b = le.AppendUint64(b, uint64(v))
		case uint64:
			b = le.AppendUint64(b, v)
		case uint32:
			b = le.AppendUint32(b, v)
		case uint16:
			b = le.AppendUint16(b, v)
		case [16]byte:
			b = append(b, v[:]...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

func deviceBytes(id16 [16]byte, fsid [16]byte, total uint64) []byte {
	return put(1, total, 2*sysLen+metaLen+dataLen, make([]byte, 66-24), id16, fsid)
}

func chunkBytes(length int, kind uint64, offs ...int) []byte {
	b := put(length, 2, stripeLen, kind, uint32(0), uint32(0), uint32(0), uint16(len(offs)), uint16(1))
	for _, o := range offs {
		b = append(b, put(1, o, id(0xd1))...)
	}
	return b
}

func rootBytes(logical int, gen, level int) []byte {
	b := make([]byte, rootSize)
	le.PutUint64(b[rootGeneration:], uint64(gen))
	le.PutUint64(b[rootAddress:], uint64(logical))
	b[rootLevel] = byte(level)
	return b
}

func blockExtent(logical int) entry {
	return entry{key{uint64(logical), metadataItem, 0}, put(1, generation, extentIsBlock)}
}

func dataExtent(at, n int) entry {
	return entry{key{uint64(at), extentItem, uint64(n)}, put(1, generation, extentIsData)}
}

func groupEntry(start, length, used int, kind uint64) entry {
	return entry{key{uint64(start), blockGroup, uint64(length)}, put(used, chunkObject, kind)}
}

func deviceExtentEntry(off, length, chunk int) entry {
	return entry{key{1, deviceExtent, uint64(off)}, put(chunkTree, chunkObject, chunk, length, id(0xc7))}
}

func fileExtent(at, n int, kind byte) []byte {
	b := make([]byte, fileExtentSize)
	b[fileExtentType] = kind
	le.PutUint64(b[fileExtentAt:], uint64(at))
	le.PutUint64(b[fileExtentLen:], uint64(n))
	return b
}

// newSynth is a filesystem that can be mapped.
func newSynth() *synth {
	s := &synth{
		flags: superWritten, incomp: incompatSkinny | 1, devices: 1, total: synthTotal,
		fsid: id(0xf5), metaID: id(0xf5),
	}
	sys := chunkBytes(sysLen, groupSystem|groupDup, sysOne, sysTwo)
	s.chunks = []entry{
		{key{devicesObject, deviceItem, 1}, nil}, // build makes it
		{key{chunkObject, chunkItem, sysChunk}, sys},
		{key{chunkObject, chunkItem, metaChunk}, chunkBytes(metaLen, groupMetadata, metaAt)},
		{key{chunkObject, chunkItem, dataChunk}, chunkBytes(dataLen, groupData, dataAt)},
	}
	s.array = append(put(chunkObject, []byte{chunkItem}, sysChunk), sys...)
	s.roots = []entry{
		{key{extentTree, rootItem, 0}, rootBytes(extentNode, generation, 1)},
		{key{deviceTree, rootItem, 0}, rootBytes(deviceRoot, generation, 0)},
	}
	s.extents1 = []entry{
		blockExtent(chunkRoot),
		groupEntry(sysChunk, sysLen, unit, groupSystem|groupDup),
		blockExtent(rootRoot),
		groupEntry(metaChunk, metaLen, 5*unit, groupMetadata),
		blockExtent(extentNode), blockExtent(extentLeaf1), blockExtent(extentLeaf2), blockExtent(deviceRoot),
	}
	s.extents2 = []entry{
		groupEntry(dataChunk, dataLen, 14*unit, groupData),
		dataExtent(dataChunk+10*unit, 4*unit),
		dataExtent(dataChunk+14*unit, 2*unit),
		dataExtent(dataChunk+dataLen-8*unit, 8*unit),
	}
	s.used = 20 * unit
	s.device = []entry{
		deviceExtentEntry(sysOne, sysLen, sysChunk),
		deviceExtentEntry(sysTwo, sysLen, sysChunk),
		deviceExtentEntry(metaAt, metaLen, metaChunk),
		deviceExtentEntry(dataAt, dataLen, dataChunk),
	}
	return s
}

// withGroups moves the block groups into their own tree.
func (s *synth) withGroups() *synth {
	s.ro |= roCompatBlockGroupTree
	isGroup := func(e entry) bool { return e.key.kind == blockGroup }
	for _, e := range append(slices.Clone(s.extents1), s.extents2...) {
		if isGroup(e) {
			s.groups = append(s.groups, e)
		}
	}
	s.extents1 = append(slices.DeleteFunc(s.extents1, isGroup), blockExtent(groupRoot))
	slices.SortStableFunc(s.extents1, func(a, b entry) int { return cmp.Compare(a.key.id, b.key.id) })
	s.extents2 = slices.DeleteFunc(s.extents2, isGroup)
	s.groups[1] = groupEntry(metaChunk, metaLen, 6*unit, groupMetadata)
	s.used += unit
	s.roots = append(s.roots, entry{key{blockGroupTree, rootItem, 0}, rootBytes(groupRoot, generation, 0)})
	slices.SortStableFunc(s.roots, func(a, b entry) int { return cmp.Compare(a.key.id, b.key.id) })
	return s
}

// withLog adds a log of one file: an extent that is in no extent tree, one that
// is, a hole and inline data.
func (s *synth) withLog() *synth {
	s.log = logRoot
	s.logRoots = []entry{{key{logTree, rootItem, 5}, rootBytes(logLeaf, generation+1, 0)}}
	s.logged = []entry{
		{key{257, 1, 0}, make([]byte, 160)},
		{key{257, extentData, 0}, fileExtent(logData, 3*unit, fileRegular)},
		{key{257, extentData, 3 * unit}, fileExtent(dataChunk+10*unit, 4*unit, filePrealloc)},
		{key{257, extentData, 9 * unit}, fileExtent(0, 0, fileRegular)},
		{key{258, extentData, 0}, append(make([]byte, 20), 0, 'x', 'y')},
	}
	return s
}

// inlineRef is a reference in an extent's item.
func inlineRef(kind byte, vals ...any) []byte { return put([]byte{kind}, put(vals...)) }

// referred is a data extent with references in its item.
func referred(at, n, count int, refs ...[]byte) entry {
	b := put(count, generation, extentIsData)
	for _, r := range refs {
		b = append(b, r...)
	}
	return entry{key{uint64(at), extentItem, uint64(n)}, b}
}

func inodeName(inode, dir int, name string) entry {
	return entry{key{uint64(inode), inodeRef, uint64(dir)}, put(2, uint16(len(name)), []byte(name))}
}

// withFiles adds the trees of two subvolumes, the second in a folder of the
// first, and references from them to the extents.
func (s *synth) withFiles() *synth {
	s.extents2 = []entry{
		s.extents2[0],
		referred(dataChunk+10*unit, 4*unit, 3, inlineRef(dataRef, fsTree, 258, 0, uint32(1)), inlineRef(dataRef, 256, 259, uint64(1<<64-unit), uint32(2))),
		referred(dataChunk+14*unit, 2*unit, 5, inlineRef(extentOwner, fsTree), inlineRef(sharedData, subRoot, uint32(2)), inlineRef(dataRef, fsTree, 258, 4*unit, uint32(1))),
		{key{dataChunk + 14*unit, dataRef, 77}, put(257, 258, 4*unit, uint32(1))}, // a snapshot's
		{key{dataChunk + 14*unit, sharedData, subRoot}, put(uint32(1))},
		referred(dataChunk+dataLen-8*unit, 8*unit, 1, inlineRef(sharedData, subRoot, uint32(1))),
	}
	s.extents1 = append(s.extents1, blockExtent(topRoot), blockExtent(subRoot))
	s.extents1[3] = groupEntry(metaChunk, metaLen, 7*unit, groupMetadata)
	s.used += 2 * unit
	s.top = []entry{
		inodeName(256, 256, ".."),
		inodeName(257, 256, "home"),
		{key{258, 1, 0}, make([]byte, 160)},
		inodeName(258, 257, "file"),
		{key{260, 1, 0}, make([]byte, 160)}, // deleted while it is open
		inodeName(261, 261, "its own parent"),
		inodeName(262, 256, "a/b"),
	}
	s.sub = []entry{
		inodeName(256, 256, ".."),
		{key{259, inodeExtref, 1234}, put(256, 3, uint16(6), []byte("linked"))},
	}
	s.roots = append(s.roots,
		entry{key{fsTree, rootItem, 0}, rootBytes(topRoot, generation, 0)},
		entry{key{256, rootItem, 8}, rootBytes(subRoot, generation, 0)},
		entry{key{256, rootBackref, fsTree}, put(257, 5, uint16(3), []byte("sub"))},
		entry{key{300, rootBackref, 300}, put(256, 5, uint16(4), []byte("loop"))})
	return s
}

func leafBytes(items []entry) []byte {
	b := make([]byte, unit)
	end := unit - headerSize
	for i, e := range items {
		end -= len(e.data)
		at := headerSize + i*itemSize
		copy(b[at:], put(e.key.id, []byte{e.key.kind}, e.key.off, uint32(end), uint32(len(e.data))))
		copy(b[headerSize+end:], e.data)
	}
	le.PutUint32(b[0x60:], uint32(len(items)))
	return b
}

func nodeBytes(pointers ...entry) []byte {
	b := make([]byte, unit)
	for i, e := range pointers {
		copy(b[headerSize+i*pointerSize:], put(e.key.id, []byte{e.key.kind}, e.key.off, e.data))
	}
	le.PutUint32(b[0x60:], uint32(len(pointers)))
	b[0x64] = 1
	return b
}

func (s *synth) sign(b []byte) {
	var sum []byte
	switch body := b[csumSize:]; s.csum {
	case csumXXHash:
		sum = put(xxhash.Sum64(body))
	case csumSHA256:
		x := sha256.Sum256(body)
		sum = x[:]
	case csumBlake2b:
		x := blake2b.Sum256(body)
		sum = x[:]
	default:
		sum = put(crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	}
	clear(b[:csumSize])
	copy(b, sum)
}

// place is where a logical address of the image is.
func place(logical int64) int64 {
	switch {
	case logical >= dataChunk:
		return logical - dataChunk + dataAt
	case logical >= metaChunk:
		return logical - metaChunk + metaAt
	}
	return logical - sysChunk + sysOne
}

// build makes the image.
func (s *synth) build() []byte {
	img := make([]byte, synthSize)
	write := func(logical int64, b []byte, owner uint64, gen uint64) {
		copy(b[0x20:], s.metaID[:])
		le.PutUint64(b[0x30:], uint64(logical))
		le.PutUint64(b[0x38:], headerWritten|mixedBackref<<56)
		copy(b[0x40:], bytes.Repeat([]byte{0xc7}, 16))
		le.PutUint64(b[0x50:], gen)
		le.PutUint64(b[0x58:], owner)
		if s.block != nil {
			s.block(logical, b)
		}
		s.sign(b)
		copy(img[place(logical):], b)
		if logical < metaChunk {
			copy(img[place(logical)-sysOne+sysTwo:], b)
		}
	}
	chunks := slices.Clone(s.chunks)
	if chunks[0].data == nil {
		chunks[0].data = deviceBytes(id(0xd1), s.metaID, s.total)
	}
	write(chunkRoot, leafBytes(chunks), chunkTree, generation)
	write(rootRoot, leafBytes(s.roots), rootTree, generation)
	write(extentNode, nodeBytes(
		entry{s.extents1[0].key, put(extentLeaf1, generation)},
		entry{s.extents2[0].key, put(extentLeaf2, generation)}), extentTree, generation)
	write(extentLeaf1, leafBytes(s.extents1), extentTree, generation)
	write(extentLeaf2, leafBytes(s.extents2), extentTree, generation)
	write(deviceRoot, leafBytes(s.device), deviceTree, generation)
	if s.groups != nil {
		write(groupRoot, leafBytes(s.groups), blockGroupTree, generation)
	}
	if s.top != nil {
		write(topRoot, leafBytes(s.top), fsTree, generation)
		write(subRoot, leafBytes(s.sub), 257, generation) // made by a snapshot
	}
	if s.log != 0 {
		write(logRoot, leafBytes(s.logRoots), logTree, generation+1)
		write(logLeaf, leafBytes(s.logged), logTree, generation+1)
	}
	b := img[superOffset:][:superSize]
	copy(b[0x20:], s.fsid[:])
	copy(b[0x30:], put(superOffset, s.flags, []byte(superMagic), generation, rootRoot, chunkRoot, s.log, 0, s.total, s.used, 6, s.devices,
		uint32(unit), uint32(unit), uint32(unit), uint32(unit), uint32(len(s.array)), generation, 0, s.ro, s.incomp, s.csum))
	copy(b[0xc9:], deviceBytes(id(0xd1), s.metaID, s.total))
	copy(b[0x12b:], "my label")
	if s.incomp&incompatMetadataUUID != 0 {
		copy(b[0x23b:], s.metaID[:])
	}
	copy(b[0x32b:], s.array)
	if s.super != nil {
		s.super(b)
	}
	s.sign(b)
	if s.image != nil {
		s.image(img, place)
	}
	return img
}

// lister is a sink that records.
type lister struct {
	free   []blockmap.Range
	frozen bool
	data   []datum
}

// datum is what the scanner says that a file has.
type datum struct {
	blockmap.Range
	file blockmap.FileID
	at   int64
}

func (l *lister) Free(off, n int64) error {
	l.free = append(l.free, blockmap.Range{Off: off, Len: n})
	return nil
}

func (l *lister) Data(off, n int64, file blockmap.FileID, at int64) error {
	if !l.frozen {
		return errors.ErrUnsupported
	}
	l.data = append(l.data, datum{blockmap.Range{Off: off, Len: n}, file, at})
	return nil
}

func (l *lister) Nested(string, blockmap.Volume) error { return nil }

// scanned is what is freed, sorted and joined.
func scanned(t testing.TB, sc Scanner, img []byte) (blockmap.Report, []blockmap.Range, error) {
	t.Helper()
	var l lister
	v := blockmap.Bytes(bytes.NewReader(img), int64(len(img)), 512)
	r, err := sc.Scan(context.Background(), v, &l)
	slices.SortFunc(l.free, func(a, b blockmap.Range) int { return int(a.Off - b.Off) })
	var out []blockmap.Range
	for _, f := range l.free {
		n := len(out)
		if n > 0 && f.Off < out[n-1].End() {
			t.Fatalf("%v is freed twice", f)
		}
		if f.Off < reserved || f.Len <= 0 || f.Len > int64(len(img))-f.Off {
			t.Fatalf("%v is freed", f)
		}
		if n > 0 && out[n-1].End() == f.Off {
			out[n-1].Len += f.Len
		} else {
			out = append(out, f)
		}
	}
	if err != nil || r.Whole != "" {
		out = nil
	}
	return r, out, err
}
