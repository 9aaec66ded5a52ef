//go:build integration

package verify

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/verify/internal/build"
	"migimg/verify/tool"
)

// The images of the unit tests are what QEMU and 7-Zip take them for, too.
func TestBuiltImages(t *testing.T) {
	need.Tool(t, "qemu-img", "7z")
	q, err := tool.FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range formats {
		if f.format != VHDX && f.format != VDI {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			// 7-Zip refuses a VHDX with an odd number of sectors.
			disk, used := build.Disk(13, f.size()+2*max(512, f.sector), f.unit)
			raw, path := filepath.Join(t.TempDir(), "disk.raw"), filepath.Join(t.TempDir(), "disk."+f.format)
			for name, b := range map[string][]byte{raw: disk, path: f.make(disk, used).Bytes} {
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			if err := tool.Extract7z(t.Context(), f.format, path, &out); err != nil || !bytes.Equal(out.Bytes(), disk) {
				t.Errorf("7z: %d bytes, %v", out.Len(), err)
			}
			if f.sector > 512 {
				return // QEMU does not open a VHDX with such logical sectors
			}
			if same, detail, err := q.Compare(t.Context(), "raw", raw, f.format, path); err != nil || !same {
				t.Errorf("%s %v", detail, err)
			}
			if r, err := q.Check(t.Context(), f.format, path); err != nil || r.Corruptions+r.Errors+r.Leaks > 0 {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
}

// Fixed VHDXs end with the disk, not with its last block: odd, but they open.
func TestQemuFixedVHDX(t *testing.T) {
	need.Tool(t, "qemu-img")
	for _, c := range []struct{ size, zero, want string }{
		{"17M", "off", "the last block ends at byte 33554432, the file at 26214400"},
		{"17000448", "off", "the last block ends at byte 33554432, the file at 25389056"},
		{"17M", "on", "a fixed disk whose file has 25 MiB; with every block it would have 28"},
		{"17000448", "on", "the file has 25389056 bytes, which is no number of MiB: qemu-img"},
	} {
		path := filepath.Join(t.TempDir(), "disk.vhdx")
		command(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "subformat=fixed,block_size=8M,block_state_zero="+c.zero, path, c.size)
		r, err := Check(t.Context(), imageOf(path, VHDX, contents(t, path)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !r.OK() || !strings.Contains(table(r), c.want) {
			t.Errorf("%s, %s: %s; want %q", c.size, c.zero, table(r), c.want)
		}
	}
}
