package device

import "bytes"

// imageFormats are what files of formats that are no raw disk begin with: "QFI\xfb"
// (qcow2 spec, Header), "KDMV" and the text of a descriptor (VMDK 5.0, Hosted Sparse
// Extent Header), "conectix" (VHD 1.0, a dynamic disk's copy of the footer),
// "vhdxfile" (MS-VHDX 2.2.1), VDI's signature behind 64 bytes of text.
var imageFormats = []struct {
	off   int
	magic string
	name  string
}{
	{0, "QFI\xfb", "qcow2"},
	{0, "KDMV", "VMDK"},
	{0, "# Disk DescriptorFile", "VMDK"},
	{0, "conectix", "VHD"},
	{0, "vhdxfile", "VHDX"},
	{0x40, "\x7f\x10\xda\xbe", "VDI"},
}

// imageFormat is the format of a file that is no raw disk, or "". A block device is
// one, whatever its bytes look like.
func (d *Device) imageFormat() string {
	if d.block {
		return ""
	}
	head := make([]byte, 0x44)
	n, _ := d.buffered.ReadAt(head, 0) // what cannot be read is found out by whoever needs it
	for _, f := range imageFormats {
		if end := f.off + len(f.magic); end <= n && bytes.Equal(head[f.off:end], []byte(f.magic)) {
			return f.name
		}
	}
	return ""
}
