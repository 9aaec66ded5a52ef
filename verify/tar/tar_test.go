package tar

import (
	stdtar "archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
	"migimg/verify/internal/decodertest"
)

func raw(b []byte) decoder.Disk {
	return decoder.Raw(decoder.File{R: bytes.NewReader(b), Size: int64(len(b))})
}

// opened opens an archive and gives its problems as one text.
func opened(t testing.TB, b []byte) (decoder.Disk, string) {
	t.Helper()
	ps := &decoder.Problems{}
	d, _, err := Open(context.Background(), raw(b), ps)
	if err != nil {
		t.Fatal(err)
	}
	return d, listed(ps)
}

func listed(ps *decoder.Problems) string {
	var all []string
	for _, p := range ps.List() {
		all = append(all, string(p.Severity)+" "+p.What)
	}
	return strings.Join(all, "\n")
}

// Random reads of sparse and plain members, with few pieces and with many.
func TestReads(t *testing.T) {
	for _, unit := range []int{512, 4096, 64 << 10} {
		disk, used := build.Disk(1, 1<<20+100, unit)
		for name, b := range map[string][]byte{"sparse": build.TarSparse(disk, used, unit).Bytes, "plain": build.Tar(disk).Bytes} {
			d, all := opened(t, b)
			if d == nil || all != "" || d.Size() != int64(len(disk)) {
				t.Fatal(name, all)
			}
			r := rand.New(rand.NewPCG(3, 4))
			for range 300 {
				off, n := r.IntN(len(disk)), 1+r.IntN(200000)
				p := make([]byte, n)
				k, err := d.ReadAt(p, int64(off))
				want := disk[off:min(len(disk), off+n)]
				if k != len(want) || !bytes.Equal(p[:k], want) || (err == io.EOF) != (k < n) {
					t.Fatalf("%s: %d bytes at %d: %d, %v", name, n, off, k, err)
				}
				if at := d.Locate(int64(off)); at >= 0 && b[at] != disk[off] || at < 0 && disk[off] != 0 {
					t.Fatalf("%s: byte %d is at %d", name, off, at)
				}
			}
		}
	}
}

func TestProblems(t *testing.T) {
	disk, used := build.Disk(1, 200<<10, 4096)
	good, plain := build.TarSparse(disk, used, 4096).Bytes, build.Tar(disk).Bytes
	n := len(good)
	// changed has other bytes at an offset of the first header, and its sum mended.
	changed := func(b []byte, at int, s string) []byte {
		b = bytes.Clone(b)
		copy(b[at:], s)
		copy(b[148:], fmt.Sprintf("%06o\x00 ", sumOf(b[:512])))
		return b
	}
	at := func(b []byte, off int, s string) []byte { b = bytes.Clone(b); copy(b[off:], s); return b }
	archive := func(files ...build.File) []byte { return build.Archive(files...).Bytes }
	file := func(name string) build.File { return build.File{Name: name, Data: disk[:1000]} }
	record := append(bytes.Clone(plain), make([]byte, (10240-len(plain)%10240)%10240)...)
	for _, c := range []struct {
		name     string
		b        []byte
		want     string
		readable bool
	}{
		{"sparse", good, "", true},
		{"plain", plain, "", true},
		{"a whole record", record, "", true},
		{"dirty record", at(record, len(record)-1, "x"), "fail tar: bytes that are not 0 after the end", true},
		{"too many zeros", append(bytes.Clone(record), make([]byte, 10240)...), "bytes after the end of the archive", true},
		{"appended", append(bytes.Clone(good), 'x'), "fail tar: 1 bytes after the end", true},
		{"one block at the end", good[:n-512], "fail tar: the archive ends with one block", true},
		{"no end", good[:n-1024], "fail tar: there is no end of the archive", true},
		{"short", good[:n/2], "a short copy", false},
		{"no archive", disk[4096:], "the sum", false},
		{"empty", make([]byte, 1024), "fail tar: the archive is empty", false},
		{"sum", at(good, 0, "D"), "fail tar: header: the sum is", false},
		{"magic", changed(good, 257, "usta!"), "the magic", false},
		{"size", changed(good, 124, "9"), "the size: not octal", false},
		{"mode", changed(good, 100, "x"), "fail tar: header of \"disk.raw\": the mode", true},
		{"other name", changed(good, 0, "disk.img"), "fail tar: no member is called disk.raw", true},
		{"pax", changed(plain, 156, "x"), "a pax header", false},
		{"link", changed(plain, 156, "2"), "of the type '2'", false},
		{"posix sparse", changed(good, 257, "ustar\x0000"), "a header that is not GNU's", false},
		{"posix", archive(build.File{Name: "disk.raw", Data: disk}), "warn tar: the header is not GNU tar's", true},
		{"manifest", archive(file("manifest.json"), build.File{Name: "disk.raw", Data: disk}), "warn tar: the header", true},
		{"something else", archive(file("disk.raw"), file("more")), `fail tar: "more" is there beside disk.raw`, true},
		{"two disks", archive(file("disk.raw"), file("disk.raw")), `is there beside disk.raw`, true},
		{"padding", at(archive(file("disk.raw")), 1020+512, "x"), "bytes that are not 0 after a member's end", true},
		{"descending map", changed(good, 386+24, "00000000000"), "begins before the end of the one before", false},
		{"piece beyond the end", changed(good, 386+3*24, "77777777777"), "an entry beyond the file's end", false},
		{"lengths", changed(good, 386+12, "00000001000"), "its pieces have", false},
		{"odd piece", changed(good, 386+12, "00000007777"), "that is no number of blocks", false},
		{"real size", changed(good, 483, "00000001000"), "an entry beyond the file's end", false},
		{"more in the map", at(good, 512+504, "\x02"), "whether more follows", false},
		{"behind the map", at(good, 512+510, "x"), "bytes that are not 0 behind it", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, all := opened(t, c.b)
			if (d != nil) != c.readable || !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("readable %v: %s", d != nil, all)
			}
		})
	}
}

