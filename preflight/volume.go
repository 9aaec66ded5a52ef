package preflight

import "migimg/preflight/facts"

// VolumeResult is what lies in a part of the disk: a partition, a filesystem in
// it, a logical volume.
type VolumeResult struct {
	// Name is the path in the tree of volumes: "1", "2/root", "" for the disk.
	Name string `json:"name"`
	// Start is the first byte on the disk, -1 where the volume is not one run;
	// SizeBytes and CarriedBytes as for the disk.
	Start        int64  `json:"start"`
	SizeBytes    int64  `json:"size_bytes"`
	CarriedBytes int64  `json:"carried_bytes"`
	Type         string `json:"type,omitempty"`
	Label        string `json:"label,omitempty"`
	UUID         string `json:"uuid,omitempty"`
	// Container: other volumes lie in it.
	Container bool `json:"container,omitempty"`
	// Whole is why nothing of it could be left out.
	Whole string `json:"carried_whole,omitempty"`
	// Disk is the name of the disk among several; Parts are the volumes that it lies in,
	// where these are several.
	Disk  string   `json:"disk,omitempty"`
	Parts []string `json:"parts,omitempty"`
	// LeftOut: the image does not have it, by its owner's choice.
	LeftOut bool `json:"left_out,omitempty"`
	// Mounted is where, and Writing whether read-write: its files may change
	// while they are copied.
	Mounted []string `json:"mounted,omitempty"`
	Writing bool     `json:"mounted_read_write,omitempty"`
}

func volumes(d *facts.Disk) []VolumeResult {
	out := []VolumeResult{}
	for i, list := range [][]facts.Volume{d.Volumes, d.LeftOut} {
		for _, v := range list {
			x := VolumeResult{Name: v.Name, Start: v.Start - d.Of(v).At, SizeBytes: v.Size, CarriedBytes: v.Carried, Type: v.Type, Label: v.Label,
				UUID: v.UUID, Container: v.Container, Whole: redact(v.Whole), LeftOut: i == 1, Disk: v.Disk, Parts: v.Parts}
			if v.Start < 0 {
				x.Start = -1
			}
			if x.LeftOut {
				x.CarriedBytes = 0
			}
			for _, m := range d.Mounts {
				if m.Partition == v.Name && len(x.Mounted) < maxEvidence {
					x.Mounted, x.Writing = append(x.Mounted, redact(m.Point)), x.Writing || m.ReadWrite
				}
			}
			out = append(out, x)
		}
	}
	return out
}
