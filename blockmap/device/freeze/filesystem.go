package freeze

import (
	"cmp"
	"errors"
	"fmt"
	"migimg/blockmap/device/mounttable"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var errNoMount = errors.New("is in no mount that the mount table shows")

// Filesystem is a mounted filesystem to be frozen.
type Filesystem struct {
	// Point is where it is mounted; of several places any will do.
	Point string
	// FSType is its type, for messages; it may be empty.
	FSType string
	// Dev is the number of its superblock or of the block device it is on, as a dev_t;
	// 0 takes what is found at Point. With it, a mount point that something else has been
	// mounted over is told from the right one.
	Dev uint64
}

// target is a filesystem that has been opened.
type target struct {
	Filesystem
	sb uint64 // the superblock
	fd int
	// level is how many others of the set it rests on, by loop devices.
	level int
}

func (t *target) fail(err error, detail string) error {
	return &Error{Point: t.Point, FSType: t.FSType, Err: err, Detail: detail}
}

// openAll opens each filesystem once, however many mounts of it are named, and takes
// the lock that keeps others of us away. The caller closes what is returned, with an
// error, too.
func openAll(table []mount, fss []Filesystem) ([]*target, error) {
	var out []*target
	for _, fs := range fss {
		t, err := openOne(table, fs)
		if err != nil {
			return out, err
		}
		if slices.ContainsFunc(out, func(o *target) bool { return o.sb == t.sb }) {
			unix.Close(t.fd)
			continue
		}
		out = append(out, t)
		if err := t.lock(); err != nil {
			return out, err
		}
	}
	return out, nil
}

// lock keeps others of us away. It ends with the last descriptor, the watchdog's
// included: what is left of a predecessor that was killed is waited for. Two of us at
// different mounts of a filesystem are told apart by the kernel (EBUSY).
func (t *target) lock() error {
	var err error
	for range 40 {
		if err = unix.Flock(t.fd, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return t.fail(ErrBusy, "another program holds the lock (flock) on its mount point, another migimg perhaps: wait for it to end")
	case err != nil:
		return t.fail(err, "locking the mount point")
	}
	return nil
}

// openOne opens a filesystem at its mount point or, if that is hidden or in another mount
// namespace, at any other of its mounts.
func openOne(table []mount, fs Filesystem) (*target, error) {
	points := []string{fs.Point}
	if fs.Dev != 0 {
		for _, m := range table {
			if m.is(fs.Dev) {
				points = append(points, m.Point)
			}
		}
		for _, p := range slices.Clone(points) {
			points = append(points, "/proc/1/root"+p)
		}
	}
	var first error
	for _, p := range points {
		fd, m, err := openPoint(table, p)
		if err == nil && fs.Dev != 0 && !m.is(fs.Dev) {
			unix.Close(fd)
			err = fmt.Errorf("is %s on %s, not the device %s that was meant: something is mounted over it", m.FSType, m.Source, mounttable.FormatDev(fs.Dev))
		}
		if err == nil {
			if fs.FSType == "" {
				fs.FSType = m.FSType
			}
			return &target{Filesystem: fs, sb: m.Dev, fd: fd}, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, &Error{Point: fs.Point, FSType: fs.FSType, Err: first}
}

// openPoint opens a mount point. Anything but a directory or a file could do
// something when it is opened.
func openPoint(table []mount, point string) (int, mount, error) {
	var st unix.Stat_t
	if err := unix.Lstat(point, &st); err != nil {
		return -1, mount{}, err
	}
	if k := st.Mode & unix.S_IFMT; k != unix.S_IFDIR && k != unix.S_IFREG {
		return -1, mount{}, errors.New("is neither a directory nor a file: name a mount point")
	}
	fd, err := unix.Open(point, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, mount{}, err
	}
	m, err := mountOf(table, fd)
	if err != nil {
		unix.Close(fd)
		return -1, mount{}, err
	}
	return fd, m, nil
}

// order sorts for freezing. What rests on others, by loop devices, comes first: its
// freeze writes to what is beneath. Then types that are not known to freeze: if one
// cannot, little has been frozen in vain. Then data before the root filesystem,
// which most programs need.
func order(ts []*target) {
	slices.SortStableFunc(ts, func(a, b *target) int {
		return cmp.Or(
			-cmp.Compare(a.level, b.level),
			cmp.Compare(rank(freezes(a.FSType)), rank(freezes(b.FSType))),
			cmp.Compare(rank(a.Point == "/"), rank(b.Point == "/")),
			-cmp.Compare(strings.Count(a.Point, "/"), strings.Count(b.Point, "/")),
			cmp.Compare(a.Point, b.Point),
		)
	})
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// freezes says whether a type has freeze_fs or freeze_super (struct
// super_operations), as the kernel's disk filesystems of these names have.
func freezes(fstype string) bool {
	return slices.Contains([]string{"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "nilfs2", "reiserfs", "gfs2", "bcachefs"}, fstype)
}
