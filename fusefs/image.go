package fusefs

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// blksize is what stat(2) advises for reading, in bytes: cp and friends then
// read as much at once as one request can carry.
const blksize = maxRead

// image is the node of a File.
type image struct {
	fs.Inode
	root *root
	file *File
}

var _ = (fs.NodeGetattrer)((*image)(nil))

func (i *image) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	i.root.attr(&out.Attr, i.root.fileMode())
	out.Size = uint64(i.file.Size)
	out.Blocks = uint64(i.file.Allocated+511) / 512
	out.Blksize = blksize
	out.SetTimeout(forever)
	return 0
}

var _ = (fs.NodeGetxattrer)((*image)(nil))

func (i *image) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	return getxattr(i.file.xattrs(), name, dest)
}

var _ = (fs.NodeListxattrer)((*image)(nil))

func (i *image) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return listxattr(i.file.xattrs(), dest)
}

var _ = (fs.NodeOpener)((*image)(nil))

func (i *image) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	i.root.stats.open.Add(1)
	h := &handle{image: i, stream: stream{file: i.file, pool: i.root.pool}, reader: newReader(ctx, i.file.Path)}
	if i.root.mounted {
		h.stream.behind.drop = func(off, n int64) { _ = i.NotifyContent(off, n) } // there may be nothing to drop
	}
	if i.root.opened != nil {
		i.root.opened(h.reader)
	}
	return h, fuse.FOPEN_DIRECT_IO, 0
}

// handle is an open image.
type handle struct {
	*image
	stream stream
	reader *Reader
}

var _ = (fs.FileReleaser)((*handle)(nil))

func (h *handle) Release(context.Context) syscall.Errno {
	h.stream.close()
	h.root.stats.open.Add(-1)
	if h.root.closed != nil {
		h.root.closed(h.reader)
	}
	return 0
}

var _ = (fs.FileReader)((*handle)(nil))

func (h *handle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n := min(int64(len(dest)), h.file.Size-off)
	if n <= 0 {
		return fuse.ReadResultData(nil), 0
	}
	r, ok := h.stream.read(ctx, off, n)
	switch {
	case r != nil || !ok:
	case n <= smallRead && (h.root.mayWait == nil || !h.root.mayWait()), n > maxRead: // the kernel does not ask for more
		if m, err := h.file.Reader.ReadAt(dest[:n], off); int64(m) < n {
			return nil, h.failed(err)
		}
		r = fuse.ReadResultData(dest[:n])
	default:
		var o *own
		if o = readOwn(ctx, h.file, off, n); o != nil && o.err != nil {
			o.Done()
			return nil, h.failed(o.err)
		}
		r, ok = o, o != nil
	}
	if !ok {
		return nil, syscall.EINTR
	}
	h.root.stats.served.Add(n)
	h.reader.given(off, n)
	return r, 0
}

// failed counts a read that failed.
func (h *handle) failed(err error) syscall.Errno {
	h.root.stats.errors.Add(1)
	h.reader.failed(err)
	return errno(err)
}

// errno is the one place where errors become what read(2) returns.
func errno(err error) syscall.Errno {
	var e syscall.Errno
	if errors.As(err, &e) && e != 0 {
		return e
	}
	return syscall.EIO
}

const (
	seekData = 3 // lseek(2)
	seekHole = 4
)

var _ = (fs.FileLseeker)((*handle)(nil))

func (h *handle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	if off >= uint64(h.file.Size) {
		return 0, syscall.ENXIO
	}
	for at := int64(off); at < h.file.Size; {
		n, data := h.file.Extent(at)
		switch {
		case whence != seekData && whence != seekHole:
			return 0, syscall.EINVAL
		case data == (whence == seekData):
			return uint64(at), 0
		}
		at += n
	}
	if whence == seekHole {
		return uint64(h.file.Size), 0 // every file ends in a hole
	}
	return 0, syscall.ENXIO
}

// readFull reads all of p; what is short of it is an error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
