package ova

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"strings"
	"testing"

	"migimg/verify/decoder"
	"migimg/verify/internal/build"
	"migimg/verify/internal/decodertest"
)

// opened opens an archive and gives its problems as one text.
func opened(t testing.TB, b []byte) (decoder.Disk, string) {
	t.Helper()
	ps := &decoder.Problems{}
	d, _, err := Open(context.Background(), decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, ps)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range ps.List() {
		all = append(all, string(p.Severity)+" "+p.What)
	}
	return d, strings.Join(all, "\n")
}

// parts are the files of a good archive with a disk of 64 KiB.
func parts() (ovf, disk build.File) {
	b, used := build.Disk(1, 64<<10, 4096)
	disk = build.File{Name: "disk.vmdk", Data: build.VMDKStream(b, used, 4096, "disk.vmdk").Bytes}
	return build.File{Name: "disk.ovf", Data: []byte(build.OVF("disk.vmdk", len(disk.Data), len(b)))}, disk
}

func TestArchive(t *testing.T) {
	ovf, disk := parts()
	mf := build.File{Name: "disk.mf", Data: build.Manifest(ovf, disk)}
	sha := fmt.Appendf(nil, "SHA1(disk.ovf)= %x\nSHA1(disk.vmdk)= %x\n", sha1.Sum(ovf.Data), sha1.Sum(disk.Data))
	manifest := func(s string) build.File { return build.File{Name: "disk.mf", Data: []byte(s)} }
	other := build.File{Name: "more.txt", Data: []byte("x")}
	for _, c := range []struct {
		name     string
		files    []build.File
		want     string
		readable bool
	}{
		{"good", []build.File{ovf, disk, mf}, "", true},
		{"manifest in front", []build.File{ovf, mf, disk}, "", true},
		{"SHA-1", []build.File{ovf, disk, manifest(string(sha))}, "", true},
		{"blanks", []build.File{ovf, disk, manifest(strings.ReplaceAll(string(mf.Data), "(", " ("))}, "warn ova: manifest: a blank", true},
		{"no manifest", []build.File{ovf, disk}, "warn ova: there is no manifest", true},
		{"description last", []build.File{disk, mf, ovf}, "the first member is no .ovf", false},
		{"another sum", []build.File{ovf, disk, manifest(strings.Replace(string(mf.Data), "= ", "= 00", 1))}, "fail ova: the SHA256 of disk.ovf", true},
		{"a line", []build.File{ovf, disk, manifest(string(mf.Data) + "hello\n")}, `manifest: line "hello`, true},
		{"no sum of the disk", []build.File{ovf, disk, manifest(strings.SplitAfter(string(mf.Data), "\n")[0])}, `"disk.vmdk" is not in it`, true},
		{"twice", []build.File{ovf, disk, manifest(strings.Repeat(string(mf.Data), 2))}, "is there twice", true},
		{"a sum of nothing", []build.File{ovf, disk, manifest(string(mf.Data) + "SHA1(x)= 00\n")}, `there is no "x"`, true},
		{"another manifest", []build.File{ovf, disk, {Name: "x.mf", Data: mf.Data}}, "the manifest is called", true},
		{"nothing refers to it", []build.File{ovf, disk, other, mf}, "warn ova: nothing refers to", true},
		{"manifest in the middle", []build.File{ovf, disk, mf, other}, "the manifest is in the middle", true},
		{"no disk", []build.File{ovf, mf}, `the file "disk.vmdk" is not in the archive`, false},
		{"a folder", []build.File{ovf, {Name: "a/b", Data: nil}, disk, mf}, "holds a folder", true},
		{"signed", []build.File{ovf, disk, mf, {Name: "disk.cert", Data: []byte("x")}}, "warn ova: the signature", true},
		{"two descriptions", []build.File{ovf, disk, {Name: "b.ovf", Data: ovf.Data}, mf}, "a second description", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, all := opened(t, build.Archive(c.files...).Bytes)
			if (d != nil) != c.readable || !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Errorf("readable %v: %s", d != nil, all)
			}
		})
	}
}

