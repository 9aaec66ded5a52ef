package fusefs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// document is the node of a Document.
type document struct {
	fs.Inode
	root *root
	doc  *Document
}

var _ = (fs.NodeGetattrer)((*document)(nil))

func (d *document) Getattr(_ context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.root.attr(&out.Attr, d.root.fileMode())
	h, ok := f.(*snapshot)
	if !ok {
		b, err := d.doc.Bytes()
		if err != nil {
			return errno(err)
		}
		h = &snapshot{b}
	}
	out.Size = uint64(len(h.data))
	out.Blocks = (out.Size + 511) / 512
	return 0
}

var _ = (fs.NodeOpener)((*document)(nil))

// Open takes the version that this reader will see. Without the page cache
// (FOPEN_DIRECT_IO) its length need not be the one that stat(2) told.
func (d *document) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	b, err := d.doc.Bytes()
	if err != nil {
		return nil, 0, errno(err)
	}
	return &snapshot{b}, fuse.FOPEN_DIRECT_IO, 0
}

// snapshot is an open document.
type snapshot struct{ data []byte }

var _ = (fs.FileReader)((*snapshot)(nil))

func (s *snapshot) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if off >= int64(len(s.data)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(s.data[off:min(int64(len(s.data)), off+int64(len(dest)))]), 0
}
