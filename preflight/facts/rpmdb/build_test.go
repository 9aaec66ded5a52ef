package rpmdb

import (
	"bytes"
	"encoding/binary"
)

// Databases as small as they come, in each of the three forms, for the tests
// that need no programs.

type tag struct {
	tag, kind uint32
	data      []byte
}

// header is a package's header. pad bytes of another tag come before the names,
// tail bytes after them.
func header(name, version, release, arch, epoch string, pad, tail int) []byte {
	str := func(s string) []byte { return append([]byte(s), 0) }
	var tags []tag
	if pad > 0 {
		tags = append(tags, tag{269, 7, make([]byte, pad)})
	}
	tags = append(tags, tag{tagName, typeString, str(name)}, tag{tagVersion, typeString, str(version)}, tag{tagRelease, typeString, str(release)},
		tag{tagArch, typeString, str(arch)}, tag{tagVendor, typeString, str("vendor")})
	if epoch != "" {
		tags = append(tags, tag{tagEpoch, typeInt32, []byte{0, 0, 0, epoch[0] - '0'}})
	}
	if tail > 0 {
		tags = append(tags, tag{1117, 7, make([]byte, tail)})
	}
	var index, store []byte
	for _, t := range tags {
		for t.kind == typeInt32 && len(store)%4 != 0 {
			store = append(store, 0)
		}
		for _, v := range []uint32{t.tag, t.kind, uint32(len(store)), 1} {
			index = be.AppendUint32(index, v)
		}
		store = append(store, t.data...)
	}
	b := be.AppendUint32(nil, uint32(len(tags)))
	b = be.AppendUint32(b, uint32(len(store)))
	return append(append(b, index...), store...)
}

// bdbFile is a hash database with one bucket.
func bdbFile(o binary.ByteOrder, page int, headers ...[]byte) []byte {
	pages := [][]byte{make([]byte, page), make([]byte, page)}
	meta, hash := pages[0], pages[1]
	o.PutUint32(meta[12:], bdbHashMagic)
	o.PutUint32(meta[20:], uint32(page))
	meta[25], hash[25] = bdbHashMeta, bdbHash
	top := page
	var at []int
	item := func(b []byte) {
		top -= len(b)
		copy(hash[top:], b)
		at = append(at, top)
	}
	item([]byte{bdbKeyData, 0, 0, 0, 0}) // the counter
	item([]byte{bdbKeyData, 9, 0, 0, 0})
	for i, h := range headers {
		item([]byte{bdbKeyData, byte(i + 1), 0, 0, 0})
		ref := make([]byte, bdbOffSize)
		ref[0] = bdbOffPage
		o.PutUint32(ref[4:], uint32(len(pages)))
		o.PutUint32(ref[8:], uint32(len(h)))
		item(ref)
		for len(h) > 0 {
			p := make([]byte, page)
			n := copy(p[bdbPageHeader:], h)
			h = h[n:]
			p[25] = bdbOverflow
			o.PutUint16(p[22:], uint16(n))
			if len(h) > 0 {
				o.PutUint32(p[16:], uint32(len(pages)+1))
			}
			pages = append(pages, p)
		}
	}
	o.PutUint16(hash[20:], uint16(len(at)))
	for i, a := range at {
		o.PutUint16(hash[bdbPageHeader+2*i:], uint16(a))
	}
	o.PutUint32(meta[32:], uint32(len(pages)-1))
	return bytes.Join(pages, nil)
}

func ndbFile(headers ...[]byte) []byte {
	b := make([]byte, ndbSlotPage)
	le.PutUint32(b, ndbMagic)
	le.PutUint32(b[12:], 1)
	for off := ndbHeader; off < len(b); off += ndbSlot {
		le.PutUint32(b[off:], ndbSlotMagic)
	}
	for i, h := range headers {
		slot := b[ndbHeader+i*ndbSlot:]
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(b)/ndbBlock))
		var head [ndbSlot]byte
		le.PutUint32(head[:], ndbBlobMagic)
		le.PutUint32(head[4:], uint32(i+1))
		le.PutUint32(head[12:], uint32(len(h)))
		b = append(append(b, head[:]...), h...)
		for len(b)%ndbBlock != 0 {
			b = append(b, 0)
		}
	}
	return b
}

func putVarint(v int) (b []byte) {
	for b = []byte{byte(v & 0x7f)}; v > 0x7f; {
		v >>= 7
		b = append([]byte{byte(v&0x7f) | 0x80}, b...)
	}
	return b
}

// sqliteFile has the schema on page 1 and the table Packages, a leaf, on page 2.
func sqliteFile(page int, headers ...[]byte) []byte {
	pages := [][]byte{make([]byte, page), make([]byte, page)}
	copy(pages[0], sqliteMagic)
	be.PutUint16(pages[0][16:], uint16(page))
	leaf := func(n, begin int, rows [][]byte) {
		top := page
		pages[n][begin] = sqliteLeaf
		be.PutUint16(pages[n][begin+3:], uint16(len(rows)))
		for i, row := range rows {
			cell := append(putVarint(len(row)), byte(i+1))
			local := len(row)
			if local > page-35 {
				least := (page-12)*32/255 - 23
				if local = least + (local-least)%(page-4); local > page-35 {
					local = least
				}
			}
			cell = append(cell, row[:local]...)
			if rest := row[local:]; len(rest) > 0 {
				cell = be.AppendUint32(cell, uint32(len(pages)+1))
				for len(rest) > 0 {
					p := make([]byte, page)
					k := copy(p[4:], rest)
					if rest = rest[k:]; len(rest) > 0 {
						be.PutUint32(p, uint32(len(pages)+2))
					}
					pages = append(pages, p)
				}
			}
			top -= len(cell)
			copy(pages[n][top:], cell)
			be.PutUint16(pages[n][begin+8+2*i:], uint16(top))
		}
	}
	text := func(s string) []byte { return putVarint(13 + 2*len(s)) }
	row := bytes.Join([][]byte{text("table"), text("Packages"), text("Packages"), {1}, text("")}, nil)
	row = append(append([]byte{byte(len(row) + 1)}, row...), "tablePackagesPackages\x02"...)
	leaf(0, 100, [][]byte{row})
	var rows [][]byte
	for _, h := range headers {
		kind := putVarint(12 + 2*len(h))
		rows = append(rows, append(append([]byte{byte(len(kind) + 2), 0}, kind...), h...))
	}
	leaf(1, 0, rows)
	return bytes.Join(pages, nil)
}
