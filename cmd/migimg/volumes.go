package main

import (
	"fmt"
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
	info   *blockmap.VolumeInfo
}

// volumeFiles are the partitions and logical volumes that the images carry, as
// partitions/p1-ext4.raw and partitions/vg-root.raw. The device itself is
// disk.raw.
func (s *source) volumeFiles() (out []volumeFile) {
	taken := map[string]bool{}
	for _, top := range s.volumes.Children {
		if top.LeftOut {
			continue
		}
		for v := range top.All() {
			name := "p" + v.Name
			if i := strings.LastIndexByte(v.Name, '/'); i >= 0 {
				name = v.Name[i+1:]
			} else if v.Type != "" {
				name += "-" + v.Type
			}
			if taken[name] { // as of two volume groups of one name
				name = strings.ReplaceAll(v.Name, "/", "-")
			}
			taken[name] = true
			out = append(out, volumeFile{Path: "partitions/" + name + ".raw", Volume: v.Name, Type: v.Type, Size: v.Size, info: v})
		}
	}
	return out
}

// addVolumes puts them into what a mount shows. One that does not lie on the
// device as a whole is left out.
func (s *source) addVolumes(t *fusefs.Tree) {
	for _, v := range s.volumeFiles() {
		f, err := v.info.File(s.served, s.blocks)
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
	i := strings.LastIndexByte(volume, '/')
	switch {
	case u.Device == s.dev.Name():
		return volume == ""
	case u.Partition != 0:
		return volume == fmt.Sprint(u.Partition)
	case i < 0:
		return false
	case strings.HasPrefix(u.Device, "md"):
		return volume[i+1:] == "md"
	}
	return u.Mapper != "" && volume[i+1:] == u.Mapper
}