func TestDescription(t *testing.T) {
	ovf, disk := parts()
	for _, c := range []struct {
		name, from, to string
		want           string
	}{
		{"capacity", `capacity="65536"`, `capacity="65537"`, "fail ovf: the disk's capacity is said to be 65537 bytes, the VMDK has 65536"},
		{"units", `capacity="65536"`, `capacity="64" ovf:capacityAllocationUnits="byte * 2^10"`, ""},
		{"other units", `capacity="65536"`, `capacity="64" ovf:capacityAllocationUnits="KB"`, "fail ovf: the disk's capacity: the unit"},
		{"size", `ovf:size="`, `ovf:size="1`, "fail ovf: the size of"},
		{"no size", fmt.Sprintf(` ovf:size="%d"`, len(disk.Data)), ``, "warn ovf: the size of \"disk.vmdk\" is not said"},
		{"populated", `ovf:capacity=`, `ovf:populatedSize="70000" ovf:capacity=`, "fail ovf: the disk's populated size"},
		{"format", `#streamOptimized`, `#sparse`, "fail ovf: the disk's format"},
		{"file", `fileRef="f"`, `fileRef="g"`, "none of the references"},
		{"elsewhere", `href="disk.vmdk"`, `href="http://x/disk.vmdk"`, "must be one beside it"},
		{"packed", `ovf:id="f"`, `ovf:id="f" ovf:compression="gzip"`, "is compressed"},
		{"two disks", `<Disk `, `<Disk ovf:diskId="e"/><Disk `, "the machine has 1 disks, must have 2"},
		{"another disk", `ovf:/disk/d`, `ovf:/disk/e`, `is "/disk/e", the disk is "d"`},
		{"no network", `<Network ovf:name="n"/>`, ``, "none of the networks"},
		{"part of nothing", `Parent>3`, `Parent>9`, "which does not exist"},
		{"ids", `InstanceID>2<`, `InstanceID>1<`, "which must be there once"},
		{"no memory", `ResourceType>4<`, `ResourceType>3<`, "no processor or no memory"},
		{"quantity", `VirtualQuantity>512<`, `VirtualQuantity>0<`, "the quantity"},
		{"firmware", `value="bios"`, `value="uefi"`, "fail ovf: the firmware is"},
		{"no firmware", `<vmw:Config vmw:key="firmware" vmw:value="bios"/>`, ``, "warn ovf: the firmware is not said"},
		{"unknown element", `<Info>i</Info><Name>`, `<Info>i</Info><Something/><Name>`, `warn ovf: the element "Something" in "VirtualSystem"`},
		{"two systems", `<VirtualSystem `, `<VirtualSystem ovf:id="w"/><VirtualSystem `, "2 virtual systems"},
		{"namespace", `xmlns="http://schemas.dmtf.org/ovf/envelope/1"`, `xmlns="http://schemas.dmtf.org/ovf/envelope/9"`, "must be the Envelope"},
		{"no XML", `</Envelope>`, ``, "fail ovf: it is no XML"},
		{"document type", `<Envelope `, `<!DOCTYPE x><Envelope `, "a document type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(string(ovf.Data), c.from) {
				t.Fatalf("%q is not in it", c.from)
			}
			o := build.File{Name: ovf.Name, Data: []byte(strings.Replace(string(ovf.Data), c.from, c.to, 1))}
			_, all := opened(t, build.Archive(o, disk, build.File{Name: "disk.mf", Data: build.Manifest(o, disk)}).Bytes)
			if !strings.Contains(all, c.want) || c.want == "" && all != "" {
				t.Error(all)
			}
		})
	}
}

// What is wrong in the VMDK is said by its place in the archive.
func TestOffsets(t *testing.T) {
	ovf, disk := parts()
	d, _ := opened(t, build.Archive(ovf, disk).Bytes)
	b := build.Archive(ovf, disk).Bytes
	at := d.Locate(4096)
	if at < 0 || !bytes.Equal(b[at:at+8], []byte{8, 0, 0, 0, 0, 0, 0, 0}) { // the grain's marker
		t.Error(at)
	}
}

// FuzzOpen checks that no archive crashes, hangs or balloons the check, and that the
// disk keeps its promises.
func FuzzOpen(f *testing.F) {
	ovf, disk := parts()
	f.Add(build.Archive(ovf, disk, build.File{Name: "disk.mf", Data: build.Manifest(ovf, disk)}).Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		ps := &decoder.Problems{}
		d, _, err := Open(context.Background(), decoder.File{R: bytes.NewReader(b), Size: int64(len(b))}, ps)
		if err != nil {
			t.Fatal(err)
		}
		decodertest.Promises(t, d, ps)
	})
}

// FuzzDescribe checks that no text crashes or hangs the check.
func FuzzDescribe(f *testing.F) {
	ovf, _ := parts()
	f.Add(ovf.Data)
	f.Fuzz(func(t *testing.T, b []byte) { describe(b, 0, &decoder.Problems{}) })
}
