package facts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"migimg/preflight/guestfs"
)

// Layers are the volumes that a volume lies in, outermost first, and the volume
// itself: a partition, the physical volume on it, the logical volume. On a
// running system the volume may be the partition and the filesystem lie deeper
// than the scan went.
func (d *Disk) Layers(name string) (out []Volume) {
	lies := func(name string, v Volume) bool {
		return v.Name == name || v.Name != "" && strings.HasPrefix(name, v.Name+"/")
	}
	for _, v := range d.Volumes {
		if lies(name, v) {
			for _, p := range v.Parts { // of several disks, before it
				out = append(out, d.Layers(p)...)
			}
			out = append(out, v)
		}
	}
	return out
}

// On says whether a volume lies on a layer of a type ("LVM2_member",
// "crypto_LUKS", "linux_raid_member").
func (d *Disk) On(name, kind string) bool {
	for _, v := range d.Layers(name) {
		if v.Type == kind {
			return true
		}
	}
	return false
}

// bytesOf reads a volume that the scan found, through the view. It fails for one
// that does not lie on the device whole.
func (g *gatherer) bytesOf(name string) (io.ReaderAt, int64, error) {
	if g.src.View == nil {
		return nil, 0, errors.New("no access to its bytes")
	}
	if g.src.Volumes != nil {
		for v := range g.src.Volumes.All() {
			if v.Name != name {
				continue
			}
			if v.Start >= 0 {
				return io.NewSectionReader(g.src.View, v.Start, v.Size), v.Size, nil
			}
			f, err := v.File(g.src.View, nil)
			if err != nil {
				return nil, 0, err
			}
			return f, f.Size(), nil
		}
	}
	return nil, 0, fmt.Errorf("no volume %q", name)
}

// config reads a configuration file: missing is not there, a problem is why it
// could not be read.
func (g *gatherer) config(name string) (s string, missing bool, problem error) {
	b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", true, nil
	case err != nil:
		return "", false, err
	}
	return string(b), false, nil
}
