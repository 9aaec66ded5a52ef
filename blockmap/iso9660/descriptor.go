package iso9660

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Volume descriptors follow each other from sector 16 on (ECMA-119, section 8):
// type at 0, "CD001" at 1.
const (
	sector = 2048
	first  = 16
	idLen  = 5
	id     = "CD001"
	typeAt = 0
	idAt   = 1
)

// maxDescriptors is how many sectors the kernel looks at (isofs_fill_super); the
// last must be the terminator.
const maxDescriptors = 84

// The types of descriptors.
const (
	typeBoot          = 0
	typePrimary       = 1
	typeSupplementary = 2
	typeTerminator    = 255
)

// rootRecordLen is the length of a root directory's record.
const rootRecordLen = 34

// elTorito begins the boot record that names a catalog (El Torito 1.0, section 2).
const elTorito = "EL TORITO SPECIFICATION"

// descriptors is what they say.
type descriptors struct {
	sectors  int64 // of the volume: the most that any says
	primary  []byte
	joliet   []byte
	catalogs []int64 // sectors of boot catalogs
	features []string
}

// parseDescriptors reads the descriptors that b begins with. Otherwise it says
// why they cannot be believed.
func parseDescriptors(b []byte) (*descriptors, string) {
	d := &descriptors{}
	for at := 0; at+sector <= len(b); at += sector {
		p := b[at : at+sector]
		if string(p[idAt:idAt+idLen]) != id {
			return nil, fmt.Sprintf("the ISO 9660 volume descriptors end at sector %d without a terminator", first+at/sector)
		}
		switch p[typeAt] {
		case typeTerminator:
			if d.primary == nil {
				return nil, "the ISO 9660 volume has no primary descriptor"
			}
			return d, ""
		case typeBoot:
			if string(p[7:7+len(elTorito)]) == elTorito {
				d.catalogs = append(d.catalogs, int64(binary.LittleEndian.Uint32(p[71:])))
				d.features = append(d.features, "el_torito")
			}
		case typePrimary, typeSupplementary:
			if why := d.volume(p); why != "" {
				return nil, fmt.Sprintf("the ISO 9660 descriptor in sector %d %s", first+at/sector, why)
			}
		default:
			return nil, fmt.Sprintf("the ISO 9660 descriptor in sector %d is of type %d, which is not known", first+at/sector, p[typeAt])
		}
	}
	return nil, fmt.Sprintf("the ISO 9660 volume has no terminator in %d descriptors", maxDescriptors)
}

// volume takes in a primary or supplementary descriptor, or says what is wrong
// with it. Its numbers are written in both byte orders.
func (d *descriptors) volume(p []byte) string {
	le, be := binary.LittleEndian, binary.BigEndian
	size, block := le.Uint32(p[80:]), le.Uint16(p[128:])
	root := p[156:]
	switch {
	case size != be.Uint32(p[84:]):
		return fmt.Sprintf("says that the volume has %d blocks, and %d", size, be.Uint32(p[84:]))
	case block != be.Uint16(p[130:]) || block != sector:
		return fmt.Sprintf("says that blocks have %d bytes, which is not known", block)
	case root[0] < rootRecordLen || int64(le.Uint32(root[2:]))*sector+int64(le.Uint32(root[10:])) > int64(size)*sector:
		return fmt.Sprintf("has its root directory outside of the volume of %d blocks", size)
	}
	d.sectors = max(d.sectors, int64(size))
	switch {
	case p[typeAt] == typePrimary && d.primary == nil:
		d.primary = p
	case p[typeAt] == typeSupplementary && p[88] == '%' && p[89] == '/' && strings.ContainsRune("@CE", rune(p[90])):
		if d.joliet == nil {
			d.joliet = p
			d.features = append(d.features, "joliet")
		}
	}
	return ""
}

// identity is the volume's UUID, which is the time of its last change, and its
// label, as blkid prints them (util-linux, libblkid/src/superblocks/iso9660.c).
func (d *descriptors) identity() (uuid, label string) {
	for _, at := range []int{830, 813} {
		date := string(d.primary[at : at+16])
		if strings.Trim(date, "0123456789") == "" && (strings.Trim(date, "0") != "" || d.primary[at+16] != 0) {
			uuid = strings.Join([]string{date[:4], date[4:6], date[6:8], date[8:10], date[10:12], date[12:14], date[14:]}, "-")
			break
		}
	}
	name := d.primary[40:72]
	label = text(string(name))
	if d.joliet == nil {
		return uuid, label
	}
	wide := d.joliet[40:72]
	units := make([]uint16, len(wide)/2)
	same := true
	for i := range units {
		units[i] = binary.BigEndian.Uint16(wide[2*i:])
		same = same && units[i] == uint16(name[i])
	}
	if !same { // the same, it may be cut short
		label = text(string(utf16.Decode(units)))
	}
	return uuid, label
}

// text is a field up to its padding.
func text(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return strings.TrimRight(s, " \t\n")
}
