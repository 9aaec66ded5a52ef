package btrfs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A device's item, in the superblock and in the chunk tree (kernel, struct
// btrfs_dev_item):
//
//	0 device id   8 total bytes   16 bytes in chunks   66 uuid[16]   82 fsid[16]
const deviceItemSize = 98

// device is one that the filesystem is on.
type device struct {
	id               uint64
	total, allocated int64 // bytes; -1 where impossible
	uuid, fsid       [16]byte
}

// parseDevice reads an item of deviceItemSize bytes.
func parseDevice(b []byte) device {
	return device{
		id:        le.Uint64(b),
		total:     size(b[8:]),
		allocated: size(b[16:]),
		uuid:      [16]byte(b[66:]),
		fsid:      [16]byte(b[82:]),
	}
}

// maxNamed is how many devices a warning names.
const maxNamed = 16

// otherDevices says on how many devices the filesystem is, and which.
func (f *fsys) otherDevices() string {
	s := fmt.Sprintf("this is one of %d devices of the filesystem: without a copy of each of them it cannot be used, or only degraded", f.sb.numDevices)
	devices, word := f.devices, "; they are "
	if len(devices) == 0 {
		devices, word = f.systemDevices(), "; among them are "
	}
	var names []string
	for _, d := range devices {
		name := fmt.Sprintf("%d (%s)", d.id, uuidString(d.uuid))
		if d.uuid == f.sb.device.uuid {
			name += ", which is this one"
		}
		names = append(names, name)
	}
	if n := len(names); n > maxNamed {
		names = append(names[:maxNamed], fmt.Sprintf("and %d more", n-maxNamed))
	}
	if len(names) > 0 {
		s += word + strings.Join(names, ", ")
	}
	return s
}

// systemDevices are those that the superblock's array of system chunks names,
// where the chunk tree could not be read.
func (f *fsys) systemDevices() (found []device) {
	for i := range f.chunks {
		for b := f.chunks[i].item; len(b) >= chunkSize+stripeSize; b = b[:len(b)-stripeSize] {
			s := b[len(b)-stripeSize:]
			d := device{id: le.Uint64(s), uuid: [16]byte(s[16:])}
			if !slices.ContainsFunc(found, func(o device) bool { return o.id == d.id }) {
				found = append(found, d)
			}
		}
	}
	slices.SortFunc(found, func(a, b device) int { return cmp.Compare(a.id, b.id) })
	return found
}

// checkDevices compares the devices that the chunk tree names with the
// superblock's word.
func (f *fsys) checkDevices() error {
	if int64(len(f.devices)) != f.sb.numDevices {
		return refuse("the superblock counts %d devices, the chunk tree %d: a device is being added or removed, or run btrfs rescue fix-device-size", f.sb.numDevices, len(f.devices))
	}
	mine := false
	for _, d := range f.devices {
		if d.fsid != f.sb.metaID {
			return refuse("the filesystem is built on a seed device, %s", uuidString(d.fsid))
		}
		if d.id != f.sb.device.id {
			continue
		}
		mine = true
		switch {
		case d.uuid != f.sb.device.uuid:
			return refuse("another device has taken this one's place in the filesystem")
		case d.total != f.sb.device.total:
			return refuse("this device has %d bytes in its superblock and %d in the chunk tree: run btrfs rescue fix-device-size", f.sb.device.total, d.total)
		}
		f.sb.device.allocated = d.allocated
	}
	if !mine {
		return refuse("the filesystem does not have this device any more")
	}
	return nil
}
