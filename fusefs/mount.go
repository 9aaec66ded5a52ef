package fusefs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// maxRead is the largest request that the kernel sends, in bytes; Linux 4.20
// and later go up to 1 MiB.
const maxRead = 1 << 20

// Type is the mounts' filesystem type, as the mount table shows it.
const Type = "fuse.migimg"

// Options are how a tree is mounted. The zero value is the default.
type Options struct {
	// Device is the source that the mount table shows.
	Device string
	// AllowOther lets users other than the mounting one in; permissions still
	// hold.
	AllowOther bool
	// MayWait says that reads may be held up for long, now. They are then done so
	// that a reader can be killed meanwhile, which costs some microseconds each.
	// nil is never.
	MayWait func() bool
	// Debug takes a line for every request; nil is none.
	Debug slog.Handler
}

// Stats is what a mount has done so far.
type Stats struct {
	open, served, errors atomic.Int64
}

// Open is how many images are open, Served how many bytes were given to
// readers, Errors how many reads failed.
func (s *Stats) Open() int64   { return s.open.Load() }
func (s *Stats) Served() int64 { return s.served.Load() }
func (s *Stats) Errors() int64 { return s.errors.Load() }

// ErrBusy is Unmount's answer while files of the mount are in use.
var ErrBusy = errors.New("the mount is busy: files in it are open, or it is somebody's working directory")

// Server is a mount being served.
type Server struct {
	point  string
	server *fuse.Server
	stats  *Stats
}

// Mount shows the tree at point, an empty directory, and returns when it is
// usable. A dead migimg mount that a killed process left there is removed
// first.
func Mount(point string, t Tree, stats *Stats, o Options) (*Server, error) {
	point, err := checkPoint(point)
	if err != nil {
		return nil, err
	}
	timeout := time.Duration(forever)
	opts := &fs.Options{
		EntryTimeout:    &timeout,
		NegativeTimeout: &timeout,
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			FsName:     o.Device,
			Name:       "migimg",
			AllowOther: o.AllowOther,
			MaxWrite:   maxRead,
			// Replies are pieces of our own memory; there is nothing to splice.
			DisableSplice:      true,
			DisableReadDirPlus: true,
			ExtraCapabilities:  fuse.CAP_DIRECT_IO_ALLOW_MMAP,
			Options:            []string{"default_permissions"},
			Debug:              o.Debug != nil,
			Logger:             slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		},
	}
	if o.Debug != nil {
		opts.MountOptions.Logger = slog.NewLogLogger(o.Debug, slog.LevelDebug)
	}
	if os.Geteuid() == 0 {
		opts.DirectMountStrict = true
		opts.DirectMountFlags = syscall.MS_RDONLY | syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
	} else {
		opts.Options = append(opts.Options, "ro", "nosuid", "nodev", "noexec")
	}
	server, err := fs.Mount(point, &root{tree: &t, stats: stats, pool: &pool{}, mounted: true, mayWait: o.MayWait}, opts)
	if err != nil {
		return nil, fmt.Errorf("cannot mount at %s: %w", point, err)
	}
	return &Server{point: point, server: server, stats: stats}, nil
}

// Wait returns when the filesystem has been unmounted, by whomever.
func (s *Server) Wait() { s.server.Wait() }

// Unmount ends the mount. It returns ErrBusy, and the mount goes on, while it is
// in use.
func (s *Server) Unmount() error {
	err := Unmount(s.point)
	if errors.Is(err, syscall.EPERM) { // not root: go-fuse asks fusermount3
		err = s.server.Unmount()
	}
	if err == nil {
		s.server.Wait()
	}
	return err
}

// Abort takes the mount away although it is in use: whoever has files open gets
// errors from then on.
func (s *Server) Abort() error {
	return syscall.Unmount(s.point, syscall.MNT_FORCE|syscall.MNT_DETACH)
}

// Unmount ends the migimg mount at point, from any process of root's; others get
// EPERM and have to ask the serving process, by SIGTERM.
func Unmount(point string) error {
	err := syscall.Unmount(point, 0)
	if errors.Is(err, syscall.EBUSY) {
		return ErrBusy
	}
	return err
}

// Dead says whether point is a mount whose daemon has gone without unmounting:
// killed, as a rule. The kernel may still answer for the directory's
// attributes, but not for its entries.
func Dead(point string) bool {
	_, err := os.ReadDir(point)
	return errors.Is(err, syscall.ENOTCONN)
}

// RemoveDead takes a dead mount out of the mount table.
func RemoveDead(point string) error { return syscall.Unmount(point, syscall.MNT_DETACH) }

// checkPoint makes the mount point absolute and sees that it is an empty
// directory, no link, and free of a dead mount.
func checkPoint(point string) (string, error) {
	abs, err := filepath.Abs(point)
	if err != nil {
		return "", err
	}
	if Dead(abs) {
		if err := RemoveDead(abs); err != nil {
			return "", fmt.Errorf("%s is a dead mount that cannot be removed: %w", abs, err)
		}
	}
	st, err := os.Lstat(abs)
	switch {
	case err != nil:
		return "", fmt.Errorf("mount point: %w", err)
	case st.Mode()&os.ModeSymlink != 0:
		return "", fmt.Errorf("mount point %s is a symbolic link; name the directory itself", abs)
	case !st.IsDir():
		return "", fmt.Errorf("mount point %s is not a directory", abs)
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return "", fmt.Errorf("mount point: %w", err)
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("mount point %s is not empty", abs)
	}
	return abs, nil
}
