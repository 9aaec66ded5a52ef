package main

import (
	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/device/mounttable"
	"migimg/verify/fsck"
)

// live finds, for the volumes of an image that are filesystems of the mount's device
// which the running system has mounted, where that is.
func (k *volumeChecks) live(list []*checkedVolume) error {
	var doc mapDocument
	if err := readJSON(k.source, mapPath, &doc); err != nil {
		return err
	}
	st, err := readStatus(k.source)
	if err != nil {
		return err
	}
	dev, err := device.Open(doc.Source.Device)
	if err != nil {
		return err
	}
	defer dev.Close()
	uses, err := dev.Uses(device.Roots{})
	if err != nil {
		return err
	}
	rows, err := mounttable.Read("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	s := &source{volumes: doc.Volumes}
	s.disks = []*disk{{src: s, dev: dev, uses: uses}}
	for _, v := range list {
		if !sameVolume(doc.Volumes, v.info) {
			continue
		}
		for _, u := range uses {
			at, ok := rowOf(rows, u)
			if !ok || !s.isVolume(u, v.info.Name) {
				continue
			}
			l := &fsck.Live{Point: at.Point, Root: at.Root, T0: st.T0, Drifted: (&driftSince{point: k.source, volume: v.info.Name}).has}
			if v.Live == nil || len(l.Root) < len(v.Live.Root) { // what shows most of it
				v.Live = l
			}
		}
	}
	return nil
}

// rowOf is the mount that a use speaks of. The last one at its place is what is seen.
func rowOf(rows []mounttable.Row, u device.Use) (at mounttable.Row, ok bool) {
	if u.Kind != "mount" {
		return at, false
	}
	for _, r := range rows {
		if r.Point == u.Point {
			at, ok = r, true
		}
	}
	return at, ok && at.FSType == u.FSType
}

// sameVolume says that the device has the volume of the image: by its place among the
// others, its kind and its UUID.
func sameVolume(root, v *blockmap.VolumeInfo) bool {
	for x := range root.All() {
		if x.Name == v.Name && x.Type == v.Type && x.UUID == v.UUID && x.UUID != "" {
			return true
		}
	}
	return false
}
