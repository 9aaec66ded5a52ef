// Package ova plans an OVA: a tar archive with a virtual machine, as VMware's
// products, VirtualBox and Xen Orchestra import it:
//
//	disk.ovf | disk.vmdk | disk.mf
//
// The first describes the machine in XML (DMTF DSP0243, "Open Virtualization Format
// Specification", 1.1), the second is [vmdk.Encoder]'s file as it is, the third has
// the SHA-256 of both. The .ovf must be first, and the .mf may be last (DSP0243, "OVA
// packaging"); there it suits who reads the archive from front to back. Who does not
// pays for the sum in it: GNU tar reads records of 10 KiB, and so takes as long to list
// an archive as to unpack it.
package ova

import (
	"crypto/sha256"
	"fmt"

	"migimg/encoders"
	"migimg/encoders/compress"
	"migimg/encoders/layout"
	"migimg/encoders/tarblock"
	"migimg/encoders/vmdk"
)

// Encoder plans disk.ova. The zero value is ready.
type Encoder struct{}

var _ encoders.Compressor = Encoder{}

// Name is "ova".
func (Encoder) Name() string { return "ova" }

// The members' names; the .ovf has that of the VMDK, the manifest those of both.
const (
	ovfName = "disk.ovf"
	mfName  = "disk.mf"
)

// Plan lays out disk.ova. Virtual size and limits are the VMDK's.
func (Encoder) Plan(d encoders.Disk, o encoders.Options) ([]encoders.Output, error) {
	inner, err := vmdk.Encoder{}.Plan(d, o)
	if err != nil {
		return nil, err
	}
	return outputs(d, o, inner[0])
}

// Units are the VMDK's.
func (Encoder) Units(d encoders.Disk, o encoders.Options, m compress.Method) (compress.Units, compress.Packing, error) {
	return vmdk.Encoder{}.Units(d, o, m)
}

// PlanPacked is Plan with the VMDK packed.
func (Encoder) PlanPacked(d encoders.Disk, o encoders.Options, m compress.Method, l *compress.Lengths) ([]encoders.Output, error) {
	inner, err := vmdk.Encoder{}.PlanPacked(d, o, m, l)
	if err != nil {
		return nil, err
	}
	return outputs(d, o, inner[0])
}

// outputs is the archive with a VMDK.
func outputs(d encoders.Disk, o encoders.Options, disk encoders.Output) ([]encoders.Output, error) {
	firmware, err := firmware(o)
	if err != nil {
		return nil, err
	}
	size := disk.Layout.Size()
	ovf := descriptor{
		disk:      disk.Path,
		size:      size,
		capacity:  disk.VirtualSize,
		populated: d.Map.ClusterBytes(),
		firmware:  firmware,
	}.xml()
	// The lines of a manifest (DSP0243, "Manifest file"): there is no blank after the
	// algorithm (home-assistant/operating-system#826), and vCenter 8 refuses it by the
	// name of SHA2-256 (#3654 there).
	known := fmt.Appendf(nil, "SHA256(%s)= %x\nSHA256(%s)= ", ovfName, sha256.Sum256(ovf), disk.Path)
	manifest := int64(len(known) + hexLen + len("\n"))

	var b layout.Builder
	b.Append(layout.MetaBytes("tar header of "+ovfName, header(ovfName, int64(len(ovf)))))
	b.Append(layout.MetaBytes(ovfName, ovf))
	b.Append(padding(ovfName, int64(len(ovf))))
	b.Append(layout.MetaBytes("tar header of "+disk.Path, header(disk.Path, size)))
	at := b.AppendLayout(disk.Layout)
	b.Append(padding(disk.Path, size))
	b.Append(layout.MetaBytes("tar header of "+mfName, header(mfName, manifest)))
	b.Append(layout.MetaBytes(mfName, known))
	b.Append(sum(disk.Layout, at))
	b.Append(layout.MetaBytes("end of the archive", append([]byte("\n"), make([]byte, tarblock.End(manifest))...)))
	return []encoders.Output{{Path: "disk.ova", Layout: b.Layout(), Format: "ova", VirtualSize: disk.VirtualSize}}, nil
}

// padding is the zeros between a member of n bytes and the next header. They are no
// hole: nobody is served by holes of a few bytes.
func padding(name string, n int64) layout.Segment {
	return layout.MetaBytes("padding of "+name, make([]byte, tarblock.Padding(n)))
}

// firmware is that of the disk, in VMware's words.
func firmware(o encoders.Options) (string, error) {
	switch o.Firmware {
	case "", encoders.BIOS:
		return "bios", nil
	case encoders.UEFI:
		return "efi", nil
	}
	return "", fmt.Errorf("ova: the firmware is %q, and must be %s or %s", o.Firmware, encoders.BIOS, encoders.UEFI)
}
