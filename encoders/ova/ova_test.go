package ova_test

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/encodertest"
	"migimg/encoders/layout"
	"migimg/encoders/ova"
	"migimg/encoders/vmdk"
	"migimg/verify/decoder"
	check "migimg/verify/ova"
	decode "migimg/verify/vmdk"
)

func TestConformance(t *testing.T) { encodertest.Run(t, ova.Encoder{}) }
func TestReadBack(t *testing.T)    { encodertest.ReadBack(t, ova.Encoder{}, open) }
func TestPacked(t *testing.T) {
	encodertest.RunPacked(t, ova.Encoder{}, map[string]encodertest.Opener{compress.Zlib: whole})
}

var vmdkOnly = encodertest.Decoded("disk.vmdk", func(ctx context.Context, f decoder.File, ps *decoder.Problems) (decoder.Disk, string, error) {
	return decode.Open(ctx, f, "disk.vmdk", ps)
})

// whole checks all of an archive, which is to read all of it: for small ones.
var whole = encodertest.Decoded("disk.ova", check.Open)

// open finds the VMDK with the standard library's reader of archives.
func open(files map[string]*io.SectionReader) (*io.SectionReader, error) {
	f := files["disk.ova"]
	at, err := members(f)
	if err != nil {
		return nil, err
	}
	return vmdkOnly(map[string]*io.SectionReader{"disk.vmdk": at["disk.vmdk"]})
}

// members are those of an archive, which must be in their order.
func members(f *io.SectionReader) (map[string]*io.SectionReader, error) {
	at := map[string]*io.SectionReader{}
	r := tar.NewReader(f)
	for _, want := range []string{"disk.ovf", "disk.vmdk", "disk.mf"} {
		h, err := r.Next()
		if err != nil {
			return nil, err
		}
		format := tar.FormatUSTAR
		if h.Size >= 8<<30 {
			format = tar.FormatGNU
		}
		if h.Name != want || h.Typeflag != tar.TypeReg || h.Format != format || h.Mode != 0o644 || len(h.PAXRecords) != 0 {
			return nil, fmt.Errorf("the member is no %s: %+v", want, h)
		}
		off, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if off%512 != 0 {
			return nil, fmt.Errorf("%s begins at %d", want, off)
		}
		at[want] = io.NewSectionReader(f, off, h.Size)
	}
	// What follows would make reading the manifest read all of a large disk.
	if mf := at["disk.mf"]; mf.Size() == 0 || mf.Size() > 512 {
		return nil, fmt.Errorf("the manifest has %d bytes", mf.Size())
	}
	_, mf, n := at["disk.mf"].Outer()
	if want := mf + (n+511)/512*512 + 1024; f.Size() != want {
		return nil, fmt.Errorf("the archive has %d bytes, not %d", f.Size(), want)
	}
	return at, nil
}

func read(t *testing.T, r *io.SectionReader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// archive plans a disk and returns its members.
func archive(t *testing.T, c encodertest.Case) map[string]*io.SectionReader {
	t.Helper()
	outs, err := ova.Encoder{}.Plan(c.Disk(t), c.Options)
	if err != nil {
		t.Fatal(err)
	}
	l := outs[0].Layout
	at, err := members(io.NewSectionReader(layout.NewReader(l, c.View(t)), 0, l.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestMembers: the VMDK is the one that vmdk.Encoder plans, the manifest has what
// sha256sum says, the .ovf says how long the file and how large the disk is.
func TestMembers(t *testing.T) {
	for _, c := range encodertest.PackedCases(ova.Encoder{}) {
		if c.Size == 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			outs, err := ova.Encoder{}.Plan(c.Disk(t), c.Options)
			if err != nil {
				t.Fatal(err)
			}
			l := outs[0].Layout
			if _, err := whole(map[string]*io.SectionReader{"disk.ova": io.NewSectionReader(layout.NewReader(l, c.View(t)), 0, l.Size())}); err != nil {
				t.Error(err)
			}
			at := archive(t, c)
			alone, err := vmdk.Encoder{}.Plan(c.Disk(t), c.Options)
			if err != nil {
				t.Fatal(err)
			}
			disk := read(t, at["disk.vmdk"])
			if want := read(t, io.NewSectionReader(layout.NewReader(alone[0].Layout, c.View(t)), 0, alone[0].Layout.Size())); disk != want {
				t.Error("the VMDK is another one")
			}
			ovf := read(t, at["disk.ovf"])
			want := fmt.Sprintf("SHA256(disk.ovf)= %x\nSHA256(disk.vmdk)= %x\n", sha256.Sum256([]byte(ovf)), sha256.Sum256([]byte(disk)))
			if got := read(t, at["disk.mf"]); got != want {
				t.Errorf("the manifest is\n%s\nnot\n%s", got, want)
			}
			for _, s := range []string{
				fmt.Sprintf(`ovf:size="%d"`, len(disk)),
				fmt.Sprintf(`ovf:capacity="%d" ovf:capacityAllocationUnits="byte"`, (c.Size+65535)/65536*65536),
				fmt.Sprintf(`ovf:populatedSize="%d"`, c.Disk(t).Map.ClusterBytes()),
				`vmw:key="firmware" vmw:value="bios"`,
			} {
				if !strings.Contains(ovf, s) {
					t.Errorf("the .ovf does not say %s:\n%s", s, ovf)
				}
			}
		})
	}
}

// TestLargeMember: the VMDK of a disk of 9 GiB has its size in binary, that of one
// just below 8 GiB does not.
func TestLargeMember(t *testing.T) {
	for _, size := range []int64{7 << 30, 9 << 30, 2000 << 30} {
		c := encodertest.Case{Name: "large", Size: size, Cluster: 64 << 10, Carried: []blockmap.Range{{Off: 0, Len: size}}}
		at := archive(t, c)
		if n := at["disk.vmdk"].Size(); n < size {
			t.Errorf("the VMDK has %d bytes", n)
		}
		disk, err := vmdkOnly(map[string]*io.SectionReader{"disk.vmdk": at["disk.vmdk"]})
		if err != nil || disk.Size() != size {
			t.Error(disk, err)
		}
	}
}

func TestFirmware(t *testing.T) {
	c := encodertest.Small()[3]
	for firmware, says := range map[string]string{"": "bios", encoders.BIOS: "bios", encoders.UEFI: "efi"} {
		c.Options.Firmware = firmware
		if ovf := read(t, archive(t, c)["disk.ovf"]); !strings.Contains(ovf, `<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="`+says+`"/>`) {
			t.Errorf("%q: it does not say %s:\n%s", firmware, says, ovf)
		}
	}
	if _, err := (ova.Encoder{}).Plan(c.Disk(t), encoders.Options{Firmware: "efi"}); err == nil || errors.Is(err, encoders.ErrLimit) {
		t.Error(err)
	}
}
