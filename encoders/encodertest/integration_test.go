//go:build integration

package encodertest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/all"
	"migimg/encoders/compress"
	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
	"migimg/internal/need"
)

// formats say how other programs open what we write.
var formats = map[string]struct {
	sevenZip string   // 7z's name of the format
	mount    []string // libyal's FUSE reader
	mounted  string   // the file in its mount
	check    bool     // qemu-img check knows the format
	unit     int64    // 7z reads disks of a multiple of it; 0 is any
	fixed    bool     // QEMU does not recognise it: nothing is at its beginning
}{
	"raw":   {},
	"qcow2": {sevenZip: "QCOW", mount: []string{"qcowmount", "-X", "allow_root"}, mounted: "qcow1", check: true},
	"vhd":   {sevenZip: "VHD", mount: []string{"vhdimount", "-X", "allow_root"}, mounted: "vhdi1"},
	// 7-Zip wants a marker before each table of a VMDK, which VMware's own writer
	// does not make.
	"vmdk": {mount: []string{"vmdkmount", "-X", "allow_root"}, mounted: "vmdk1", check: true},

	"vhd-fixed":   {sevenZip: "VHD", mount: []string{"vhdimount", "-X", "allow_root"}, mounted: "vhdi1", fixed: true},
	"vmdk-sparse": {sevenZip: "VMDK", mount: []string{"vmdkmount", "-X", "allow_root"}, mounted: "vmdk1", check: true},
	// vmdkmount refuses the flat kinds, also those that qemu-img makes.
	"vmdk-flat-hosted": {sevenZip: "VMDK"},
	"vmdk-flat":        {sevenZip: "VMDK"},
	// 7-Zip refuses a VHDX, also one that qemu-img makes, whose disk is no number of
	// 4096 bytes.
	"vhdx": {sevenZip: "VHDX", unit: 4096, check: true},
	"vdi":  {sevenZip: "VDI", check: true},
}

// streamed bounds the disks that are read from end to end, in bytes; larger
// ones are read around what they carry.
const streamed = 256 << 20

// TestReaders writes the images of all small disks and lets QEMU and two other
// readers, which share no code, say what disk is in them.
func TestReaders(t *testing.T) {
	need.Tool(t, "qemu-img")
	for _, enc := range all.Formats() {
		if _, ok := formats[enc.Name()]; !ok {
			continue // a stream: TestUnpackers
		}
		for _, c := range encodertest.Small() {
			t.Run(enc.Name()+"/"+c.Name, func(t *testing.T) {
				outs, err := enc.Plan(c.Disk(t), c.Options)
				if err != nil {
					t.Log(err) // TestLimits of the format says which ones
					return
				}
				dir := t.TempDir()
				for _, o := range outs {
					write(t, filepath.Join(dir, o.Path), layout.NewReader(o.Layout, c.View(t)), o.Layout)
				}
				raw := filepath.Join(dir, "want.raw")
				writeWant(t, raw, c, outs[0].VirtualSize)
				image := filepath.Join(dir, outs[0].Path)
				qemu(t, outs[0], image, raw, formats[enc.Name()].check, !formats[enc.Name()].fixed)
				if enc.Name() == "vmdk" && c.Size <= streamed {
					vmware(t, image, raw)
				}
				f := formats[enc.Name()]
				if f.sevenZip != "" && c.Size > 0 && c.Size <= streamed && c.Size%max(1, f.unit) == 0 {
					t.Run("7z", func(t *testing.T) { sevenZip(t, f.sevenZip, image, raw) })
				}
				if f.mount != nil && c.Size > 0 {
					t.Run(f.mount[0], func(t *testing.T) { libyal(t, f.mount, f.mounted, image, c, outs[0].VirtualSize) })
				}
			})
		}
	}
}

