package snapshots

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ioctls are those of the kernel's include/uapi/linux/btrfs.h. How a number
// says which way the argument goes is the processor's, as in FICLONE and
// FS_IOC_GETFLAGS, and BLKRRPART has none.
const (
	directions = 7 << 29
	none       = unix.BLKRRPART & directions
	in         = unix.FICLONE & directions
	out        = unix.FS_IOC_GETFLAGS & directions
	btrfsMagic = 0x94 << 8

	syncAll         = none | btrfsMagic | 8
	destroySnapshot = in | 4096<<16 | btrfsMagic | 15
	searchTree      = in | out | 112<<16 | btrfsMagic | 17
	lookUpInode     = in | out | 4096<<16 | btrfsMagic | 18
	createSnapshot  = in | 4096<<16 | btrfsMagic | 23
	deviceInfo      = in | out | 4096<<16 | btrfsMagic | 30
	filesystemInfo  = out | 1024<<16 | btrfsMagic | 31
	subvolumeInfo   = out | 504<<16 | btrfsMagic | 60
)

var native = binary.NativeEndian

// ioctl calls with an argument of at least the size that the number has.
func ioctl(fd int, number uintptr, arg []byte) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), number, uintptr(unsafe.Pointer(&arg[0])))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// snapshot makes a read-only snapshot (struct btrfs_ioctl_vol_args_v2).
func snapshot(source, dir int, name string) error {
	const readOnly = 1 << 1
	b := make([]byte, 4096)
	native.PutUint64(b, uint64(source))
	native.PutUint64(b[16:], readOnly)
	copy(b[56:4095], name)
	return ioctl(dir, createSnapshot, b)
}

// destroy deletes a subvolume (struct btrfs_ioctl_vol_args).
func destroy(dir int, name string) error {
	b := make([]byte, 4096)
	copy(b[8:4095], name)
	return ioctl(dir, destroySnapshot, b)
}

// subvolume is what struct btrfs_ioctl_get_subvol_info_args says of one, and its
// path.
type subvolume struct {
	ID       uint64   `json:"id"`
	UUID     [16]byte `json:"uuid"`
	Path     string   `json:"path"` // from the top level, without a leading slash
	parent   [16]byte // what it is a snapshot of
	readOnly bool
}

// infoOf is of the subvolume that fd is the root of.
func infoOf(fd int) (subvolume, error) {
	const rootInode = 256
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return subvolume{}, err
	}
	if st.Ino != rootInode {
		return subvolume{}, fmt.Errorf("is no subvolume: %w", unix.EINVAL)
	}
	b := make([]byte, 504)
	if err := ioctl(fd, subvolumeInfo, b); err != nil {
		return subvolume{}, err
	}
	return subvolume{ID: native.Uint64(b), UUID: [16]byte(b[296:]), parent: [16]byte(b[312:]), readOnly: native.Uint64(b[288:])&1 != 0}, nil
}

// dirPath is a folder's path in its subvolume, with a slash behind it; "" for
// the root.
func dirPath(fd int, tree, dir uint64) (string, error) {
	b := make([]byte, 4096)
	native.PutUint64(b, tree)
	native.PutUint64(b[8:], dir)
	if err := ioctl(fd, lookUpInode, b); err != nil {
		return "", err
	}
	return text(b[16:]), nil
}

// identity is the number that the mounted filesystem has.
func identity(fd int) (fsid [16]byte, devices uint64, err error) {
	b := make([]byte, 1024)
	err = ioctl(fd, filesystemInfo, b)
	return [16]byte(b[16:]), native.Uint64(b), err
}

// devicePath is that of a device by its number in the filesystem.
func devicePath(fd int, id uint64) (string, error) {
	b := make([]byte, 4096)
	native.PutUint64(b, id)
	err := ioctl(fd, deviceInfo, b)
	return text(b[3072:]), err
}

// text is up to the first zero.
func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
