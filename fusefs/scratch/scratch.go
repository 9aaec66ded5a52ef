// Package scratch shows readers as files that programs may write to: checkers of
// filesystems, and the kernel when it replays a log. What they write goes to a sparse
// file that is lost at the end; the reader is never written, since it cannot be.
//
// The mount is private: a directory of mode 0700 below the one for temporary files. The
// process that serves it must not open the files itself; programs and loop devices do.
package scratch

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// prefix is what the directories of all mounts are called, before a random end.
const prefix = "migimg-scratch-"

// unmountWait is how long the end waits for programs and loop devices to let go.
const unmountWait = 10 * time.Second

// File is a reader, safe for concurrent use, of Size bytes, and the name of the file
// that shows it.
type File struct {
	Name   string
	Reader io.ReaderAt
	Size   int64
}

// Mount is files being shown.
type Mount struct {
	dir    string
	server *fuse.Server
	nodes  map[string]*node
}

// New shows the files below dir ("" is the system's directory for temporary files),
// where what is written to them goes as well: all together at most half of what was
// free there. It needs FUSE, and root or fusermount3.
func New(dir string, files []File) (m *Mount, err error) {
	if dir == "" {
		dir = os.TempDir()
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return nil, fmt.Errorf("scratch: %s: %w", dir, err)
	}
	m = &Mount{nodes: map[string]*node{}}
	if m.dir, err = os.MkdirTemp(dir, prefix); err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	point := m.point()
	if err := os.Mkdir(point, 0o700); err != nil {
		return nil, errors.Join(err, os.Remove(m.dir))
	}
	spent := &budget{left: int64(st.Bavail) / 2 * st.Bsize}
	for _, f := range files {
		m.nodes[f.Name] = &node{overlay: &overlay{base: f.Reader, size: f.Size, dir: m.dir, spent: spent}}
	}
	timeout := 24 * time.Hour // nothing about them changes
	o := &fs.Options{
		EntryTimeout: &timeout, AttrTimeout: &timeout, NegativeTimeout: &timeout,
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
		MountOptions: fuse.MountOptions{
			FsName: "migimg-scratch", Name: "migimg", MaxWrite: 1 << 20, DisableSplice: true,
			Options: []string{"default_permissions"},
			Logger:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		},
	}
	if os.Geteuid() == 0 {
		o.DirectMountStrict = true
		o.DirectMountFlags = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
	} else {
		o.Options = append(o.Options, "nosuid", "nodev", "noexec")
	}
	m.server, err = fs.Mount(point, &root{nodes: m.nodes}, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("scratch: cannot mount at %s: %w", point, err), os.Remove(point), os.Remove(m.dir))
	}
	return m, nil
}

func (m *Mount) point() string { return filepath.Join(m.dir, "volumes") }

// Path is where the file of that name is.
func (m *Mount) Path(name string) string { return filepath.Join(m.point(), name) }

// Dir is a directory for what else is temporary; it ends with the mount.
func (m *Mount) Dir() string { return m.dir }

// Err is the first read or write of the file that failed, or nil: what a program said
// of the file then proves nothing.
func (m *Mount) Err(name string) error { return m.nodes[name].err() }

// Close ends the mount and removes what was written. Files that are still in use after
// some seconds are taken away from their users, and the error says so.
func (m *Mount) Close() error {
	err := m.server.Unmount()
	for end := time.Now().Add(unmountWait); err != nil && time.Now().Before(end); err = m.server.Unmount() {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		err = fmt.Errorf("scratch: %s is still in use: %w", m.point(), err)
		if e := syscall.Unmount(m.point(), syscall.MNT_DETACH|syscall.MNT_FORCE); e != nil {
			return errors.Join(err, e)
		}
	}
	for _, n := range m.nodes {
		n.close()
	}
	// Not all below it: what somebody has mounted there is not ours to remove.
	return errors.Join(err, os.Remove(m.point()), os.Remove(m.dir))
}
