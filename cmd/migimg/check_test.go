//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"migimg/internal/need"
)

// TestCheck: of every filesystem that has a program that says what is free,
// `map --check` asks it, and the map frees that, or a little less.
func TestCheck(t *testing.T) {
	need.Root(t)
	for _, c := range []struct{ kind, mkfs, program string }{
		{"ext4", "mkfs.ext4 -q", "dumpe2fs"},
		{"xfs", "mkfs.xfs -q -f", "xfs_db"},
		{"btrfs", "mkfs.btrfs -q -f", "partclone.btrfs"},
		{"vfat", "mkfs.vfat -F 32", "fsck.fat"},
		{"exfat", "mkfs.exfat", "partclone.exfat"},
		{"ntfs", "mkfs.ntfs -q -Q -F", "ntfsinfo"},
		{"f2fs", "mkfs.f2fs -q", "partclone.f2fs"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			need.Tool(t, "mkfs."+c.kind, c.program)
			img := filepath.Join(tempDir(t), "disk.img")
			run(t, "sh", "-ec", fmt.Sprintf("truncate -s 512M %s; %s %s", img, c.mkfs, img))
			var got struct {
				Volumes []struct {
					Type, Program, Unknown string
					Free                   int64 `json:"free_by_program"`
					MapFree                int64 `json:"free_by_map"`
				}
			}
			out := run(t, program, "map", img, "--check", "--format", "json")
			if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Volumes) != 1 {
				t.Fatalf("%v: %s", err, out)
			}
			v := got.Volumes[0]
			if v.Type != c.kind || v.Program != c.program || v.Unknown != "" || v.MapFree > v.Free || v.Free-v.MapFree > 16<<20 || v.MapFree < 256<<20 {
				t.Errorf("%+v", v)
			}
		})
	}
}
