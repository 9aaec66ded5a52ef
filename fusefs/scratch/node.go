package scratch

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// root is the directory.
type root struct {
	fs.Inode
	nodes map[string]*node
}

var _ = (fs.NodeOnAdder)((*root)(nil))

func (r *root) OnAdd(ctx context.Context) {
	for name, n := range r.nodes {
		r.AddChild(name, r.NewPersistentInode(ctx, n, fs.StableAttr{Mode: syscall.S_IFREG}), false)
	}
}

// node is a file: an overlay that can be opened.
type node struct {
	fs.Inode
	*overlay
}

var _ = (fs.NodeGetattrer)((*node)(nil))

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFREG | 0o600
	out.Nlink = 1
	out.Size = uint64(n.size)
	out.Blocks = uint64(n.size+511) / 512
	out.Blksize = blockSize
	return 0
}

var _ = (fs.NodeSetattrer)((*node)(nil))

// Setattr leaves all as it is: a volume has one size.
func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok && size != uint64(n.size) {
		return syscall.EPERM
	}
	return n.Getattr(ctx, h, out)
}

var _ = (fs.NodeOpener)((*node)(nil))

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

var _ = (fs.NodeReader)((*node)(nil))

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	p := dest[:max(0, min(int64(len(dest)), n.size-off))]
	if err := n.read(p, off); err != nil {
		return nil, errno(err)
	}
	return fuse.ReadResultData(p), 0
}

var _ = (fs.NodeWriter)((*node)(nil))

func (n *node) Write(_ context.Context, _ fs.FileHandle, p []byte, off int64) (uint32, syscall.Errno) {
	if off > n.size-int64(len(p)) {
		return 0, syscall.ENOSPC
	}
	if err := n.write(p, off); err != nil {
		return 0, errno(err)
	}
	return uint32(len(p)), 0
}

var _ = (fs.NodeFsyncer)((*node)(nil))

// Fsync has nothing to do: the scratch ends with the process.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }

func errno(err error) syscall.Errno {
	if errors.Is(err, syscall.ENOSPC) {
		return syscall.ENOSPC
	}
	return syscall.EIO
}
