// Package all lists the image formats that exist. To add one, add a line.
package all

import (
	"migimg/encoders"
	"migimg/encoders/ova"
	"migimg/encoders/qcow2"
	"migimg/encoders/raw"
	"migimg/encoders/stream"
	"migimg/encoders/vdi"
	"migimg/encoders/vhd"
	"migimg/encoders/vhdx"
	"migimg/encoders/vmdk"
)

// Encoders are the formats that every mount shows, in the order in which people
// see them.
func Encoders() []encoders.Encoder {
	return []encoders.Encoder{
		raw.Encoder{},
		qcow2.Encoder{},
		vhd.Encoder{},
		vmdk.Encoder{},
	}
}

// Formats are all that there are. Some have files of the same name.
func Formats() []encoders.Encoder {
	return append(Encoders(),
		vhd.Fixed{},
		vhdx.Encoder{},
		vmdk.Sparse{},
		vmdk.Flat{},
		vmdk.Flat{ESXi: true},
		vdi.Encoder{},
		ova.Encoder{},
		stream.Raw{},
		stream.Raw{Zstd: true},
		stream.Tar{},
		stream.Tar{Gzip: true},
	)
}
