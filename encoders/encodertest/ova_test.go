//go:build integration

package encodertest_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
	"migimg/encoders/ova"
	"migimg/internal/need"
)

// TestOVA takes archives apart with GNU tar, checks what is in them with sha256sum,
// QEMU and Python's reader of XML, stored and packed.
func TestOVA(t *testing.T) {
	need.Tool(t, "qemu-img", "tar", "sha256sum", "python3")
	enc := ova.Encoder{}
	for i, c := range encodertest.PackedCases(ova.Encoder{}) {
		t.Run(c.Name, func(t *testing.T) {
			firmware := []string{"bios", "efi"}[i%2]
			c.Options.Firmware = []string{encoders.BIOS, encoders.UEFI}[i%2]
			outs, err := enc.Plan(c.Disk(t), c.Options)
			if err != nil {
				t.Log(err) // TestLimits of vmdk says which ones
				return
			}
			outs = append(outs, encodertest.Packed(t, enc, c, encodertest.Methods()[0])...)
			for _, o := range outs {
				dir := t.TempDir()
				file, raw := filepath.Join(dir, o.Path), filepath.Join(dir, "want.raw")
				write(t, file, layout.NewReader(o.Layout, c.View(t)), o.Layout)
				extract(t, file)
				run(t, "sh", "-c", `cd "$0" && sha256sum --strict --quiet -c disk.mf`, dir)
				run(t, "python3", "testdata/ovf.py", filepath.Join(dir, "disk.ovf"), strconv.FormatInt(o.VirtualSize, 10), firmware)
				writeWant(t, raw, c, o.VirtualSize)
				o.Format = "vmdk"
				qemu(t, o, filepath.Join(dir, "disk.vmdk"), raw, true, true)
			}
		})
	}
}

// extract lists an archive, and takes it apart beside it.
func extract(t *testing.T, file string) {
	t.Helper()
	if list := run(t, "tar", "-tf", file); list != "disk.ovf\ndisk.vmdk\ndisk.mf\n" {
		t.Errorf("the members are\n%s", list)
	}
	run(t, "tar", "-xf", file, "-C", filepath.Dir(file))
}

// TestLargeOVA: GNU tar finds the members behind a VMDK of more than 8 GiB, and says
// how long it is. The file has a hole where the disk's data are.
func TestLargeOVA(t *testing.T) {
	need.Tool(t, "tar")
	c := encodertest.Case{Name: "large", Size: 9 << 30, Cluster: 64 << 10, Carried: []blockmap.Range{{Off: 0, Len: 9 << 30}}}
	outs, err := ova.Encoder{}.Plan(c.Disk(t), c.Options)
	if err != nil {
		t.Fatal(err)
	}
	l := outs[0].Layout
	file := filepath.Join(t.TempDir(), "disk.ova")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := layout.NewReader(l, c.View(t))
	for _, s := range l.Segments() {
		if s.Length > 64<<20 || s.Kind == layout.Sum.String() {
			continue // the grains; the sum, which would read all of them
		}
		if _, err := io.Copy(io.NewOffsetWriter(f, s.Offset), io.NewSectionReader(r, s.Offset, s.Length)); err != nil {
			t.Fatal(err)
		}
	}
	at := map[string]int64{}
	for _, s := range l.Segments() {
		at[s.Name] = s.Offset
	}
	size := at["tar header of disk.mf"] - at["tar header of disk.vmdk"] - 512
	list := strings.Split(run(t, "tar", "-tvf", file), "\n")
	if len(list) != 4 || !strings.HasSuffix(list[0], " disk.ovf") || !strings.HasSuffix(list[2], " disk.mf") ||
		!strings.Contains(list[1], fmt.Sprintf(" root/root %d ", size)) || size < 9<<30 {
		t.Errorf("the VMDK has %d bytes; the members are\n%s", size, strings.Join(list, "\n"))
	}
}
