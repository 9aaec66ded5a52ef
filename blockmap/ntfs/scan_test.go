package ntfs

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/scantest"
)

// freeOf is what of s is free, by its fields.
func (s *synth) freeOf() (free []blockmap.Range) {
	for c := range s.clusters {
		if s.isUsed(c) {
			continue
		}
		if n := len(free); n > 0 && free[n-1].End() == c*testCluster {
			free[n-1].Len += testCluster
			continue
		}
		free = append(free, blockmap.Range{Off: c * testCluster, Len: testCluster})
	}
	return free
}

func TestScan(t *testing.T) {
	wake := append([]byte("wake"), make([]byte, 4092)...)
	for _, c := range []struct {
		name   string
		change func(s *synth)
	}{
		{"plain", func(*synth) {}},
		{"clusters no multiple of 8", func(s *synth) { s.clusters = 1003 }},
		{"bitmap past a page", func(s *synth) { s.clusters = 8800 }},
		{"bitmap in two parts", func(s *synth) { s.clusters, s.bitmap = 8799, []span{{900, 901}, {60, 61}} }},
		{"MFT in three parts", func(s *synth) { s.mft = []span{{20, 37}, {600, 602}, {400, 401}} }},
		{"sector 1024", func(s *synth) { s.sector = 1024 }},
		{"version 1.2", func(s *synth) { s.major, s.minor = 1, 2 }},
		{"harmless flags", func(s *synth) { s.flags = flagDeleteUSN | flagRepairIDs }},
		{"other names", func(s *synth) { s.names, s.deep = []string{"hiberfil.sy"}, []string{"x", "hiberfilxsys"} }},
		{"was hibernated", func(s *synth) { s.deep, s.hiber = []string{"hiberfil.sys"}, wake }},
		{"log closed by 2000", func(s *synth) { s.log = restartPages(1, 1, noClient, 0) }},
		{"log closed by XP", func(s *synth) { s.log = restartPages(1, 1, 0, restartClean) }},
		{"one restart page torn", func(s *synth) {
			s.log = restartPages(1, 1, 0, restartClean)
			s.log[4096+1022] ^= 1
			s.log[4096+48+14] = 0
		}},
		{"shadow copies once", func(s *synth) { s.patch = func(b []byte) { copy(b[shadowOffset:], shadowHeader(0)) } }},
		{"shadow copies deleted", func(s *synth) {
			s.patch = func(b []byte) {
				copy(b[shadowOffset:], shadowHeader(600*testCluster))
				copy(b[600*testCluster:], shadowCatalog(0, 1))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth()
			c.change(s)
			r, free, err := scantest.Scan(t, Scanner{Still: true}, s.bytes())
			if err != nil || r.Whole != "" || len(r.Warnings) > 0 {
				t.Fatalf("%+v %v", r, err)
			}
			if want := s.freeOf(); !slices.Equal(free, want) {
				t.Errorf("free %v\nmust be %v", free, want)
			}
			if r.Type != "ntfs" || r.UUID != "0123456789ABCDEF" || r.Label != "my Völume" || r.BlockSize != testCluster {
				t.Errorf("%+v", r)
			}
		})
	}
}

// restartPages are two of them; the second one is the current one. used is the
// first client in use.
func restartPages(major, minor uint16, used, flags uint16) []byte {
	b := make([]byte, 2*4096)
	for i := range 2 {
		p := b[i*4096:][:4096]
		copy(p, "RSTR")
		le.PutUint32(p[16:], 4096)
		le.PutUint32(p[20:], 4096)
		le.PutUint16(p[24:], 48)
		le.PutUint16(p[26:], minor)
		le.PutUint16(p[28:], major)
		a := p[48:]
		le.PutUint64(a, uint64(1000+i))
		le.PutUint16(a[8:], 1)
		le.PutUint16(a[10:], noClient)
		le.PutUint16(a[12:], used)
		le.PutUint16(a[14:], flags)
		le.PutUint16(a[20:], 0x40+logClientBytes)
		le.PutUint16(a[22:], 0x40)
		protect(p, 30)
	}
	return b
}

func shadowHeader(catalog int64) []byte {
	b := make([]byte, stride)
	copy(b, shadowMark)
	b[20] = 1
	le.PutUint64(b[48:], uint64(catalog))
	return b
}

func shadowCatalog(next int64, kind byte) []byte {
	b := make([]byte, shadowBlock)
	copy(b, shadowMark)
	b[20] = 2
	le.PutUint64(b[40:], uint64(next))
	b[shadowEntry*3] = kind
	return b
}

func TestWhole(t *testing.T) {
	short := []byte("hibr")
	hibr := append([]byte("HIBR"), make([]byte, 4092)...)
	rstr := append([]byte("rstr"), make([]byte, 4092)...)
	boot := func(at int64, v byte) func(s *synth) {
		return func(s *synth) { s.boot = map[int64]byte{at: v} }
	}
	patch := func(f func(b []byte)) func(s *synth) { return func(s *synth) { s.patch = f } }
	record := func(n, at int64, v byte) func(s *synth) {
		return patch(func(b []byte) { b[(20+n)*testCluster+at] = v })
	}
	for _, c := range []struct {
		name, why string
		change    func(s *synth)
	}{
		{"sector 0", "sector size", boot(12, 0)},
		{"sector 768", "sector size", boot(12, 3)},
		{"cluster 0", "cluster of 0", boot(13, 0)},
		{"cluster 3", "cluster of 3", boot(13, 3)},
		{"cluster 2^13", "cluster size", boot(13, 256-13)},
		{"cluster of 2 MiB", "0 clusters", boot(13, 256-12)},
		{"FAT's fields", "must be zero", boot(16, 2)},
		{"signature", "signature", boot(511, 0)},
		{"record 3 clusters", "MFT records", boot(64, 3)},
		{"record 2^31", "MFT records", boot(64, 0xe1)},
		{"longer than the volume", "cut short", boot(42, 1)},
		{"no sectors", "cut short", func(s *synth) { s.boot = map[int64]byte{40: 0, 41: 0, 42: 0} }},
		{"MFT at 0", "places of $MFT", boot(48, 0)},
		{"MFT behind the end", "places of $MFT", boot(49, 0xff)},
		{"MFT elsewhere", "begins with", boot(48, 30)},
		{"MFT is its mirror", "places of $MFT", boot(48, mirrorAt)},
		{"dirty", "marked dirty", func(s *synth) { s.flags = flagDirty }},
		{"chkdsk", "interrupted", func(s *synth) { s.flags = flagChkdsk }},
		{"resize log", "mounts it next", func(s *synth) { s.flags = flagResizeLog }},
		{"unknown flag", "not known", func(s *synth) { s.flags = 0x100 }},
		{"version 4", "version 4.0", func(s *synth) { s.major, s.minor = 4, 0 }},
		{"hibernated", "is hibernated", func(s *synth) { s.names, s.hiber = []string{"a", "hiberfil.sys"}, hibr }},
		{"hibernated, deep", "is hibernated", func(s *synth) { s.deep, s.hiber = []string{"a", "HIBERFIL.SYS"}, hibr }},
		{"waking up", "waking up", func(s *synth) { s.names, s.hiber = []string{"hiberfil.sys"}, rstr }},
		{"hibernated elsewhere", "another volume", func(s *synth) { s.names, s.hiber = []string{"hiberfil.sys"}, short }},
		{"log open", "not unmounted cleanly", func(s *synth) { s.log = restartPages(1, 1, 0, 0) }},
		{"log of version 2", "keeps metadata", func(s *synth) { s.log = restartPages(2, 0, 0, restartClean) }},
		{"log of version 3", "no valid restart page", func(s *synth) { s.log = restartPages(3, 0, 0, restartClean) }},
		{"log torn", "no valid restart page", func(s *synth) {
			s.log = restartPages(1, 1, 0, restartClean)
			s.log[510]++
			s.log[4096+510]++
		}},
		{"log of zeros", "no valid restart page", func(s *synth) { s.log = make([]byte, logClusters*testCluster) }},
		{"shadow copies", "has shadow copies", patch(func(b []byte) {
			copy(b[shadowOffset:], shadowHeader(600*testCluster))
			copy(b[600*testCluster:], shadowCatalog(640*testCluster, 1))
			copy(b[640*testCluster:], shadowCatalog(0, 3))
		})},
		{"shadow copies in a circle", "has shadow copies", patch(func(b []byte) {
			copy(b[shadowOffset:], shadowHeader(600*testCluster))
			copy(b[600*testCluster:], shadowCatalog(600*testCluster, 0))
		})},
		{"shadow copies lost", "catalog of shadow copies", patch(func(b []byte) { copy(b[shadowOffset:], shadowHeader(600*testCluster)) })},
		{"shadow copies outside", "has shadow copies", patch(func(b []byte) { copy(b[shadowOffset:], shadowHeader(-1)) })},
		{"mirror differs", "another than its copy", record(2, 60, 99)},
		{"record torn", "not written with the others", record(6, 1022, 99)},
		{"record not in use", "not in use", record(6, 22, 0)},
		{"record misnumbered", "says it is number", record(6, 44, 7)},
		{"attribute too long", "leaves the record", record(6, 56+5, 1)},
		{"bitmap compressed", "impossible way", record(6, 56+12, 1)},
		{"bitmap sparse", "impossible way", record(6, 56+13, 0x80)},
		{"bitmap not written", "too short", record(6, 56+57, 0)},
		{"bitmap smaller than what was written", "1100 of them", record(6, 56+49, 0)},
		{"bitmap larger than its space", "in 2048", record(6, 56+49, 9)},
		{"bitmap elsewhere", "of metadata free", record(6, 56+64+6, 3)},
		{"bitmap's run ends early", "runs end at", record(6, 56+64+1, 1)},
		{"bitmap's run far outside", "clusters away", record(6, 56+64+7, 1)},
		{"root without index", "no index", record(5, 56, 0x91)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSynth()
			c.change(s)
			r, free, err := scantest.Scan(t, Scanner{Still: true}, s.bytes())
			why := r.Whole
			if err != nil {
				why = err.Error()
			}
			if len(free) > 0 || !strings.Contains(why, c.why) {
				t.Errorf("%d ranges are free: %q", len(free), why)
			}
		})
	}
}