// TestLargeReaders is TestReaders with a disk of nearly 2040 GiB, which is more
// than 32 bits of sectors hold in signed numbers, and about as much as a VHD
// takes. It is read where it carries something.
func TestLargeReaders(t *testing.T) {
	need.Tool(t, "qemu-img")
	c := encodertest.Case{Name: "large", Size: 2040<<30 - 9*512, Cluster: 64 << 10, Carried: []blockmap.Range{
		{Off: 0, Len: 1 << 20},
		{Off: 1<<40 - 512, Len: 1024},
		{Off: 2039<<30 + 3<<20, Len: 5 << 20},
		{Off: 2040<<30 - 12*512, Len: 3 * 512},
	}}
	for _, enc := range all.Formats() {
		f := formats[enc.Name()]
		if f.mount == nil && f.sevenZip == "" {
			continue
		}
		t.Run(enc.Name(), func(t *testing.T) {
			outs, err := enc.Plan(c.Disk(t), c.Options)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, o := range outs {
				write(t, filepath.Join(dir, o.Path), layout.NewReader(o.Layout, c.View(t)), o.Layout)
			}
			image := filepath.Join(dir, outs[0].Path)
			info := run(t, "qemu-img", "info", "--output=json", "-f", outs[0].Format, image)
			if !strings.Contains(info, `"virtual-size": `+strconv.FormatInt(outs[0].VirtualSize, 10)+",") {
				t.Errorf("the virtual size is not %d:\n%s", outs[0].VirtualSize, info)
			}
			if f.check {
				run(t, "qemu-img", "check", "-f", outs[0].Format, image)
			}
			for _, r := range c.Carried {
				raw := filepath.Join(t.TempDir(), "piece.raw")
				run(t, "qemu-img", "convert", "-O", "raw", "--image-opts", fmt.Sprintf(
					"driver=raw,offset=%d,size=%d,file.driver=%s,file.file.driver=file,file.file.filename=%s", r.Off, r.Len, outs[0].Format, image), raw)
				got, err := os.ReadFile(raw)
				if err != nil {
					t.Fatal(err)
				}
				want := make([]byte, r.Len)
				if c.Want(want, r.Off); !bytes.Equal(got, want) {
					t.Errorf("QEMU reads %d bytes at %d, other ones than the %d of the disk", len(got), r.Off, r.Len)
				}
			}
			if f.mount != nil {
				t.Run(f.mount[0], func(t *testing.T) { libyal(t, f.mount, f.mounted, image, c, outs[0].VirtualSize) })
			}
		})
	}
}

// TestPackedReaders is TestReaders for compressed images.
func TestPackedReaders(t *testing.T) {
	need.Tool(t, "qemu-img", "7z")
	for _, enc := range all.Formats() {
		_, image := formats[enc.Name()]
		enc, ok := enc.(encoders.Compressor)
		if !ok || !image {
			continue
		}
		for _, m := range encodertest.Methods() {
			for _, c := range encodertest.PackedCases(enc) {
				t.Run(enc.Name()+"/"+m.Name+"/"+c.Name, func(t *testing.T) {
					outs := encodertest.Packed(t, enc, c, m)
					if len(outs) == 0 {
						return
					}
					dir := t.TempDir()
					for _, o := range outs {
						write(t, filepath.Join(dir, o.Path), layout.NewReader(o.Layout, c.View(t)), o.Layout)
					}
					raw := filepath.Join(dir, "want.raw")
					writeWant(t, raw, c, outs[0].VirtualSize)
					image := filepath.Join(dir, outs[0].Path)
					f := formats[enc.Name()]
					qemu(t, outs[0], image, raw, f.check, true)
					if c.Size > 0 && f.sevenZip != "" && m.Name == compress.Zlib { // 7-Zip knows no other
						sevenZip(t, f.sevenZip, image, raw)
					}
					if c.Size > 0 && enc.Name() == "vmdk" {
						vmware(t, image, raw)
						libyal(t, f.mount, f.mounted, image, c, outs[0].VirtualSize)
					}
				})
			}
		}
	}
}

// unpackers are the programs that unpack streams, by format.
var unpackers = map[string][]string{
	"raw.gz":  {"gzip", "-dc"},
	"raw.zst": {"zstd", "-dcq"},
	"tar":     {"tar", "-xOf"},
	"tar.gz":  {"tar", "-xzOf"},
}

// TestUnpackers unpacks the streams, stored and packed, with what people unpack them
// with.
func TestUnpackers(t *testing.T) {
	for _, enc := range all.Formats() {
		program, ok := unpackers[enc.Name()]
		if _, image := formats[enc.Name()]; !ok {
			if !image && enc.Name() != "ova" { // which has TestOVA
				t.Errorf("no other program reads %s: name one in formats, for an image, or in unpackers", enc.Name())
			}
			continue
		}
		need.Tool(t, program[0])
		for _, c := range encodertest.PackedCases(enc) {
			t.Run(enc.Name()+"/"+c.Name, func(t *testing.T) {
				outs, err := enc.Plan(c.Disk(t), c.Options)
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, encodertest.Packed(t, enc.(encoders.Compressor), c, encodertest.Methods()[0])...)
				for _, o := range outs {
					file, raw := filepath.Join(t.TempDir(), o.Path), filepath.Join(t.TempDir(), "want.raw")
					write(t, file, layout.NewReader(o.Layout, c.View(t)), o.Layout)
					writeWant(t, raw, c, o.VirtualSize)
					run(t, "sh", "-c", strings.Join(program, " ")+` "$0" | cmp - "$1"`, file, raw)
					if strings.HasPrefix(enc.Name(), "tar") {
						run(t, "tar", "-xf", file, "-C", filepath.Dir(file))
						run(t, "cmp", filepath.Join(filepath.Dir(file), "disk.raw"), raw)
					}
				}
			})
		}
	}
}
