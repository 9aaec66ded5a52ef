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
//
// A machine of several disks is machine.ova, with a VMDK for each: disk1.vmdk is the
// one that it starts from.
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

var (
	_ encoders.Compressor = Encoder{}
	_ encoders.Container  = Encoder{}
)

// Name is "ova".
func (Encoder) Name() string { return "ova" }

// Plan lays out disk.ova. Virtual size and limits are the VMDK's.
func (Encoder) Plan(d encoders.Disk, o encoders.Options) ([]encoders.Output, error) {
	inner, err := vmdk.Encoder{}.Plan(d, o)
	if err != nil {
		return nil, err
	}
	return outputs([]encoders.Contained{{Disk: d, File: inner[0]}}, o)
}

// Inner is VMDK's.
func (Encoder) Inner(k int) encoders.Encoder {
	return vmdk.Encoder{File: fmt.Sprintf("disk%d.vmdk", k+1)}
}

// Contain lays out machine.ova, with a disk on each place of a controller.
func (Encoder) Contain(disks []encoders.Contained, o encoders.Options) ([]encoders.Output, error) {
	if len(disks) > mostDisks {
		return nil, fmt.Errorf("%w: %d disks, the controller of the machine in an OVA has places for %d", encoders.ErrLimit, len(disks), mostDisks)
	}
	for i := range disks {
		f := &disks[i].File
		f.Layout = f.Layout.Shifted(disks[i].At)
	}
	return outputs(disks, o)
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
	return outputs([]encoders.Contained{{Disk: d, File: inner[0]}}, o)
}

// outputs is the archive with the VMDKs of disks. The .ovf has their names, the manifest
// those of all.
func outputs(disks []encoders.Contained, o encoders.Options) ([]encoders.Output, error) {
	firmware, err := firmware(o)
	if err != nil {
		return nil, err
	}
	name := "disk"
	if len(disks) > 1 {
		name = "machine"
	}
	m := descriptor{firmware: firmware}
	virtual := int64(0)
	for _, d := range disks {
		m.disks = append(m.disks, described{disk: d.File.Path, size: d.File.Layout.Size(), capacity: d.File.VirtualSize, populated: d.Map.ClusterBytes()})
		virtual += d.File.VirtualSize
	}
	ovf := m.xml()
	// The lines of a manifest (DSP0243, "Manifest file"): there is no blank after the
	// algorithm (home-assistant/operating-system#826), and vCenter 8 refuses it by the
	// name of SHA2-256 (#3654 there).
	known := fmt.Appendf(nil, "SHA256(%s)= %x\nSHA256(%s)= ", name+".ovf", sha256.Sum256(ovf), disks[0].File.Path)
	var sums sums
	for i, d := range disks {
		var before []byte
		if i > 0 {
			before = fmt.Appendf(nil, "\nSHA256(%s)= ", d.File.Path)
		}
		sums = append(sums, summed{layout: d.File.Layout, before: before})
	}
	manifest := int64(len(known)) + sums.size() + int64(len("\n"))

	var b layout.Builder
	b.Append(layout.MetaBytes("tar header of "+name+".ovf", header(name+".ovf", int64(len(ovf)))))
	b.Append(layout.MetaBytes(name+".ovf", ovf))
	b.Append(padding(name+".ovf", int64(len(ovf))))
	for i, d := range disks {
		size := d.File.Layout.Size()
		b.Append(layout.MetaBytes("tar header of "+d.File.Path, header(d.File.Path, size)))
		sums[i].at = b.AppendLayout(d.File.Layout)
		b.Append(padding(d.File.Path, size))
	}
	b.Append(layout.MetaBytes("tar header of "+name+".mf", header(name+".mf", manifest)))
	b.Append(layout.MetaBytes(name+".mf", known))
	b.Append(sums.segment())
	b.Append(layout.MetaBytes("end of the archive", append([]byte("\n"), make([]byte, tarblock.End(manifest))...)))
	return []encoders.Output{{Path: name + ".ova", Layout: b.Layout(), Format: "ova", VirtualSize: virtual}}, nil
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
