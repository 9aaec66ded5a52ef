//go:build integration

package md_test

import (
	"testing"

	"migimg/blockmap/md"
	"migimg/internal/need"
)

// TestExamineSpread holds what is assembled against mdadm's word of the members: which
// level, with what chunks, in what order, and how large.
func TestExamineSpread(t *testing.T) {
	need.Tool(t, "mdadm")
	for level, want := range map[int32][2]string{0: {"raid0", "64K"}, -1: {"linear", ""}} {
		disks := members(func(_ int, s *super) {
			s.level, s.size = level, 0
			if level == 0 {
				s.chunk = 128
			}
		})
		for i, b := range disks {
			said := examine(t, write(t, b))
			if said["Raid Level"] != want[0] || said["Chunk Size"] != want[1] || said["Raid Devices"] != "3" || said["Device Role"] != "Active device "+string('0'+rune(i)) ||
				said["Checksum"] == "" || said["Data Offset"] != "256 sectors" {
				t.Errorf("member %d: %v", i, said)
			}
			if id, of := (md.Scanner{}).PartOf(volumeOf(b)); id == "" || of != 3 {
				t.Errorf("member %d is a part of %q, %d", i, id, of)
			}
		}
		if _, v, _, _ := array(t, disks); v == nil {
			t.Errorf("%s is not assembled", want[0])
		}
	}
}
