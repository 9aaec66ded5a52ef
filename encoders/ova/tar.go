package ova

import "migimg/encoders/tarblock"

// maxOctal is the largest size that 11 octal digits hold, in bytes.
const maxOctal = 8<<30 - 1

// header is a member's: a POSIX one, which DSP0243 wants. A member of 8 GiB and more has
// GNU tar's magic, and its size in binary: vSphere takes that, and no pax headers
// (vmware/open-vmdk pull request 65).
func header(name string, size int64) []byte {
	magic := tarblock.Ustar
	if size > maxOctal {
		magic = tarblock.GNU
	}
	h := tarblock.Header(name, 0o644, size, '0', magic)
	tarblock.Seal(h)
	return h
}
