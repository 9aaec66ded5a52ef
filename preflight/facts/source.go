package facts

import (
	"io"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
)

// Source is what is being exported, as the program that opened it knows it: a disk, or
// several of one machine, of which it is the one that the machine starts from. The
// caller may not change it while preflight runs.
type Source struct {
	// Name is the disk's among several, with which the names of its volumes begin; At is
	// where it begins in View, in which they lie one after the other, and Volumes.
	Name string
	At   int64
	// Others are further disks of the machine. Volumes, View, LeftOut, Mounts, Consistency
	// and Drift are of all of them, the rest is the disk's own.
	Others []OtherDisk
	// Device is its path; Image says that it is a file holding a disk.
	Device string
	Image  bool
	// Size is in bytes. SectorSize is the logical sector's, in bytes; 0 where it
	// is not known (an image file).
	Size, SectorSize int64
	// Table is the partition table; nil is a disk whose table nobody read.
	Table *ptable.Table
	// Volumes is the tree that the scan found; nil is a disk that nobody scanned.
	Volumes *blockmap.VolumeInfo
	// View is the device as the image shows it. All offline reading goes through
	// it.
	View io.ReaderAt
	// RawPath is a file or block device with the same bytes, of which the kernel
	// can mount parts over a loop device; empty where there is none.
	RawPath string
	// Mounts is what of this disk is mounted now.
	Mounts []Mount
	// Carried is how many bytes the image carries; CarriedIn, if set, how many of
	// a part of the disk.
	Carried   int64
	CarriedIn func(off, n int64) int64
	// LeftOut are volumes of the device that the image does not have, by choice.
	LeftOut []*blockmap.VolumeInfo
	// Outputs are the image files that would be made.
	Outputs []Output
	// Consistency is the rung of the ladder that the export stands on: offline,
	// frozen, pinned or live.
	Consistency string
	// Drift is what is known of files that were read after T0 had passed; nil where
	// nothing can drift, or nobody knows.
	Drift *Drift
	// Proc and Sys are the machine's /proc and /sys, and Root its "/"; empty
	// means those.
	Proc, Sys, Root string
}

// OtherDisk is a further disk of the machine; its fields are those of Source.
type OtherDisk struct {
	Name, Device     string
	Image            bool
	At               int64
	Size, SectorSize int64
	Table            *ptable.Table
	RawPath          string
	Carried          int64
	Outputs          []Output
}

// own is the disk by itself.
func (s *Source) own() io.ReaderAt {
	if s.View == nil {
		return nil
	}
	return io.NewSectionReader(s.View, s.At, s.Size)
}

// raw is a file or block device that holds the byte at off of View, and where in it.
func (s *Source) raw(off int64) (path string, at int64) {
	for _, d := range s.Others {
		if off >= d.At && off < d.At+d.Size {
			return d.RawPath, off - d.At
		}
	}
	return s.RawPath, off - s.At
}

func (s *Source) proc() string { return or(s.Proc, "/proc") }
func (s *Source) sys() string  { return or(s.Sys, "/sys") }

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// Drift is what an image has of contents newer than T0, as far as it has been read.
type Drift struct {
	// Unknown is why it is not known which files moved; empty where it is.
	Unknown string
	// Files are the paths of those that moved, each from its volume's root or
	// "inode N"; Databases those of them that are databases.
	Files, Databases []string
	// NoFile is how many bytes moved that belong to no file that is known.
	NoFile int64
}

// Mount is a mount of a volume of the disk.
type Mount struct {
	// Device is the mount's source, Partition the volume's name in the tree of
	// volumes ("" is the whole disk).
	Device, Partition string
	// Point is where, in the namespace of process 1; FSType the kernel's name.
	Point, FSType string
	ReadWrite     bool
}

// Output is an image file that the disk would be exported as.
type Output struct {
	// Format is "qcow2", "vhd", "vmdk", "raw"; Path the name in the mount.
	Format, Path string
	// Size is the file's, VirtualSize the disk's in it, in bytes.
	Size, VirtualSize int64
	// Err is why the format is absent; empty where it is there.
	Err string
}
