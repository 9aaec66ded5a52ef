package vmdk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The geometry of SCSI disks of more than a few GiB.
const (
	heads          = 255
	sectorsOnTrack = 63
	maxCylinders   = 65535
)

// descriptor is the text that describes a disk of virtual bytes (spec, "The
// Descriptor File"; the lines are those of open-vmdk). extent is what stands
// behind the number of sectors in the only extent's line. OpenStack reads it
// strictly: ASCII, and each line a comment, a key=value without a blank in the
// key, a ddb line or an extent.
func descriptor(virtual int64, createType, extent string, identity [32]byte) []byte {
	id := sha256.Sum256(append([]byte("migimg vmdk descriptor\x00"), identity[:]...))
	cid := contentID(id)
	sectors := virtual / sector
	return fmt.Appendf(nil, `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=%08x
parentCID=ffffffff
createType="%s"

# Extent description
RW %d %s

# The Disk Data Base
#DDB

ddb.longContentID = "%x%08x"
ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "%d"
ddb.geometry.heads = "%d"
ddb.geometry.sectors = "%d"
ddb.adapterType = "lsilogic"
ddb.toolsInstallType = "4"
ddb.toolsVersion = "2147483647"
`, cid, createType, sectors, extent, id[4:16], cid, min(ceil(sectors, heads*sectorsOnTrack), maxCylinders), heads, sectorsOnTrack)
}

// embedded is a descriptor inside of a sparse extent, padded with zeros to its 20
// sectors.
func embedded(text []byte) []byte {
	b := make([]byte, descriptorSectors*sector)
	copy(b, text)
	return b
}

// contentID is never 0, fffffffe or ffffffff, which stand for no content, an
// unknown one and no parent.
func contentID(id [32]byte) uint32 {
	return binary.BigEndian.Uint32(id[:])%0xfffffffd + 1
}
