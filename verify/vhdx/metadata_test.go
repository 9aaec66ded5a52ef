package vhdx

import (
	"testing"

	"migimg/verify/internal/build"
)

// metaEntry is entry i of the metadata table.
func metaEntry(b []byte, i int) []byte { return b[build.VHDXMetadata+32+32*i:][:32] }

func TestMetadata(t *testing.T) {
	const parameters, size, id, logical, physical = 0, 1, 2, 3, 4
	const at = build.VHDXMetadata
	values := at + tableSize
	meta := func(i, off int, v byte) func([]byte) { return func(b []byte) { metaEntry(b, i)[off] = v } }
	sixth := func(f func(e []byte)) func([]byte) {
		return func(b []byte) {
			b[at+10] = 6
			e := metaEntry(b, 5)
			e[0] = 'x'
			le.PutUint32(e[16:], tableSize+100)
			le.PutUint32(e[20:], 10)
			f(e)
		}
	}
	value := func(off int, v uint32) func([]byte) {
		return func(b []byte) { le.PutUint32(b[values+off:], v) }
	}
	missing := func(i int) func([]byte) {
		return func(b []byte) { clear(metaEntry(b, i)[:16]); metaEntry(b, i)[24] = 0 }
	}
	locator := parseGUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
	run(t, build.VHDXOptions{}, 2*mib, []change{
		{"signature", func(b []byte) { b[at]++ }, "fail vhdx: metadata table: the signature", true},
		{"count", func(b []byte) { b[at+11] = 8 }, "fail vhdx: metadata table: 2053 entries, at most 2047", true},
		{"reserved", func(b []byte) { b[at+8] = 1 }, "fail vhdx: metadata table: reserved bytes", false},
		{"reserved, at the end", func(b []byte) { b[at+31] = 1 }, "fail vhdx: metadata table: reserved bytes", false},
		{"no parameters", missing(parameters), `fail vhdx: metadata: item "file parameters" is missing`, true},
		{"no size", missing(size), `fail vhdx: metadata: item "virtual disk size" is missing`, true},
		{"no logical sector size", missing(logical), `fail vhdx: metadata: item "logical sector size" is missing`, true},
		{"no ID", missing(id), `fail vhdx: metadata: item "virtual disk ID" is missing`, false},
		{"no physical sector size", missing(physical), `fail vhdx: metadata: item "physical sector size" is missing`, false},
		{"flags", meta(size, 24, 4), "fail vhdx: metadata table: virtual disk size: flags 0x4, must be 0x6", false},
		{"of a user", meta(id, 24, 7), "is not known, and it is required", true},
		{"reserved bits", meta(id, 25, 1), "fail vhdx: metadata table: reserved bits of item", false},
		{"reserved bytes", meta(id, 31, 1), "fail vhdx: metadata table: reserved bits of item", false},
		{"length", meta(physical, 20, 8), "fail vhdx: metadata table: physical sector size: 8 bytes, must be 4", false},
		{"empty", func(b []byte) { clear(metaEntry(b, physical)[16:24]) }, "fail vhdx: metadata table: physical sector size: 0 bytes, must be 4", false},
		{"in the table", func(b []byte) { metaEntry(b, id)[18] = 0 }, "fail vhdx: metadata table: an item, 16 bytes at 16 of the region", false},
		{"after the region", func(b []byte) { le.PutUint32(metaEntry(b, id)[16:], mib-15) }, "fail vhdx: metadata table: an item, 16 bytes at 1048561", false},
		{"overlap", func(b []byte) { copy(metaEntry(b, physical)[16:20], metaEntry(b, logical)[16:20]) }, "fail vhdx: metadata: two items overlap at byte 2162720", false},
		{"twice", sixth(func(e []byte) { copy(e, "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8") }), "is there twice", false},
		{"unknown", sixth(func(e []byte) { e[24] = flagUser }), "", false},
		{"unknown and empty", sixth(func(e []byte) { clear(e[16:24]) }), "", false},
		{"unknown, required", sixth(func(e []byte) { e[24] = flagRequired }), "is not known, and it is required", true},
		{"parent locator", sixth(func(e []byte) { copy(e, locator[:]); e[24] = flagRequired }), "fail vhdx: metadata table: there is a parent locator", false},
		{"users", func(b []byte) {
			le.PutUint16(b[at+10:], 1030)
			for i := 5; i < 1030; i++ {
				le.PutUint16(metaEntry(b, i), uint16(i))
				metaEntry(b, i)[24] = flagUser
			}
		}, "fail vhdx: metadata table: 1025 entries of users", false},
		{"small blocks", value(0, mib/2), "fail vhdx: metadata: file parameters: blocks of 524288 bytes", true},
		{"large blocks", value(0, 512*mib), "fail vhdx: metadata: file parameters: blocks of 536870912 bytes", true},
		{"odd blocks", value(0, 3*mib), "fail vhdx: metadata: file parameters: blocks of 3145728 bytes", true},
		{"parent", value(4, 2), "fail vhdx: metadata: file parameters: the disk has a parent", true},
		{"reserved parameters", value(4, 4), "fail vhdx: metadata: file parameters: reserved bits 0x4", false},
		{"no bytes", value(8, 0), "fail vhdx: metadata: a disk of 0 bytes", true},
		{"too large", value(12, 0x4001), "fail vhdx: metadata: a disk of 70373041242112 bytes", true},
		{"part of a sector", value(8, 2*mib-1), "fail vhdx: metadata: a disk of 2097151 bytes, which is no number of sectors", false},
		{"more than the block table", value(12, 0x3fff), "fail vhdx: block table: its region of 1048576 bytes holds 131072 entries, the disk of 70364451307520 bytes needs 67121153", true},
		{"ID", func(b []byte) { clear(b[values+16:][:16]) }, "fail vhdx: metadata: the virtual disk ID is zero", false},
		{"logical", value(32, 1024), "fail vhdx: metadata: logical sectors of 1024 bytes", true},
		{"physical", value(36, 1024), "fail vhdx: metadata: physical sectors of 1024 bytes", false},
	})
}
