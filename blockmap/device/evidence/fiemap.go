package evidence

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FS_IOC_FIEMAP and its structures (kernel, include/uapi/linux/fiemap.h).
const (
	iocFiemap  = 0xc020660b
	headerSize = 32
	extentSize = 56
	perCall    = 128

	lastExtent = 0x1
	// Those have no place on the device, or none that is known.
	placeless = 0x2 | 0x4 | 0x8 | 0x200 // unknown, delayed, encoded, inline
)

// liesAt says whether the file's contents are where they lay. What came since may be
// anywhere else.
func liesAt(fd int, lay []Extent) bool {
	lay = slices.Clone(lay)
	b := make([]byte, headerSize+perCall*extentSize)
	for at := lay[0].At; ; {
		clear(b)
		binary.NativeEndian.PutUint64(b, uint64(at))
		binary.NativeEndian.PutUint64(b[8:], ^uint64(0)-uint64(at))
		binary.NativeEndian.PutUint32(b[24:], perCall)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), iocFiemap, uintptr(unsafe.Pointer(&b[0]))); errno != 0 {
			return false
		}
		n := int(binary.NativeEndian.Uint32(b[20:]))
		last := n < perCall
		for i := range n {
			x := b[headerSize+i*extentSize:]
			now := Extent{At: int64(binary.NativeEndian.Uint64(x)), Off: int64(binary.NativeEndian.Uint64(x[8:])), Len: int64(binary.NativeEndian.Uint64(x[16:]))}
			flags := binary.NativeEndian.Uint32(x[40:])
			if lay = covered(lay, now, flags&placeless != 0); len(lay) == 0 {
				return true
			}
			if lay[0].At < now.At { // nothing is there any more, or elsewhere
				return false
			}
			at, last = now.At+now.Len, last || flags&lastExtent != 0
		}
		if last {
			return false
		}
	}
}

// covered is what of lay an extent of now leaves to be found; what lies elsewhere is
// never found.
func covered(lay []Extent, now Extent, placeless bool) []Extent {
	for len(lay) > 0 && lay[0].At >= now.At && lay[0].At < now.At+now.Len {
		if placeless || lay[0].Off-lay[0].At != now.Off-now.At {
			return lay
		}
		part := min(lay[0].Len, now.At+now.Len-lay[0].At)
		if part < lay[0].Len {
			lay[0] = Extent{At: lay[0].At + part, Off: lay[0].Off + part, Len: lay[0].Len - part}
			return lay
		}
		lay = lay[1:]
	}
	return lay
}
