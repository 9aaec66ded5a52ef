//go:build integration

package verify

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/verify/decoder"
	"migimg/verify/tool"
)

// realImages are images as qemu-img makes them. warnings is how many there are
// of qemu's dialect.
var realImages = []struct {
	name, format, options string
	warnings              int
}{
	{"qcow2", QCOW2, "", 0},
	{"qcow2-v2", QCOW2, "compat=0.10", 0},
	{"qcow2-4k", QCOW2, "cluster_size=4k", 0},
	{"qcow2-512-refcount64", QCOW2, "cluster_size=512,refcount_bits=64", 0},
	{"qcow2-packed-zlib", QCOW2, "compression_type=zlib", 0},
	{"qcow2-packed-zstd", QCOW2, "compression_type=zstd", 0},
	{"qcow2-packed-zstd-4k", QCOW2, "compression_type=zstd,cluster_size=4k", 0},
	{"qcow2-2M-refcount1", QCOW2, "cluster_size=2M,refcount_bits=1", 0},
	{"vhd-dynamic", VHD, "subformat=dynamic,force_size=on", 0},
	{"vhd-fixed", VHD, "subformat=fixed,force_size=on", 0},
	{"vmdk-stream", VMDK, "subformat=streamOptimized", 2},
	{"vmdk-sparse", VMDK, "subformat=monolithicSparse", 0},
	// The regions of a VHDX are not marked as required.
	{"vhdx-1M", VHDX, "block_size=1M", 1},
	{"vhdx-8M", VHDX, "block_size=8M", 1},
	{"vhdx-state0", VHDX, "block_size=1M,block_state_zero=off", 2}, // and holes are undefined
	{"vhdx-fixed", VHDX, "subformat=fixed,block_size=1M", 1},
	{"vhdx-fixed-8M", VHDX, "subformat=fixed,block_size=8M,block_state_zero=off", 1},
	{"vdi", VDI, "", 0},
	{"vdi-static", VDI, "static=on", 0},
	{"raw", Raw, "", 0},
}