// A map of millions of pieces takes a few bytes each.
func TestManyPieces(t *testing.T) {
	s := &sparseMap{}
	const count, gap = 1 << 20, 64 << 10
	for k := range int64(count) {
		s.add(2*k*gap, gap)
	}
	if got := len(s.enc) + 24*len(s.marks); got > 5*count {
		t.Errorf("%d pieces take %d bytes", count, got)
	}
	for _, k := range []int64{0, 1, 63, 64, 65, count / 2, count - 1} {
		for p := range s.from(2*k*gap + 5) {
			if p != (piece{2 * k * gap, gap, k * gap}) {
				t.Errorf("piece %d: %+v", k, p)
			}
			break
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]int64{
		"0000644\x00": 0o644, "00000001000 ": 512, "12345670": 0o12345670, "\x80\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00": 8 << 30,
		"        ": -1, "\x00\x00": -1, " 12\x00": -1, "19\x00": -1, "1\x002\x00": -1, "\xff\xff\xff\xff": -1, "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff": -1,
	} {
		if got, err := number([]byte(s)); err != nil && want >= 0 || err == nil && got != want {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}

// FuzzOpen checks that no archive crashes, hangs or balloons the check, that the disk
// keeps its promises, and that an archive in which nothing is wrong is what the standard
// library takes it for.
func FuzzOpen(f *testing.F) {
	disk, used := build.Disk(1, 40<<10, 512)
	f.Add(build.TarSparse(disk, used, 512).Bytes)
	f.Add(build.TarSparse(disk[:3000], used[:1], 512).Bytes)
	f.Add(build.Tar(disk[:5000]).Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		ps := &decoder.Problems{}
		d, _, err := Open(context.Background(), raw(b), ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
		if d == nil || ps.Count(decoder.Fail) > 0 || d.Size() > 16<<20 {
			return
		}
		got := make([]byte, d.Size())
		if n, err := d.ReadAt(got, 0); n < len(got) {
			t.Fatal(n, err)
		}
		r := stdtar.NewReader(bytes.NewReader(b))
		for {
			h, err := r.Next()
			if err != nil {
				return
			}
			if h.Name == DiskName {
				break
			}
		}
		if want, err := io.ReadAll(io.LimitReader(r, 32<<20)); err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, and %d of the standard library", len(got), len(want))
		}
	})
}
