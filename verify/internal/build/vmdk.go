package build

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
)

func vmdkHeader(stream bool, capacity, grain, rgd, gd, over int) []byte {
	b := make([]byte, 512)
	le := binary.LittleEndian
	copy(b, "KDMV")
	version, flags := uint32(1), uint32(3)
	if stream {
		version, flags = 3, 0x30001
		le.PutUint16(b[77:], 1)
	}
	le.PutUint32(b[4:], version)
	le.PutUint32(b[8:], flags)
	for off, v := range map[int]int{12: capacity, 20: grain, 28: 1, 36: 4, 48: rgd, 56: gd, 64: over} {
		le.PutUint64(b[off:], uint64(v))
	}
	le.PutUint32(b[44:], 512)
	copy(b[73:], "\n \r\n")
	return b
}

// Descriptor is the text of a VMDK's descriptor.
func Descriptor(kind, name string, sectors int) string {
	return fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=1234abcd\nparentCID=ffffffff\ncreateType=\"%s\"\n\n"+
		"RW %d SPARSE \"%s\"\n\nddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"1\"\nddb.geometry.heads = \"255\"\n"+
		"ddb.geometry.sectors = \"63\"\nddb.longContentID = \"000000000000000000000000%s\"\nddb.toolsInstallType = \"4\"\n"+
		"ddb.virtualHWVersion = \"4\"\n", kind, sectors, name, "1234abcd")
}

// VMDKStream makes a stream-optimized disk called name with the grain
// directory and tables at its front. grain is in bytes; used lists the grains.
func VMDKStream(disk []byte, used []int, grain int, name string) Image {
	grains := up(len(disk), grain) / grain
	tables := up(grains, 512) / 512
	gdSectors := up(4*tables, 512) / 512
	gd := 5
	over := gd + gdSectors + 4*tables
	var f bytes.Buffer
	f.Write(vmdkHeader(true, grains*grain/512, grain/512, 0, gd, over))
	text := Descriptor("streamOptimized", name, grains*grain/512)
	f.WriteString(text)
	pad(&f, 512*gd)
	f.Write(make([]byte, (over-gd)*512))
	le := binary.LittleEndian
	for i := range tables {
		le.PutUint32(f.Bytes()[gd*512+4*i:], uint32(gd+gdSectors+4*i))
	}
	im := Image{}
	for _, u := range used {
		// The padding bits of deflate's stored blocks: the first and the last.
		im.Slack = append(im.Slack, [2]int{f.Len() + 14, f.Len() + 15})
		le.PutUint32(f.Bytes()[(gd+gdSectors)*512+4*u:], uint32(f.Len()/512))
		var z bytes.Buffer
		w, _ := zlib.NewWriterLevel(&z, zlib.NoCompression)
		w.Write(padded(disk, u*grain, grain))
		w.Close()
		var marker [12]byte
		le.PutUint64(marker[:], uint64(u*grain/512))
		le.PutUint32(marker[8:], uint32(z.Len()))
		f.Write(marker[:])
		f.Write(z.Bytes())
		im.Slack = append(im.Slack, [2]int{f.Len() - 9, f.Len() - 8})
		pad(&f, 512)
	}
	f.Write(make([]byte, 512))
	im.Bytes = f.Bytes()
	im.slackText(text)
	im.Slack = append(im.Slack, [2]int{gd*512 + 4*tables, (gd + gdSectors) * 512})
	return im
}

// slackText adds what a descriptor says to people only: numbers of the
// geometry and of the tools.
func (im *Image) slackText(text string) {
	for _, key := range []string{"cylinders = \"", "heads = \"", "geometry.sectors = \"", "virtualHWVersion = \"", "toolsInstallType = \"", "ddb.toolsInstallType", "ddb.longContentID", "longContentID = \""} {
		at := 512 + bytes.Index([]byte(text), []byte(key))
		end := at + len(key) + bytes.IndexByte([]byte(text)[at-512+len(key):], '"')
		switch key {
		case "ddb.toolsInstallType", "ddb.longContentID": // keys that may be missing
			im.Slack = append(im.Slack, [2]int{at + 4, at + len(key)})
		case "longContentID = \"":
			im.Slack = append(im.Slack, [2]int{at + len(key), end - 8})
		default:
			im.Slack = append(im.Slack, [2]int{at + len(key), end})
		}
	}
}

// VMDKSparse makes a monolithicSparse disk called name.
func VMDKSparse(disk []byte, used []int, grain int, name string) Image {
	grains := up(len(disk), grain) / grain
	tables := up(grains, 512) / 512
	gdSectors := up(4*tables, 512) / 512
	rgd := 5
	gd := rgd + gdSectors + 4*tables
	over := up(gd+gdSectors+4*tables, grain/512)
	f := make([]byte, over*512)
	copy(f, vmdkHeader(false, grains*grain/512, grain/512, rgd, gd, over))
	text := Descriptor("monolithicSparse", name, grains*grain/512)
	copy(f[512:], text)
	le := binary.LittleEndian
	for _, d := range []int{rgd, gd} {
		for i := range tables {
			le.PutUint32(f[d*512+4*i:], uint32(d+gdSectors+4*i))
		}
		for k, u := range used {
			le.PutUint32(f[(d+gdSectors)*512+4*u:], uint32(over+k*grain/512))
		}
	}
	for _, u := range used {
		f = append(f, padded(disk, u*grain, grain)...)
	}
	im := Image{Bytes: f}
	im.slackText(text)
	for _, d := range []int{rgd, gd} {
		im.Slack = append(im.Slack, [2]int{d*512 + 4*tables, (d + gdSectors) * 512})
	}
	im.Slack = append(im.Slack, [2]int{(gd + gdSectors + 4*tables) * 512, over * 512})
	return im
}
