package ntfs

import (
	"bytes"
	"encoding/binary"
	"testing"

	"migimg/blockmap/scantest"
)

// rich is a volume with attribute lists, an index of two levels, a log and
// shadow copies that were deleted.
func rich() *synth {
	s := newSynth()
	s.bitmap = []span{{900, 901}, {60, 61}}
	s.mft = []span{{20, 37}, {600, 602}, {400, 401}}
	s.names, s.deep, s.hiber = []string{"a"}, []string{"hiberfil.sys"}, append([]byte("wake"), make([]byte, 4092)...)
	s.log = restartPages(1, 1, 0, restartClean)
	s.patch = func(b []byte) {
		copy(b[shadowOffset:], shadowHeader(640*testCluster))
		copy(b[640*testCluster:], shadowCatalog(0, 1))
	}
	return s
}

func TestHostile(t *testing.T) {
	open := newSynth()
	open.deep = []string{"hiberfil.sys"}
	open.hiber = make([]byte, 4096)
	scantest.Hostile(t, Scanner{Still: true}, newSynth().bytes(), open.bytes())
}

// edited is the image with the edits: of each 4 bytes, 1 is a place that is
// read, 2 are the byte in it and 1 is the value. Records stay whole: their update
// sequence is undone before and put back behind the edits.
func edited(img, edits []byte) []byte {
	img = bytes.Clone(img)
	c := func(from, n int64) []byte { return img[from*testCluster : (from+n)*testCluster] }
	places := [][]byte{img[:128], c(20, 1), c(21, 1), c(22, 1), c(23, 1), c(25, 1), c(26, 1), c(35, 1), c(36, 1), c(600, 1),
		c(601, 1), c(indexAt, 4), img[logAt*testCluster:][:128], img[logAt*testCluster+4096:][:128], img[shadowOffset:][:64], c(640, 1), c(900, 1)}
	var sealed []int
	for i, p := range places {
		if m := string(p[:4]); (m == "FILE" || m == "INDX") && fixup(p) == nil {
			sealed = append(sealed, i)
		}
	}
	for ; len(edits) >= 4; edits = edits[4:] {
		p := places[int(edits[0])%len(places)]
		p[int(binary.LittleEndian.Uint16(edits[1:]))%len(p)] = edits[3]
	}
	for _, i := range sealed {
		protect(places[i], map[bool]int{true: 40, false: 48}[len(places[i]) == 4096])
	}
	for n := range int64(mirrorCount) {
		copy(c(mirrorAt+n, 1), c(20+n, 1))
	}
	return img
}

func FuzzScan(f *testing.F) {
	img := rich().bytes()
	f.Add([]byte{})
	f.Add([]byte{0, 13, 0, 16})                           // larger clusters
	f.Add([]byte{1, 60, 0, 8, 1, 4, 1, 0xff})             // attributes of $MFT
	f.Add([]byte{1, 56 + 7, 0, 0, 1, 56 + 32, 0, 99})     // its list
	f.Add([]byte{8, 56 + 16, 0, 1, 9, 56 + 24, 0, 0xff})  // runs of the second part
	f.Add([]byte{6, 57, 0, 1, 16, 3, 0, 0})               // $Bitmap
	f.Add([]byte{11, 24, 0, 80, 11, 72, 0, 0})            // entries of the index
	f.Add([]byte{12, 24, 0, 200, 13, 16, 0, 1})           // restart pages
	f.Add([]byte{14, 48, 0, 0xff, 15, 40, 0, 0, 3, 9, 9}) // shadow copies
	f.Fuzz(func(t *testing.T, edits []byte) {
		b := edited(img, edits)
		r, free, err := scantest.Scan(t, Scanner{Still: true}, b)
		at := int64(bootBytes)
		for _, x := range free {
			if x.Off < at || err != nil || r.Whole != "" {
				t.Fatalf("%v is free behind %d; %+v %v", x, at, r, err)
			}
			at = x.End() + 1
		}
	})
}
