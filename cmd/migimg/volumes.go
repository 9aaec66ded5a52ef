package main

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/fusefs"
)

// volumeFile is a volume by itself in the mount.
type volumeFile struct {
	Path   string `json:"path"`
	Volume string `json:"volume"`
	Type   string `json:"type,omitempty"`
	Size   int64  `json:"size"`
	// Parts are the volumes that it lies in, where these are several.
	Parts []string `json:"parts,omitempty"`
	info  *blockmap.VolumeInfo
}

// volumeFiles are the partitions and logical volumes that the images carry, as
// partitions/p1-ext4.raw and partitions/vg-root.raw in the disk's folder, or above those
// where they lie on several disks. A device itself is disk.raw.
func (s *source) volumeFiles() (out []volumeFile) {
	for _, d := range s.disks {
		out = append(out, filesOf(d.name, d.node().Children, func(v *blockmap.VolumeInfo) string { name, _ := d.own(v.Name); return name })...)
	}
	if len(s.disks) > 1 { // of a disk alone they are among its children
		out = append(out, filesOf("", s.across(), func(v *blockmap.VolumeInfo) string { return v.Name })...)
	}
	return out
}

// filesOf are those of volumes and what is in them; named is a volume's name in the
// folder.
func filesOf(folder string, tops []*blockmap.VolumeInfo, named func(*blockmap.VolumeInfo) string) (out []volumeFile) {
	taken := map[string]bool{}
	for _, top := range tops {
		if top.LeftOut {
			continue
		}
		for v := range top.All() {
			own := named(v)
			name := own
			if i := strings.LastIndexByte(own, '/'); i >= 0 {
				name = own[i+1:]
			} else if len(v.Parts) == 0 {
				name = "p" + own
				if v.Type != "" {
					name += "-" + v.Type
				}
			}
			if taken[name] { // as of two volume groups of one name
				name = strings.ReplaceAll(own, "/", "-")
			}
			taken[name] = true
			out = append(out, volumeFile{Path: path.Join(folder, "partitions", name+".raw"), Volume: v.Name, Type: v.Type, Size: v.Size, Parts: v.Parts, info: v})
		}
	}
	return out
}

// addVolumes puts them into what a mount shows. One that does not lie on the
// disks as a whole is left out.
func (s *source) addVolumes(t *fusefs.Tree) {
	served := s.imagesSpace(func(d *disk) io.ReaderAt { return d.served })
	for _, v := range s.volumeFiles() {
		f, err := v.info.File(served, s.extent)
		if err != nil || v.Size == 0 {
			continue
		}
		t.Files = append(t.Files, fusefs.File{
			Path: v.Path, Size: v.Size, Allocated: v.info.Carried, Reader: f, Extent: f.Extent,
			Xattrs: map[string]string{
				"user.migimg.format":        "raw",
				"user.migimg.virtual-size":  fmt.Sprint(v.Size),
				"user.migimg.carried-bytes": fmt.Sprint(v.info.Carried),
				"user.migimg.consistency":   s.consistency.Level,
			},
		})
	}
}

// volumeOf is the name of the volume that the running system uses so; "" is the
// device itself, or a volume that the map does not know.
func (s *source) volumeOf(u device.Use) string {
	found := ""
	for v := range s.volumes.All() {
		if v.Name != "" && s.isVolume(u, v.Name) {
			if found != "" {
				return "" // two arrays: which one is not known
			}
			found = v.Name
		}
	}
	return found
}

// isVolume says that the running system may use the volume so. A logical volume is
// called what device-mapper calls it.
func (s *source) isVolume(u device.Use, volume string) bool {
	stacked := true // on a partition, or over several disks
	for _, d := range s.disks {
		inner, mine := d.own(volume)
		if mine {
			_, err := strconv.Atoi(inner)
			stacked = inner != "" && err != nil
		}
		if !slices.Contains(d.uses, u) {
			continue
		}
		switch {
		case u.Device == d.dev.Name():
			return mine && inner == ""
		case u.Partition != 0:
			return mine && inner == fmt.Sprint(u.Partition)
		}
	}
	name := volume[strings.LastIndexByte(volume, '/')+1:]
	switch {
	case !stacked:
		return false
	case strings.HasPrefix(u.Device, "md"):
		return name == "md" || name == volume && strings.HasPrefix(name, "md-")
	}
	return u.Mapper != "" && name == u.Mapper
}

// own is the name that the disk alone would have for a volume of it; not mine are those
// of other disks, and those over several.
func (d *disk) own(volume string) (name string, mine bool) {
	if volume == d.name {
		return "", true
	}
	return below(d.name, volume)
}

// whole is the disk that is used so as a whole; nil where it is a part of one, or more.
func (s *source) whole(u device.Use) *disk {
	for _, d := range s.disks {
		if u.Device == d.dev.Name() {
			return d
		}
	}
	return nil
}