// diskFile makes a raw disk with a GPT, an ext4 filesystem and random data of
// odd lengths: a disk that real tools partitioned and formatted.
func diskFile(t *testing.T) string {
	t.Helper()
	need.Tool(t, "qemu-img", "sgdisk", "mkfs.ext4")
	path := filepath.Join(t.TempDir(), "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(16 << 20); err != nil {
		t.Fatal(err)
	}
	command(t, "sgdisk", "-n1:2048:+6M", "-n2:0:0", path)
	command(t, "mkfs.ext4", "-q", "-E", "offset=1048576", path, "6M")
	r := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		b := make([]byte, 512*(1+r.IntN(100)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if _, err := f.WriteAt(b, 8<<20+512*r.Int64N(15000)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// used are the sectors of a disk that are not zeros.
func used(b []byte) (out []Range) {
	for off := 0; off < len(b); off += 512 {
		if allZero(b[off : off+512]) {
			continue
		}
		if k := len(out) - 1; k >= 0 && out[k].End() == int64(off) {
			out[k].Len += 512
		} else {
			out = append(out, Range{int64(off), 512})
		}
	}
	return out
}

func sourceOf(b []byte) *Source {
	rs := used(b)
	return &Source{R: bytes.NewReader(b), Size: int64(len(b)), Carried: func(yield func(Range) bool) {
		for _, r := range rs {
			if !yield(r) {
				return
			}
		}
	}}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// convert makes the i-th of realImages.
func convert(t *testing.T, disk string, i int) string {
	t.Helper()
	q, err := tool.FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	c := realImages[i]
	path := filepath.Join(t.TempDir(), "disk."+c.format)
	if strings.Contains(c.name, "-packed-") {
		command(t, "qemu-img", "convert", "-c", "-f", "raw", "-O", c.format, "-o", c.options, disk, path)
		return path
	}
	if err := q.Convert(t.Context(), "raw", disk, c.format, path, c.options); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestQemuImages(t *testing.T) {
	disk := diskFile(t)
	raw := contents(t, disk)
	src := sourceOf(raw)
	for i, c := range realImages {
		t.Run(c.name, func(t *testing.T) {
			path := convert(t, disk, i)
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			im := Image{Name: path, R: f, Size: st.Size(), Path: path}
			r, err := Check(t.Context(), im, Options{Source: src, Tools: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Format != c.format || !r.OK() || problems(r) != c.warnings || r.Compared == 0 {
				t.Error(table(r))
			}
			if r.Aspects[2].Summary != "gpt, 2 partitions, the source's" {
				t.Error(table(r))
			}
			if a := r.Aspects[3]; a.Name != QemuImgCheck || (a.Status == Pass) == (c.format == Raw || c.format == VHD) {
				t.Error(table(r))
			}
			t.Logf("%s", table(r))
		})
	}
}

// Bits of real images are flipped at random places. Verify finds each flip, or
// qemu-img says that the image still holds the same disk: the byte was slack.
func TestFlipsInQemuImages(t *testing.T) {
	disk := diskFile(t)
	src := sourceOf(contents(t, disk))
	q, err := tool.FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range realImages {
		if c.format == Raw {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			path := convert(t, disk, i)
			good := contents(t, path)
			before, err := Check(t.Context(), imageOf(path, c.format, good), Options{Source: src})
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(2, uint64(i)))
			found, slack := 0, 0
			meta := metadata(good, c.format)
			for k := range 200 {
				off := r.IntN(len(good))
				if k%2 == 0 {
					off = meta[r.IntN(len(meta))]
				}
				b := bytes.Clone(good)
				b[off] ^= 1 << r.IntN(8)
				rep, err := Check(t.Context(), imageOf(path, c.format, b), Options{Source: src})
				if err != nil {
					t.Fatal(err)
				}
				if !rep.OK() || problems(rep) > problems(before) {
					found++
					continue
				}
				slack++
				if slack > 10 && slack%10 != 0 {
					continue // starting qemu-img takes longer than all the rest
				}
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				if same, detail, err := q.Compare(t.Context(), "raw", disk, c.format, path); err != nil || !same {
					t.Errorf("byte %d: %#02x instead of %#02x was not found, but qemu-img: %s %v", off, b[off], good[off], detail, err)
				}
			}
			t.Logf("%d found, %d in slack", found, slack)
		})
	}
}

// metadata are the offsets where an image has most of it. That of a VHDX is thinly
// spread over MiBs: there it is those of bytes that are not 0.
func metadata(b []byte, format string) (out []int) {
	end := 128 << 10
	if format == VHDX {
		end = 4 << 20
	}
	for off := range min(end, len(b)) {
		if format != VHDX || b[off] != 0 {
			out = append(out, off)
		}
	}
	return out
}

func imageOf(path, format string, b []byte) Image {
	return Image{Name: path, Format: format, R: bytes.NewReader(b), Size: int64(len(b))}
}

func problems(r *Report) (n int) {
	for _, a := range r.Aspects {
		n += len(a.Problems)
	}
	return n
}

// Copies of real images that end too early, at 50 lengths, are found; those of
// qemu-img's stream-optimized VMDK up to the zeros that it leaves at the end.
func TestShortCopies(t *testing.T) {
	disk := diskFile(t)
	src := sourceOf(contents(t, disk))
	for i, c := range realImages {
		t.Run(c.name, func(t *testing.T) {
			path := convert(t, disk, i)
			good := contents(t, path)
			last := len(good)
			if c.name == "vmdk-stream" {
				last = len(bytes.TrimRight(good, "\x00"))
			}
			r := rand.New(rand.NewPCG(3, uint64(i)))
			for k := range 50 {
				n := r.IntN(last)
				switch {
				case k < 10:
					n = last - 1 - k
				case k < 20:
					n = (last - 1) / 512 * 512 / (k - 9)
				}
				rep, err := Check(t.Context(), imageOf(path, c.format, good[:n]), Options{Source: src})
				if err != nil {
					t.Fatal(err)
				}
				if rep.Verdict != Fail {
					t.Errorf("%d of %d bytes: %s", n, len(good), table(rep))
				}
			}
		})
	}
}

// Compressed clusters share clusters of the file, whose refcounts then are the
// number of parts in them.
func TestCompressedQCOW2(t *testing.T) {
	disk := diskFile(t)
	src := sourceOf(contents(t, disk))
	for _, size := range []string{"4k", "64k", "2M"} {
		path := filepath.Join(t.TempDir(), "disk.qcow2")
		command(t, "qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", "cluster_size="+size, disk, path)
		good := contents(t, path)
		r, err := Check(t.Context(), imageOf(path, QCOW2, good), Options{Source: src})
		if err != nil {
			t.Fatal(err)
		}
		if !clean(r) {
			t.Errorf("%s: %s", size, table(r))
		}
		if r, err = Check(t.Context(), imageOf(path, QCOW2, good[:len(good)-512]), Options{Source: src}); err != nil || r.Verdict != Fail {
			t.Errorf("%s, short: %v %s", size, err, table(r))
		}
	}
}

// Other people's readers give the same bytes as the decoders here.
func TestOtherReaders(t *testing.T) {
	disk := diskFile(t)
	need.Tool(t, "7z")
	raw := contents(t, disk)
	for i, c := range realImages {
		if c.format == Raw || c.name == "vmdk-stream" || strings.Contains(c.name, "zstd") {
			continue // 7-Zip wants the end-of-stream marker, and has no zstd
		}
		t.Run(c.name, func(t *testing.T) {
			path := convert(t, disk, i)
			b := contents(t, path)
			d, _, err := open(context.Background(), Image{Name: path}, file(b), c.format, nil)
			if err != nil || d == nil {
				t.Fatal(err)
			}
			got := make([]byte, d.Size())
			if n, err := d.ReadAt(got, 0); n != len(got) {
				t.Fatal(err)
			}
			if !bytes.Equal(got, raw) {
				t.Error("decoded disk differs from the raw one")
			}
			var out bytes.Buffer
			if err := tool.Extract7z(t.Context(), c.format, path, &out); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), raw) {
				t.Errorf("7z gives %d bytes, which differ", out.Len())
			}
		})
	}
}

// Random reads give the same bytes as one sequential read.
func TestRandomReads(t *testing.T) {
	disk := diskFile(t)
	raw := contents(t, disk)
	for i, c := range realImages {
		t.Run(c.name, func(t *testing.T) {
			b := contents(t, convert(t, disk, i))
			d, _, err := open(context.Background(), Image{Name: "disk.vmdk"}, file(b), c.format, nil)
			if err != nil || d == nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(4, uint64(i)))
			for range 300 {
				off, n := r.Int64N(d.Size()), 1+r.IntN(200000)
				p := make([]byte, n)
				k, err := d.ReadAt(p, off)
				want := raw[off:min(int64(len(raw)), off+int64(n))]
				if k != len(want) || !bytes.Equal(p[:k], want) || (err == io.EOF) != (k < n) {
					t.Fatalf("%d bytes at %d: %d, %v", n, off, k, err)
				}
			}
		})
	}
}

func file(b []byte) decoder.File { return decoder.File{R: bytes.NewReader(b), Size: int64(len(b))} }
