// Package all lists the image formats that exist. To add one, add a line.
package all

import (
	"migimg/encoders"
	"migimg/encoders/qcow2"
	"migimg/encoders/raw"
	"migimg/encoders/vhd"
	"migimg/encoders/vmdk"
)

// Encoders are all formats, in the order in which people see them.
func Encoders() []encoders.Encoder {
	return []encoders.Encoder{
		raw.Encoder{},
		qcow2.Encoder{},
		vhd.Encoder{},
		vmdk.Encoder{},
	}
}
