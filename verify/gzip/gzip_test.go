package gzip

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
	"migimg/verify/internal/decodertest"
)

func file(b []byte) decoder.File { return decoder.File{R: bytes.NewReader(b), Size: int64(len(b))} }

// opened opens a file and gives its problems as one text.
func opened(t testing.TB, b []byte) (decoder.Disk, string) {
	t.Helper()
	ps := &decoder.Problems{}
	d, _, err := Open(context.Background(), file(b), ps)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range ps.List() {
		all = append(all, string(p.Severity)+" "+p.What)
	}
	return d, strings.Join(all, "\n")
}

// packed is one member as the standard library writes it; flush is after how many
// bytes it ends a block with a byte, 0 for never.
func packed(t testing.TB, b []byte, level, flush int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n := len(b)
		if flush > 0 {
			n = min(n, flush)
		}
		if _, err := w.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		if b = b[n:]; flush > 0 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// mixed is a disk of n bytes with text, random bytes and long zeros.
func mixed(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for off := 0; off < n; {
		part := b[off:min(n, off+1+r.IntN(300<<10))]
		switch r.IntN(3) {
		case 0:
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		case 1:
			for i := range part {
				part[i] = "the quick brown fox "[(i*i/7+r.IntN(2))%20]
			}
		}
		off += len(part)
	}
	return b
}

// All levels, with and without flushes, are unpacked as they were, from anywhere.
func TestReads(t *testing.T) {
	disk := mixed(4 << 20)
	for _, level := range []int{0, 1, 6, stdgzip.HuffmanOnly} {
		for _, flush := range []int{0, 64 << 10} {
			t.Run(fmt.Sprintf("%d/%d", level, flush), func(t *testing.T) {
				d, all := opened(t, packed(t, disk, level, flush))
				if all != "" || d == nil || d.Size() != int64(len(disk)) {
					t.Fatal(all)
				}
				got := make([]byte, len(disk))
				if n, err := d.ReadAt(got, 0); n != len(got) || !bytes.Equal(got, disk) {
					t.Fatal(n, err)
				}
				r := rand.New(rand.NewPCG(3, 4))
				for range 40 {
					off, n := r.IntN(len(disk)), 1+r.IntN(200000)
					p := make([]byte, n)
					k, err := d.ReadAt(p, int64(off))
					want := disk[off:min(len(disk), off+n)]
					if k != len(want) || !bytes.Equal(p[:k], want) || (err == io.EOF) != (k < n) {
						t.Fatalf("%d bytes at %d: %d, %v", n, off, k, err)
					}
				}
			})
		}
	}
}

// A TiB of zeros in clusters that are packed each by itself takes seconds, and its
// checksum is that of zeros.
func TestZeros(t *testing.T) {
	const cluster, count = 64 << 10, 20000
	var unit bytes.Buffer
	w, _ := flate.NewWriter(&unit, 6)
	_, _ = w.Write(make([]byte, cluster)) // a buffer never fails
	_ = w.Flush()
	data := []byte("something in the middle of it")
	crc := uint32(0)
	b := []byte(Magic + "\x00\x00\x00\x00\x00\x00\xff")
	zeros := make([]byte, cluster)
	for i := range count {
		b = append(b, unit.Bytes()...)
		crc = crc32.Update(crc, crc32.IEEETable, zeros)
		if i == count/2 {
			b = append(append(b, 0, byte(len(data)), 0, ^byte(len(data)), 0xff), data...)
			crc = crc32.Update(crc, crc32.IEEETable, data)
		}
	}
	size := uint32(cluster*count + len(data))
	b = append(b, 1, 0, 0, 0xff, 0xff, byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24), byte(size), byte(size>>8), byte(size>>16), byte(size>>24))
	d, all := opened(t, b)
	if all != "" || d.Size() != cluster*count+int64(len(data)) {
		t.Fatal(all)
	}
	p := make([]byte, len(data))
	at := int64(cluster) * (count/2 + 1)
	if _, err := d.ReadAt(p, at); err != nil || !bytes.Equal(p, data) {
		t.Errorf("%q %v", p, err)
	}
	if n, data := d.Allocated(0); data || n != at {
		t.Errorf("%d bytes alike at the front, data: %v", n, data)
	}
}

