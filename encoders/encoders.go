// Package encoders holds what all image formats share: the disk that an encoder
// plans for, and the plan it gives back. Each format is a package below this
// one. An encoder does no I/O: it gets a map and a geometry, never a device, so
// "exact size without reading data" is a fact of its type.
package encoders

import (
	"errors"

	"migimg/blockmap"
	"migimg/encoders/compress"
	"migimg/encoders/layout"
)

// ErrLimit is wrapped by Plan's error when the format cannot hold the disk. The
// message says which limit, in words for a person.
var ErrLimit = errors.New("beyond the format's limit")

// Disk is what an encoder may know of the disk.
type Disk struct {
	// Map says which clusters of the disk the image must carry; Map.Size is the
	// virtual size in bytes.
	Map *blockmap.Map
	// SectorSize is that of the disk's logical sectors in bytes; 0 is 512.
	SectorSize int64
	// Identity stands for the disk and the map: every UUID, content id and
	// timestamp of an image is derived from it, so that two plans of an unchanged
	// disk are equal byte for byte.
	Identity [32]byte
}

// Options are the user's wishes for a plan. The zero value is the default.
type Options struct {
	// ClusterSize in bytes for formats that let it be chosen (qcow2); 0 means
	// 64 KiB. A power of two from 4 KiB to 2 MiB.
	ClusterSize int64
	// QCOW2Version is 3, or 2 for readers from before QEMU 1.1; 0 means 3.
	QCOW2Version int
	// BlockSize in bytes of a VHDX; 0 means 2 MiB, and more for disks of more than
	// 2 TiB. A power of two from 1 to 32 MiB.
	BlockSize int64
	// Firmware that a virtual machine needs to start from the disk, for formats that
	// describe the machine as well (ova): "bios" or "uefi"; empty means bios. A disk
	// that starts with either is for bios, since UEFI is what some importers leave out.
	Firmware string
}

// What Options.Firmware may be.
const (
	BIOS = "bios"
	UEFI = "uefi"
)

// Output is one file that an encoder plans.
type Output struct {
	// Path is the file's name in the mount ("disk.qcow2").
	Path   string
	Layout *layout.Layout
	// Format is the name by which qemu-img opens the file ("raw", "qcow2", "vpc",
	// "vmdk", "vhdx", "vdi").
	Format string
	// VirtualSize in bytes of the disk that the image holds: the device's, or
	// larger where the format must round up.
	VirtualSize int64
}

// Encoder plans image files of one format.
type Encoder interface {
	// Name is the format's name in lower case: "qcow2".
	Name() string
	// Plan lays the image out. It errors, wrapping ErrLimit, where the format
	// cannot hold the disk.
	Plan(d Disk, o Options) ([]Output, error)
}

// Compressor is an Encoder that can also pack what it carries.
type Compressor interface {
	Encoder
	// Units are what of the disk is packed, each on its own, and how.
	Units(d Disk, o Options, m compress.Method) (compress.Units, compress.Packing, error)
	// PlanPacked is Plan for what was measured of these units. Formats whose units
	// and packing are equal may share it.
	PlanPacked(d Disk, o Options, m compress.Method, l *compress.Lengths) ([]Output, error)
}

// Container is an Encoder whose file holds those of another one, one for each disk of a
// machine.
type Container interface {
	Encoder
	// Inner makes the file of the k-th disk, from 0.
	Inner(k int) Encoder
	// Contain lays out a file with what Inner has planned for disks, in the order in which
	// the machine has them. The view that it is read from has each disk where At says. It
	// errors, wrapping ErrLimit, where the format cannot hold that many.
	Contain(disks []Contained, o Options) ([]Output, error)
}

// Contained is a disk with its file, in a Container.
type Contained struct {
	Disk
	File Output
	// At is where the disk begins in the view, in bytes.
	At int64
}

// UnitsOf are the units of a disk of which blocks says what is carried.
func UnitsOf(blocks *blockmap.Map) compress.Units {
	unit := blocks.ClusterSize()
	device := func(k int64) int64 { return blocks.Select(k) * unit }
	return compress.Units{Count: blocks.Count(), Device: device, Run: layout.Run(unit, blocks.Count(), device)}
}
