package ova

import "migimg/encoders/tarblock"

// maxOctal is the largest size that 11 octal digits hold, in bytes.
const maxOctal = 8<<30 - 1

// header is a member's (POSIX.1-2017, pax, "ustar Interchange Format", which DSP0243
// wants):
//
//	  0 100s name          124  12s size          257  6s magic "ustar", NUL
//	100   8s mode          136  12s time          263  2s version "00"
//	108   8s owner         148   8s sum           265 32s owner's name
//	116   8s group         156   c  type '0'      297 32s group's name
//
// A member of 8 GiB and more has GNU tar's magic, "ustar", two blanks and a NUL, and
// its size in binary: vSphere takes that, and no pax headers (vmware/open-vmdk pull
// request 65).
func header(name string, size int64) []byte {
	h := make([]byte, tarblock.Size)
	copy(h, name)
	tarblock.Number(h[100:108], 0o644)
	tarblock.Number(h[108:116], 0)
	tarblock.Number(h[116:124], 0)
	tarblock.Number(h[124:136], size)
	tarblock.Number(h[136:148], tarblock.Modified)
	h[156] = '0'
	if size <= maxOctal {
		copy(h[257:], "ustar\x0000")
	} else {
		copy(h[257:], "ustar  \x00")
	}
	copy(h[265:], "root")
	copy(h[297:], "root")
	tarblock.Seal(h)
	return h
}
