package vmdk

import (
	"migimg/encoders"
	"migimg/encoders/layout"
)

// flatName is in the descriptor. VMware looks for it beside the descriptor: the
// two files are copied together.
const flatName = "disk-flat.vmdk"

// Flat plans two files: disk.vmdk, a text that describes the disk, and
// disk-flat.vmdk, the disk as it is. The zero value, for Workstation and Player,
// is ready.
type Flat struct {
	// ESXi makes the descriptor that of a disk on a VMFS datastore.
	ESXi bool
}

var _ encoders.Encoder = Flat{}

// Name is "vmdk-flat" for ESXi, else "vmdk-flat-hosted".
func (f Flat) Name() string {
	if f.ESXi {
		return "vmdk-flat"
	}
	return "vmdk-flat-hosted"
}

// Plan lays out disk.vmdk and disk-flat.vmdk. The virtual size is the disk's,
// rounded up to a sector of 512 bytes. ErrLimit: an empty disk, or one of more
// than 62 TiB.
func (f Flat) Plan(d encoders.Disk, _ encoders.Options) ([]encoders.Output, error) {
	if err := limits(d.Map); err != nil {
		return nil, err
	}
	var flat layout.Builder
	flat.Append(encoders.Flat(d.Map))
	flat.Pad("rest of the sector", sector)
	virtual := flat.Offset()

	// The hosted products give the offset in the flat file; ESXi has none (spec,
	// "Extent Description").
	createType, extent := "monolithicFlat", `FLAT "`+flatName+`" 0`
	if f.ESXi {
		createType, extent = "vmfs", `VMFS "`+flatName+`"`
	}
	var text layout.Builder
	text.Append(layout.MetaBytes("descriptor", descriptor(virtual, createType, extent, d.Identity)))
	return []encoders.Output{
		{Path: fileName, Layout: text.Layout(), Format: "vmdk", VirtualSize: virtual},
		{Path: flatName, Layout: flat.Layout(), Format: "raw", VirtualSize: virtual},
	}, nil
}
