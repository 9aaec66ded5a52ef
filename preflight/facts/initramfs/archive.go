// Package initramfs lists what is in an initramfs: the kernel modules, the
// files, and the text of the few small files that decide how the guest boots.
//
// # Format
//
// An initramfs is any number of segments one after the other, with NUL bytes
// between them: a cpio archive (newc or crc) at an offset divisible by four, or
// one cpio archive compressed with gzip, bzip2, xz, lzma, zstd, legacy lz4 or
// lzop (Documentation/driver-api/early-userspace/buffer-format.rst and
// init/initramfs.c of the kernel). Debian and Ubuntu put the processor's
// microcode and sometimes the already compressed modules into segments of their
// own, before the compressed one.
//
// # What can be concluded
//
// A file that is listed is there. A file that is not listed is missing only if
// [Archive.Opaque] is empty: an unknown compression, a damaged segment, a nested
// squashfs or a limit that was reached may hide it.
//
// # Bounds
//
// The archive is read as a stream and nothing is ever extracted. Memory stays
// around 40 MiB for usual archives, plus the window that the compression itself
// asks for: at most 64 MiB for xz and lzma, 128 MiB for zstd; see [Limits].
package initramfs

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
)

// Limits bounds what Read does. A zero field means the default.
type Limits struct {
	// Decompressed is how many bytes come out of the decompressors at most;
	// default 2 GiB.
	Decompressed int64
	// Entries is how many members are listed at most; default 200,000.
	Entries int
	// Names is how many bytes the names take together at most; default 32 MiB.
	Names int64
	// Content is how many bytes of file contents are kept at most; default 4 MiB.
	// One file is kept up to 256 KiB.
	Content int64
}

const (
	maxSegments    = 256
	maxFileContent = 256 << 10
	maxName        = 4096 // PATH_MAX: init/initramfs.c skips longer names
)

func (l Limits) filled() Limits {
	if l.Decompressed <= 0 {
		l.Decompressed = 2 << 30
	}
	if l.Entries <= 0 {
		l.Entries = 200_000
	}
	if l.Names <= 0 {
		l.Names = 32 << 20
	}
	if l.Content <= 0 {
		l.Content = 4 << 20
	}
	return l
}

// Segment is one part of the archive.
type Segment struct {
	// Offset is the segment's first byte in the archive.
	Offset int64 `json:"offset"`
	// Size is how many bytes lie between it and the next segment, the padding
	// included.
	Size int64 `json:"size"`
	// Compression is "cpio" for none, "gzip", "bzip2", "xz", "lzma", "zstd",
	// "lz4", "lzop" or "unknown".
	Compression string `json:"compression"`
	// Entries is how many members were read from it.
	Entries int `json:"entries"`
}

// File is a member of the archive. Where several members have one path, the
// last one counts, as for the kernel.
type File struct {
	// Path has no leading slash and no "." or ".." elements; the root is ".".
	Path string
	// Mode is st_mode as in the header: type and permissions.
	Mode uint32
	// Size is in bytes. Of hard links only the last one has the data.
	Size int64
	// Link is where a symbolic link points to.
	Link string
}

// IsLink says whether the file is a symbolic link.
func (f File) IsLink() bool { return f.Mode&modeType == modeLink }

// IsDir says whether the file is a directory.
func (f File) IsDir() bool { return f.Mode&modeType == modeDir }

// IsRegular says whether the file is a regular file.
func (f File) IsRegular() bool { return f.Mode&modeType == modeRegular }

const (
	modeType    = 0o170000
	modeDir     = 0o040000
	modeRegular = 0o100000
	modeLink    = 0o120000
)

// Module is a kernel module in the archive.
type Module struct {
	// Name is the module's name as [ModuleName] gives it.
	Name string
	// Kernel is the release whose folder it lies in; empty where modules lie in
	// lib itself, as mkinitrd of RHEL 5 put them.
	Kernel string
	// Path is the member's.
	Path string
}

// Archive is what was found in an initramfs. It is immutable.
type Archive struct {
	Segments []Segment
	// Files are the members in the archive's order, the last of each path.
	Files []File
	// Modules are the kernel modules among them.
	Modules []Module
	// Contents are the small files that decide how the guest boots, by path:
	// configuration of modprobe, dracut, crypttab, mdadm, LVM, the init script.
	Contents map[string][]byte
	// Opaque is why more may be in the archive than is listed; empty if the list
	// is complete.
	Opaque string
	// Truncated says that the bytes end in the middle of a segment. Opaque says so
	// too.
	Truncated bool
	// Problems are what is odd, in words for the owner of the guest.
	Problems []string

	index map[string]int
}

// Read lists the archive of size bytes in r. The error is that of r or of the
// context; what is wrong with the archive itself is in Problems and Opaque.
func Read(ctx context.Context, r io.ReaderAt, size int64, lim Limits) (*Archive, error) {
	d := &reader{
		ctx: ctx,
		in:  newCursor(r, size),
		lim: lim.filled(),
		a:   &Archive{Contents: map[string][]byte{}, index: map[string]int{}},
	}
	d.segments()
	d.a.findModules()
	d.a.findNested()
	if err := ctx.Err(); err != nil {
		return d.a, fmt.Errorf("initramfs: %w", err)
	}
	if d.in.err != nil {
		return d.a, fmt.Errorf("initramfs: byte %d: %w", d.in.Pos(), d.in.err)
	}
	return d.a, nil
}

// Find looks a path up and follows symbolic links inside the archive, at most
// 40 as in the kernel.
func (a *Archive) Find(name string) (File, bool) {
	p, hops := path.Clean("/" + name)[1:], 0
	for rest, done := p, ""; ; {
		elem, tail, more := strings.Cut(rest, "/")
		at := path.Join(done, elem)
		i, ok := a.index[at]
		if !ok && more { // a folder without a member of its own
			rest, done = tail, at
			continue
		}
		if !ok {
			return File{}, false
		}
		f := a.Files[i]
		if f.IsLink() {
			if hops++; hops > 40 {
				return File{}, false
			}
			to := f.Link
			if !strings.HasPrefix(to, "/") {
				to = done + "/" + to
			}
			if rest, done = path.Clean("/" + to + "/" + tail)[1:], ""; len(rest) > maxName {
				return File{}, false
			}
			continue
		}
		if !more {
			return f, true
		}
		rest, done = tail, at
	}
}

// Module looks up a module of the kernel release kernel by its name. Modules
// that do not say which kernel they belong to count for every kernel.
func (a *Archive) Module(name, kernel string) (Module, bool) {
	name = normalName(name)
	for _, m := range a.Modules {
		if m.Name == name && (m.Kernel == kernel || m.Kernel == "") {
			return m, true
		}
	}
	return Module{}, false
}

func (a *Archive) problem(format string, args ...any) {
	if len(a.Problems) < 100 {
		a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
	}
}

// opaque is problem, and says that the list is not complete.
func (a *Archive) opaque(format string, args ...any) {
	a.problem(format, args...)
	if a.Opaque == "" {
		a.Opaque = fmt.Sprintf(format, args...)
	}
}
