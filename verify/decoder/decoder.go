// Package decoder holds what the decoders of package verify share: the virtual
// disk that a decoder gives, the checked image file that it reads, and the list
// of problems that it fills.
//
// Nothing below verify imports the encoders: a decoder that shared code with
// what wrote the image could only confirm its mistakes.
package decoder

import "io"

// Several is what a Disk is, besides, that stands for the disks of a machine: the first of
// them is the one that it starts from, and the Disk itself.
type Several interface {
	Disks() []Disk
}

// Disk is the virtual disk inside an image file. It is safe for concurrent use.
//
// ReadAt gives the guest's bytes. An error of it wraps a [*ReadError] where the
// image file could not be read; every other error means that the image is
// damaged.
type Disk interface {
	io.ReaderAt
	// Size is the virtual disk's length in bytes.
	Size() int64
	// Allocated says of how many bytes from off on, at least 1, is true: false,
	// they are in no cluster of the file and so read as zeros; true, they must be
	// read. A decoder that cannot tell answers true. off is in [0, Size).
	Allocated(off int64) (n int64, data bool)
	// Locate is the file offset in bytes of what holds the guest's byte at off
	// (of the compressed grain for formats that compress), or -1 where nothing
	// does.
	Locate(off int64) int64
}