func TestMetadataMarkedFree(t *testing.T) {
	s := newSynth()
	s.free = []span{{0, 13}, {19, 41}, {50, 53}, {90, 310}}
	_, free, err := scantest.Scan(t, Scanner{Still: true}, s.bytes())
	if len(free) > 0 || err == nil || !strings.Contains(err.Error(), "233 clusters of metadata") {
		t.Errorf("%v", err)
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		mark string
		want error
	}{{bootMark, nil}, {"-FVE-FS-", blockmap.ErrNotMine}, {"MSDOS5.0", blockmap.ErrNotMine}} {
		b := newSynth().bytes()
		copy(b[3:], c.mark)
		if err := (Scanner{Still: true}).Probe(blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512)); !errors.Is(err, c.want) {
			t.Errorf("%q: %v", c.mark, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := newSynth().bytes()
	if _, _, err := blockmap.Scan(ctx, blockmap.Bytes(bytes.NewReader(b), int64(len(b)), 512), []blockmap.Scanner{Scanner{Still: true}}, blockmap.ScanOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestSigned(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want int64
	}{
		{nil, 0}, {[]byte{1}, 1}, {[]byte{0x80}, -128}, {[]byte{0xff, 0x7f}, 0x7fff}, {[]byte{0, 0xff}, -256},
		{[]byte{0, 0, 0, 0, 0, 0, 0, 0x80}, -1 << 63}, {[]byte{1, 0, 0, 0, 0, 0, 0}, 1},
	} {
		if got := signed(c.b); got != c.want {
			t.Errorf("%x: %d, must be %d", c.b, got, c.want)
		}
	}
}
