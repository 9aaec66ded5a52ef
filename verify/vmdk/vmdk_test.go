package vmdk

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
)

// opened opens an image and gives its problems as one text.
func opened(t *testing.T, b []byte, name string) (decoder.Disk, *decoder.Problems, string) {
	t.Helper()
	ps := &decoder.Problems{}
	d, _, err := Open(context.Background(), decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, name, ps)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range ps.List() {
		all = append(all, string(p.Severity)+" "+p.What)
	}
	return d, ps, strings.Join(all, "\n")
}

func TestDescriptor(t *testing.T) {
	disk, used := build.Disk(1, 64<<10, 4096)
	for _, c := range []struct {
		name, from, to string
		want           string // "" is none
	}{
		{"good", "", "", ""},
		{"short CID", "CID=1234abcd", "CID=abc", "fail vmdk: descriptor: longContentID"},
		{"no CID", "CID=1234abcd", "CID=ffffffff", "fail vmdk: descriptor: CID is"},
		{"parent", "parentCID=ffffffff", "parentCID=12345678", "fail vmdk: descriptor: parentCID"},
		{"type", "streamOptimized", "monolithicFlat", "fail vmdk: descriptor: createType"},
		{"sectors", "RW 128", "RW 129", "fail vmdk: descriptor: the extent has 129 sectors"},
		{"access", "RW 128", "RDONLY 128", "fail vmdk: descriptor: extent access"},
		{"folder", `"disk.vmdk"`, `"a/disk.vmdk"`, "holds a folder"},
		{"other name", `"disk.vmdk"`, `"copy.vmdk"`, "warn vmdk: descriptor: the extent is called"},
		{"kind", "SPARSE", "FLAT", "fail vmdk: descriptor: extent type FLAT"},
		{"adapter", "lsilogic", "nvme", "fail vmdk: descriptor: ddb.adapterType"},
		{"not ASCII", "lsilogic", "lsilögic", "is not ASCII"},
		{"no version", "version=1\n", "", "version is missing"},
		{"twice", "version=1\n", "version=1\nversion=1\n", "given twice"},
		{"nonsense", "version=1\n", "version=1\nhello\n", `line "hello"`},
		{"parent's name", "version=1\n", "version=1\nparentFileNameHint=\"x\"\n", "names a parent"},
		{"two extents", "RW 128", "RW 128 SPARSE \"disk.vmdk\"\nRW 128", "2 extents"},
		{"unknown key", "version=1\n", "version=1\nfoo=1\n", "warn vmdk: descriptor: unknown key"},
		{"first line", "# Disk DescriptorFile", "# disk descriptorFile", "the first line is"},
		{"DOS lines", "version=1\n", "version=1\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := build.VMDKStream(disk, used, 4096, "disk.vmdk").Bytes
			text := im[512 : 512+2048]
			s := strings.TrimRight(string(text), "\x00")
			if !strings.Contains(s, c.from) {
				t.Fatalf("%q is not in the descriptor", c.from)
			}
			clear(text)
			copy(text, strings.Replace(s, c.from, c.to, 1))
			d, ps, all := opened(t, im, "disk.vmdk")
			if d == nil || !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("%d problems: %s", ps.Count(decoder.Fail), all)
			}
		})
	}
}

// A program that writes a shorter descriptor over its own earlier one leaves
// that one's last bytes behind the end: qemu-img does, when its second CID has
// fewer digits than its first. They are no fault; any other byte there is.
func TestDescriptorEnd(t *testing.T) {
	disk, used := build.Disk(1, 64<<10, 4096)
	for _, c := range []struct{ name, left, want string }{
		{"a line's end", "\n", ""},
		{"a value's end", "\"\n", ""},
		{"after more zeros", "\x00\x00\n", "bytes after its end"},
		{"another byte", "\x0b", "bytes after its end"},
		{"and one more", "\n\x01", "bytes after its end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := build.VMDKStream(disk, used, 4096, "disk.vmdk").Bytes
			copy(im[512+1+bytes.IndexByte(im[512:], 0):], c.left)
			if d, _, all := opened(t, im, "disk.vmdk"); d == nil || !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Error(all)
			}
		})
	}
}

func TestStreamEnds(t *testing.T) {
	disk, used := build.Disk(2, 64<<10, 4096)
	good := build.VMDKStream(disk, used, 4096, "disk.vmdk").Bytes
	qemu := bytes.Clone(good)
	qemu[8] |= 2 // the redundant directory's flag marks qemu-img's dialect
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"no marker", good[:len(good)-512], "fail vmdk: no end-of-stream marker: the file has"},
		{"qemu's: no marker", qemu[:len(qemu)-512], "warn vmdk: no end-of-stream marker, as qemu-img"},
		{"qemu's: zeros", append(bytes.Clone(qemu), make([]byte, 1024)...), "warn vmdk: 1536 bytes of zeros"},
		{"qemu's: bytes", append(bytes.Clone(qemu), 1), "fail vmdk: 1 bytes after"},
		{"zeros", append(bytes.Clone(good), make([]byte, 1024)...), "fail vmdk: 1024 bytes after the end-of-stream marker"},
		{"in the last grain", good[:len(good)-1024], "fail vmdk: the file has"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, all := opened(t, c.b, ""); !strings.Contains(all, c.want) {
				t.Error(all)
			}
		})
	}
}

// Grains that say something else than their tables are found when they are
// read.
func TestGrains(t *testing.T) {
	disk, used := build.Disk(3, 64<<10, 4096)
	im := build.VMDKStream(disk, used, 4096, "disk.vmdk").Bytes
	d, _, _ := opened(t, im, "")
	first := int64(used[0]) * 4096
	at := d.Locate(first)
	for _, c := range []struct {
		name   string
		change func(g []byte)
		want   string
	}{
		{"another grain's marker", func(g []byte) { g[0]++ }, "the marker is that of sector"},
		{"size", func(g []byte) { g[9] += 4 }, "the grain ends at"},
		{"no size", func(g []byte) { clear(g[8:12]) }, "0 compressed bytes"},
		{"zlib header", func(g []byte) { g[12] = 0 }, "zlib: invalid header"},
		{"data", func(g []byte) { g[100]++ }, "zlib: invalid checksum"},
		{"padding", func(g []byte) { g[4608-1]++ }, "bytes after the compressed grain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(im)
			c.change(b[at:])
			d, _, _ := opened(t, b, "")
			p := make([]byte, 4096)
			_, err := d.ReadAt(p, first)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if _, err := d.ReadAt(p, int64(used[1])*4096); err != nil {
				t.Errorf("the next grain: %v", err)
			}
		})
	}
}
