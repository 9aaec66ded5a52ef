package vmdk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"migimg/verify/decoder"
)

// TextMagic begins a descriptor, which is a file of its own where the disk is flat.
const TextMagic = "# Disk DescriptorFile"

// maxText bounds a descriptor, in bytes; QEMU reads no more than 1 MiB.
const maxText = 64 << 10

// flatKinds are the types of disks whose data are the disk's bytes in one other file,
// with what the extent's line says of it: its type, and the offset in the file, which
// only the hosted products have (technical note, "Extent Description").
var flatKinds = map[string]struct{ kind, offset string }{
	"monolithicFlat": {"FLAT", " 0"},
	"vmfs":           {"VMFS", ""},
}

// IsText says whether the file is a descriptor.
func IsText(f decoder.File) bool {
	b, err := f.Bytes(0, min(f.Size, int64(len(TextMagic))))
	return err == nil && string(b) == TextMagic
}

// OpenText is [Open] for a descriptor of a flat disk (monolithicFlat, vmfs): beside
// opens the file with the data, which must be beside it. Locate gives offsets in that
// file. A file with another name than one without a folder is not opened: it could be
// anybody's.
func OpenText(f decoder.File, beside func(name string) (decoder.File, error), ps *decoder.Problems) (decoder.Disk, string, error) {
	d := newDescriptor(0, ps)
	if f.Size > maxText {
		d.failf("%d bytes long; %d are more than enough", f.Size, maxText)
		return nil, "", nil
	}
	b, err := f.Bytes(0, f.Size)
	if err != nil {
		ps.Err(0, "vmdk: descriptor", err)
		return nil, "", nil
	}
	if !d.read(b) {
		return nil, "", nil
	}
	if !bytes.HasSuffix(b, []byte("\n")) {
		d.failf("the last line does not end: a short copy")
	}
	kind := d.keys["createType"]
	want, ok := flatKinds[kind]
	if !ok {
		ps.Unknownf(0, "vmdk: descriptor: the type %.40q: this check reads descriptors of monolithicFlat and vmfs", kind)
		return nil, "", nil
	}
	d.values(kind)
	if len(d.extents) != 1 {
		d.failf("%d extents, must be 1", len(d.extents))
		return nil, "", nil
	}
	e := d.extents[0]
	if e.kind != want.kind || e.offset != want.offset {
		d.failf("an extent of %s%s, must be %s%s for %s", e.kind, e.offset, want.kind, want.offset, kind)
	}
	if !e.plainName(d) {
		return nil, "", nil
	}
	data, err := beside(e.name)
	if err != nil {
		add := ps.Unknownf
		if errors.Is(err, fs.ErrNotExist) {
			add = ps.Failf
		}
		add(-1, "vmdk: the disk's data: %.80s: %v: copy both files into one folder", e.name, err)
		return nil, "", nil
	}
	switch size := e.sectors * sector; {
	case e.sectors <= 0 || e.sectors > 1<<53:
		d.failf("the extent has %d sectors", e.sectors)
	case data.Size < size:
		ps.Failf(-1, "vmdk: %.80s has %d bytes, the descriptor says %d: %d are missing", e.name, data.Size, size, size-data.Size)
	case data.Size > size:
		ps.Failf(-1, "vmdk: %.80s has %d bytes, the descriptor says %d", e.name, data.Size, size)
		data.Size = size
	}
	return decoder.Raw(data), fmt.Sprintf("%s, %d bytes in %s", kind, data.Size, e.name), nil
}
