package main

import (
	"fmt"
	"log/slog"

	"migimg/blockmap"
	"migimg/blockmap/device"
)

// warnings are what the owner of the disks should know about their maps.
func (s *source) warnings() []string {
	out := s.ownWarnings()
	for _, d := range s.disks {
		out = append(out, d.warnings()...)
	}
	return out
}

// ownWarnings are those that are of no single disk.
func (s *source) ownWarnings() (out []string) {
	if s.consistency.Level == levelLive {
		out = append(out, s.consistency.Detail)
	}
	out = append(out, s.consistency.Notes...)
	if n := s.mapped.Unmasked(); n > 0 {
		out = append(out, human(n*s.mapped.ClusterSize())+" of partly free clusters are carried with their free blocks: there are too many to keep account of")
	}
	if len(s.disks) > 1 {
		for _, top := range s.across() {
			for v := range top.All() {
				out = append(out, volumeWarnings(v, volumeWord(v.Name))...)
			}
		}
	}
	return out
}

// warnings are those of the disk.
func (x *disk) warnings() (out []string) {
	if p, err := x.dev.Place(device.Roots{}); err == nil && p.Name != "" {
		out = append(out, fmt.Sprintf("%s is a partition: its images have no partition table and no boot loader, and no machine starts from them; to export all of the disk, name it (%s)", x.dev.Path(), p.Name))
	}
	out = append(out, x.table.Problems...)
	out = append(out, x.edit.Notes...)
	for v := range x.volumes.All() {
		name := "the device"
		if v.Name != "" {
			name = volumeWord(v.Name)
		}
		out = append(out, volumeWarnings(v, name)...)
	}
	if x.name != "" {
		for i := range out {
			out[i] = x.name + ": " + out[i]
		}
	}
	return out
}

// volumeWarnings are those of a volume that people call name.
func volumeWarnings(v *blockmap.VolumeInfo, name string) (out []string) {
	for _, w := range v.Warnings {
		out = append(out, name+": "+w)
	}
	if v.Whole != "" && v.Type != "" && !v.LeftOut {
		out = append(out, name+" ("+v.Type+") is carried whole: "+v.Whole)
	}
	return out
}

// warn says the warnings.
func (s *source) warn() {
	for _, w := range s.warnings() {
		s.say(slog.LevelWarn, w)
	}
}
