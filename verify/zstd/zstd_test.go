package zstd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

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

func packed(t testing.TB, b []byte, o ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, o...)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// streamed is a frame without a length.
func streamed(t testing.TB, b []byte, o ...zstd.EOption) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, o...)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n := min(len(b), 50000)
		if _, err := w.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// plain is a frame of blocks that are not compressed: raw ones, and one byte many
// times where all are alike.
func plain(b []byte, sum bool) []byte {
	out := []byte(Magic + "\x00\x38")
	if sum {
		out[4] = 4
	}
	for rest := b; ; {
		n := min(len(rest), maxBlock)
		part := rest[:n]
		rest = rest[n:]
		kind, last := blockRaw, 0
		if n > 0 && bytes.Count(part, part[:1]) == n {
			kind, part = blockRLE, part[:1]
		}
		if len(rest) == 0 {
			last = 1
		}
		out = append(binary.LittleEndian.AppendUint32(out, uint32(n<<3|kind<<1|last))[:len(out)+3], part...)
		if last == 1 {
			break
		}
	}
	if sum {
		out = binary.LittleEndian.AppendUint32(out, uint32(xxhash.Sum64(b)))
	}
	return out
}

// mixed is a disk of n bytes with text, random bytes and long zeros.
func mixed(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for off := 0; off < n; {
		part := b[off:min(n, off+1+r.IntN(600<<10))]
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

func TestReads(t *testing.T) {
	disk := mixed(6 << 20)
	pieces := func(pack func([]byte) []byte) (out []byte) {
		for off := 0; off < len(disk); off += 700000 {
			out = append(out, pack(disk[off:min(len(disk), off+700000)])...)
		}
		return out
	}
	ones := bytes.Repeat([]byte{1}, 300000)
	for name, b := range map[string][]byte{
		"one":        packed(t, disk),
		"best":       packed(t, disk, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20)),
		"streamed":   streamed(t, disk),
		"no sum":     packed(t, disk, zstd.WithEncoderCRC(false)),
		"frames":     pieces(func(b []byte) []byte { return packed(t, b, zstd.WithSingleSegment(true)) }),
		"plain":      plain(disk, true),
		"plain ones": plain(disk, false),
		"all":        pieces(func(b []byte) []byte { return [][]byte{plain(b, true), packed(t, b), streamed(t, b)}[int(b[0])%3] }),
	} {
		t.Run(name, func(t *testing.T) {
			d, all := opened(t, b)
			if all != "" || d == nil || d.Size() != int64(len(disk)) {
				t.Fatal(all)
			}
			got := make([]byte, len(disk))
			if n, err := d.ReadAt(got, 0); n != len(got) || !bytes.Equal(got, disk) {
				t.Fatal(n, err)
			}
			r := rand.New(rand.NewPCG(3, 4))
			for range 30 {
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
	if d, all := opened(t, plain(ones, false)); d == nil || all != "" || d.Size() != 300000 {
		t.Error(all)
	}
}

func TestProblems(t *testing.T) {
	disk := mixed(1 << 20)
	good, text := packed(t, disk), packed(t, []byte("hello hello hello"), zstd.WithSingleSegment(true))
	n := len(good)
	with := func(b []byte, at int, v byte) []byte { b = bytes.Clone(b); b[at] = v; return b }
	skip := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, skippable+3), 5)
	skip = append(skip, "hello"...)
	for _, c := range []struct {
		name     string
		b        []byte
		want     string
		readable bool
	}{
		{"good", good, "", true},
		{"plain", plain(disk, true), "", true},
		{"reserved bit", with(good, 4, good[4]|8), "the reserved bit", false},
		{"unused bit", with(good, 4, good[4]|16), "warn zstd: frame header: the unused bit", true},
		{"dictionary", []byte(Magic + "\x01\x38\x07\x01\x00\x00"), "it wants a dictionary", false},
		{"window", []byte(Magic + "\x00\x88\x01\x00\x00"), "warn zstd: a window of 134217728", true},
		{"a window that zstd refuses", []byte(Magic + "\x00\x89\x01\x00\x00"), "fail zstd: a window of 150994944", true},
		{"too large a window", []byte(Magic + "\x00\x88\x0d\x00\x00\x00"), "unknown zstd: the frame's window is too large", false},
		{"checksum", with(good, n-1, good[n-1]^1), "fail zstd: the checksum is", true},
		{"plain checksum", with(plain(disk, true), len(plain(disk, true))-1, 0), "fail zstd: the checksum is", true},
		{"length", with(text, 5, 18), "a frame with 17 bytes, and its header says 18", false},
		{"too long", with(text, 5, 16), "16", false},
		{"reserved block", []byte(Magic + "\x00\x38\x07\x00\x00"), "a block of the reserved kind", false},
		{"large block", []byte(Magic + "\x00\x00\x03\x80\x00"), "a block of 4096 bytes, where 1024", false},
		{"garbage", append(bytes.Clone(good), 0), "fail zstd: 1 bytes after the last frame", true},
		{"more garbage", append(bytes.Clone(good), "garbage"...), "fail zstd: 7 bytes after the last frame", true},
		{"skipped", append(bytes.Clone(good), skip...), "warn zstd: a frame of 5 bytes that is passed over", true},
		{"short skipped", append(bytes.Clone(good), skip[:11]...), "a short copy", false},
		{"short", good[:n-9], "a short copy", false},
		{"short checksum", good[:n-1], "a short copy", false},
		{"empty", nil, "a short copy", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, all := opened(t, c.b)
			if (d != nil) != c.readable || !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("readable %v: %s", d != nil, all)
			}
		})
	}
}

// FuzzOpen checks that no file crashes, hangs or balloons the check, that the disk
// keeps its promises, and that a file in which nothing is wrong is what the other
// decoder makes of it.
func FuzzOpen(f *testing.F) {
	disk, _ := build.Disk(1, 40<<10, 4096)
	f.Add(packed(f, disk))
	f.Add(plain(append(disk, make([]byte, 1<<20)...), true))
	f.Add(append(plain(nil, false), streamed(f, disk)...))
	other, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ps := &decoder.Problems{}
		d, _, err := Open(context.Background(), file(b), ps)
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
		if want, err := other.DecodeAll(b, nil); err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, and %d of the other decoder", len(got), len(want))
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	disk := mixed(64 << 20)
	for name, p := range map[string][]byte{"packed": packed(b, disk), "plain": plain(disk, false), "zeros": plain(make([]byte, 4<<30), false)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d, all := opened(b, p)
				if d == nil {
					b.Fatal(all)
				}
				b.SetBytes(d.Size())
			}
			b.ReportMetric(float64(len(p)), fmt.Sprintf("file-%s", "bytes"))
		})
	}
}