func TestProblems(t *testing.T) {
	disk := mixed(300 << 10)
	good := packed(t, disk, 6, 0)
	n := len(good)
	with := func(at int, v byte) []byte { b := bytes.Clone(good); b[at] = v; return b }
	for _, c := range []struct {
		name     string
		b        []byte
		want     string
		readable bool
	}{
		{"good", good, "", true},
		{"method", with(2, 7), "fail gzip: after 0 unpacked bytes: gzip: header: begins with", false},
		{"reserved flags", with(3, 0x20), "reserved flags 0x20", false},
		{"text", with(3, 1), "warn gzip: header: what it holds is said to be text", true},
		{"effort", with(8, 5), "warn gzip: header: the extra flags", true},
		{"system", with(9, 99), "warn gzip: header: the operating system", true},
		{"checksum", with(n-5, good[n-5]^1), "fail gzip: the CRC-32 is", true},
		{"length", with(n-1, good[n-1]^1), "fail gzip: the length is", true},
		{"reserved block", with(10, 7), "a block of the reserved kind", false},
		{"garbage", append(bytes.Clone(good), 0), "fail gzip: 1 bytes after the last member", true},
		{"two members", append(bytes.Clone(good), good...), "warn gzip: 2 members", true},
		{"a half member", append(bytes.Clone(good), good[:n/2]...), "the file ends in the middle of it", false},
		{"short", good[:n-9], "the file ends in the middle of it", false},
		{"short trailer", good[:n-3], "a short copy", false},
		{"empty", nil, "the file ends in the middle of it", false},
		{"header's checksum", append(append([]byte{0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 3}, 0, 0), good[10:]...), "fail gzip: header: the checksum", true},
		{"name without end", append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3}, bytes.Repeat([]byte{'x'}, 70000)...), "the name does not end", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, all := opened(t, c.b)
			if (d != nil) != c.readable || !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("readable %v: %s", d != nil, all)
			}
		})
	}
}

// FuzzInflate: what the standard library unpacks is unpacked to the same, and what it
// refuses is refused.
func FuzzInflate(f *testing.F) {
	for _, level := range []int{0, 1, 9, stdgzip.HuffmanOnly} {
		f.Add(packed(f, mixed(20<<10), level, 5000)[10:])
	}
	f.Add([]byte{3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		const most = 4 << 20
		r := bytes.NewReader(b)
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(r), most))
		z := inflater{in: newInput(file(b), 0)}
		z.reset(nil)
		var got []byte
		var gotErr error
		for done := false; !done && gotErr == nil && len(got) < most; {
			var p []byte
			p, done, gotErr = z.next()
			got = append(got, p...)
		}
		if gotErr == nil {
			got = got[:min(len(got), most)]
		}
		if len(want) == most || len(got) >= most {
			return
		}
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v; the standard library: %d, %v", len(got), gotErr, len(want), wantErr)
		}
	})
}

// FuzzOpen checks that no file crashes, hangs or balloons the check, and that the disk
// keeps its promises.
func FuzzOpen(f *testing.F) {
	disk, _ := build.Disk(1, 40<<10, 4096)
	f.Add(packed(f, disk, 6, 4096))
	f.Add(append(packed(f, make([]byte, 1<<20), 9, 64<<10), packed(f, disk, 0, 0)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		ps := &decoder.Problems{}
		d, _, err := Open(context.Background(), file(b), ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
	})
}

func BenchmarkOpen(b *testing.B) {
	for name, disk := range map[string][]byte{"mixed": mixed(64 << 20), "zeros": make([]byte, 256<<20)} {
		b.Run(name, func(b *testing.B) {
			p := packed(b, disk, 6, 0)
			b.SetBytes(int64(len(disk)))
			for b.Loop() {
				if d, all := opened(b, p); d == nil {
					b.Fatal(all)
				}
			}
		})
		b.Run(name+"/standard library", func(b *testing.B) {
			p := packed(b, disk, 6, 0)
			b.SetBytes(int64(len(disk)))
			for b.Loop() {
				r, err := stdgzip.NewReader(bytes.NewReader(p))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
