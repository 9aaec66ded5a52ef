package fusefs

import (
	"context"
	"io"
	"maps"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// File is an image file of the mount. Its fields are constant.
type File struct {
	// Path below the mount point, with slashes: "disk.qcow2".
	Path string
	// Size in bytes, and how many of them are not holes.
	Size, Allocated int64
	// Reader gives the file's bytes; it must be safe for concurrent use.
	Reader io.ReaderAt
	// Extent is how many bytes from off on, at least 1, are alike, and whether
	// they are data or a hole; 0 <= off < Size.
	Extent func(off int64) (n int64, data bool)
	// Xattrs are the file's extended attributes by full name.
	Xattrs map[string]string
	// Digest, if there is one, is also the Reader; its sums are the attributes
	// user.migimg.sha256 and user.migimg.crc64 once they are known.
	Digest *Digest
}

// xattrs are the attributes that the file has now.
func (f *File) xattrs() map[string]string {
	if f.Digest == nil {
		return f.Xattrs
	}
	all := maps.Clone(f.Xattrs)
	for name, sum := range map[string]string{"user.migimg.sha256": f.Digest.SHA256(), "user.migimg.crc64": f.Digest.CRC64()} {
		if sum != "" {
			all[name] = sum
		}
	}
	return all
}

// Document is a small file that is computed when it is looked at.
type Document struct {
	Path string
	// Bytes computes the content. An error makes the file unreadable (EIO).
	Bytes func() ([]byte, error)
}

// Tree is what a mount shows.
type Tree struct {
	Files     []File
	Documents []Document
	// Xattrs are the root directory's.
	Xattrs map[string]string
	// ModTime of everything in the tree.
	ModTime time.Time
	// UID and GID own everything; Mode are the permission bits of files, of
	// which directories get the search bits as well. 0 means 0400.
	UID, GID uint32
	Mode     uint32
}

// root is the mount's root directory.
type root struct {
	fs.Inode
	tree  *Tree
	stats *Stats
	pool  *pool
	// mounted says that there is a kernel to be told things.
	mounted bool
	mayWait func() bool
	opened  func(*Reader)
	closed  func(*Reader)
}

var _ = (fs.NodeOnAdder)((*root)(nil))

func (r *root) OnAdd(ctx context.Context) {
	for i := range r.tree.Files {
		r.add(ctx, r.tree.Files[i].Path, &image{root: r, file: &r.tree.Files[i]})
	}
	for i := range r.tree.Documents {
		r.add(ctx, r.tree.Documents[i].Path, &document{root: r, doc: &r.tree.Documents[i]})
	}
}

// add puts a file at its path, with the directories above it.
func (r *root) add(ctx context.Context, name string, node fs.InodeEmbedder) {
	dir, base := path.Split(name)
	parent := r.EmbeddedInode()
	for _, part := range strings.Split(strings.Trim(dir, "/"), "/") {
		if part == "" {
			continue
		}
		child := parent.GetChild(part)
		if child == nil {
			child = parent.NewPersistentInode(ctx, &directory{root: r}, fs.StableAttr{Mode: fuse.S_IFDIR})
			parent.AddChild(part, child, false)
		}
		parent = child
	}
	parent.AddChild(base, parent.NewPersistentInode(ctx, node, fs.StableAttr{Mode: fuse.S_IFREG}), false)
}

// attr fills in what all nodes have in common.
func (r *root) attr(a *fuse.Attr, mode uint32) {
	a.Mode = mode
	a.Uid, a.Gid = r.tree.UID, r.tree.GID
	t := r.tree.ModTime
	a.SetTimes(&t, &t, &t)
}

func (r *root) fileMode() uint32 {
	if r.tree.Mode == 0 {
		return 0o400
	}
	return r.tree.Mode & 0o444
}

// dirMode lets those into directories who may read files.
func (r *root) dirMode() uint32 { return r.fileMode() | r.fileMode()>>2 }

var _ = (fs.NodeGetattrer)((*root)(nil))

func (r *root) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	r.attr(&out.Attr, r.dirMode())
	out.SetTimeout(forever)
	return 0
}

var _ = (fs.NodeGetxattrer)((*root)(nil))

func (r *root) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	return getxattr(r.tree.Xattrs, name, dest)
}

var _ = (fs.NodeListxattrer)((*root)(nil))

func (r *root) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return listxattr(r.tree.Xattrs, dest)
}

var _ = (fs.NodeStatfser)((*root)(nil))

// Statfs says how much there is to copy: a full filesystem with the bytes of
// all images that are not holes.
func (r *root) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const block = 4096
	for i := range r.tree.Files {
		out.Blocks += uint64(r.tree.Files[i].Allocated+block-1) / block
	}
	out.Bsize, out.Frsize, out.NameLen = block, block, 255
	out.Files = uint64(len(r.tree.Files) + len(r.tree.Documents))
	return 0
}

// directory is a directory below the root.
type directory struct {
	fs.Inode
	root *root
}

var _ = (fs.NodeGetattrer)((*directory)(nil))

func (d *directory) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.root.attr(&out.Attr, d.root.dirMode())
	out.SetTimeout(forever)
	return 0
}

// forever is how long the kernel may remember what never changes.
const forever = 24 * time.Hour
