package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"migimg/verify/decoder"
	"migimg/verify/gzip"
	"migimg/verify/ova"
	"migimg/verify/qcow2"
	"migimg/verify/tar"
	"migimg/verify/vdi"
	"migimg/verify/vhd"
	"migimg/verify/vhdx"
	"migimg/verify/vmdk"
	"migimg/verify/zstd"
)

// Names of formats: as qemu-img has them but for vhd, which is its "vpc", and for what
// it does not know.
const (
	Raw     = "raw"
	QCOW2   = "qcow2"
	VHD     = "vhd"
	VMDK    = "vmdk"
	VHDX    = "vhdx"
	VDI     = "vdi"
	RawGzip = "raw.gz"     // the disk in gzip
	RawZstd = "raw.zst"    // the disk in zstd
	Tar     = "raw.tar"    // the disk as disk.raw in a tar archive
	TarGzip = "raw.tar.gz" // that in gzip
	OVA     = "ova"
)

// Formats are the names of all, in the order in which people see them.
func Formats() []string {
	return []string{Raw, QCOW2, VHD, VMDK, VHDX, VDI, RawGzip, RawZstd, Tar, TarGzip, OVA}
}

// Detect gives the image's format: Image.Format, or what its magic says.
// Formats that verify does not decode are raw to it. A magic that cannot be
// read is an error.
func Detect(im Image) (string, error) {
	if slices.Contains(Formats(), im.Format) {
		return im.Format, nil
	}
	if im.Format != "" {
		return "", fmt.Errorf("verify: %s: format %q is not one of %s", im.Name, im.Format, strings.Join(Formats(), ", "))
	}
	f := decoder.File{R: im.R, Size: im.Size}
	head := make([]byte, tar.HeaderSize)
	if n, err := f.ReadAt(head, 0); err != nil {
		if !errors.Is(err, decoder.ErrShort) {
			return "", fmt.Errorf("verify: %s: %w", im.Name, err)
		}
		head = head[:n]
	}
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins(qcow2.Magic):
		return QCOW2, nil
	case begins(vmdk.Magic), begins(vmdk.TextMagic):
		return VMDK, nil
	case begins(vhdx.Magic):
		return VHDX, nil
	case begins(vhd.Magic):
		return VHD, nil
	case begins(gzip.Magic):
		if _, ok := tar.First(gzip.Head(f, tar.HeaderSize)); ok {
			return TarGzip, nil
		}
		return RawGzip, nil
	case begins(zstd.Magic):
		return RawZstd, nil
	case len(head) > vdi.MagicOffset && bytes.HasPrefix(head[vdi.MagicOffset:], []byte(vdi.Magic)):
		return VDI, nil
	case vhd.IsFixed(f):
		return VHD, nil
	}
	switch name, ok := tar.First(head); {
	case ok && filepath.Ext(name) == ".ovf":
		return OVA, nil
	case ok:
		return Tar, nil
	}
	return Raw, nil
}

// open checks the structure and opens the disk; nil where it cannot be read.
func open(ctx context.Context, im Image, f decoder.File, format string, src *Source) (decoder.Disk, Aspect, error) {
	var d decoder.Disk
	var summary string
	var err error
	ps := &decoder.Problems{}
	switch format {
	case QCOW2:
		d, summary, err = qcow2.Open(ctx, f, ps)
	case VHD:
		d, summary, err = vhd.Open(ctx, f, ps)
	case VMDK:
		if vmdk.IsText(f) {
			d, summary, err = vmdk.OpenText(f, im.beside, ps)
		} else {
			d, summary, err = vmdk.Open(ctx, f, filepath.Base(im.Name), ps)
		}
	case VHDX:
		d, summary, err = vhdx.Open(ctx, f, ps)
	case VDI:
		d, summary, err = vdi.Open(ctx, f, ps)
	case RawGzip, TarGzip:
		d, summary, err = gzip.Open(ctx, f, ps)
	case RawZstd:
		d, summary, err = zstd.Open(ctx, f, ps)
	case Tar:
		d, summary, err = tar.Open(ctx, decoder.Raw(f), ps)
	case OVA:
		d, summary, err = ova.Open(ctx, f, ps)
	default:
		summary = fmt.Sprintf("raw, %d bytes", f.Size)
		rawSize(f, src, ps)
		d = decoder.Raw(f)
	}
	if format == TarGzip && d != nil && err == nil {
		outer := summary
		d, summary, err = tar.Open(ctx, d, ps)
		summary = outer + "; " + summary
	}
	if d == nil && err == nil {
		summary = "cannot be read as " + format
	}
	if d != nil && wraps(format) && d.Size()%512 != 0 {
		ps.Warnf(-1, "the disk of %d bytes is no number of sectors", d.Size())
	}
	return d, NewAspect(Structure, summary, ps), err
}

// wraps says that what a format holds is the raw disk.
func wraps(format string) bool {
	return format == RawGzip || format == RawZstd || format == Tar || format == TarGzip
}

// beside opens a file beside the image.
func (im Image) beside(name string) (decoder.File, error) {
	if im.Beside == nil {
		return decoder.File{}, errors.New("files beside the image cannot be opened here")
	}
	r, size, err := im.Beside(name)
	return decoder.File{R: r, Size: size}, err
}

// rawSize checks all that a raw image has of a structure.
func rawSize(f decoder.File, src *Source, ps *decoder.Problems) {
	if f.Size%512 != 0 {
		ps.Warnf(f.Size, "raw: %d bytes are no number of sectors", f.Size)
	}
	switch {
	case src == nil:
	case f.Size < src.Size:
		ps.Failf(f.Size, "raw: the file has %d bytes, the source %d: %d are missing", f.Size, src.Size, src.Size-f.Size)
	case f.Size > src.Size:
		ps.Warnf(src.Size, "raw: the file has %d bytes, the source %d", f.Size, src.Size)
	}
}
