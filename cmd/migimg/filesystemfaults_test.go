//go:build integration

package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/verify"
)

// fault is damage to one volume. script finds the volume's file in $V; change is given
// it otherwise.
type fault struct {
	name, volume string // as the report names it
	script       string
	change       func(t *testing.T, f *os.File, b []byte)
	// want is "" for a failure: others are what the checker makes of it, and docs/verify.md
	// says so.
	want verify.Status
	// says is part of what is quoted.
	says string
}

// soundDisk are the verdicts on the volumes of a disk without faults.
var soundDisk = map[string]verify.Status{
	"partition 1 (BIOS boot)": verify.Skip, "partition 2 (ext4)": verify.Pass, "partition 3 (xfs)": verify.Pass,
	"partition 4 (btrfs)": verify.Pass, "partition 5 (vfat)": verify.Pass, "partition 6 (exfat)": verify.Pass,
	"partition 7 (ntfs)": verify.Pass, "partition 8 (f2fs)": verify.Pass, "partition 9 (LVM2_member)": verify.Pass,
	"volume 9/vg-root (ext4)": verify.Pass, "partition 10 (linux_raid_member)": verify.Pass, "volume 10/md (ext4)": verify.Pass,
	"partition 11 (swap)": verify.Skip, "partition 12": verify.Skip,
	"partition 13 (erofs)": verify.Pass,
}

// faultsAtOnce is how many faults, of different volumes, share an image: what it takes
// to plant one is little beside what the other volumes take.
const faultsAtOnce = 3

// TestFilesystemFaults plants faults in the source and wants each found in the image by
// the volume that has it, and nothing in the others.
func TestFilesystemFaults(t *testing.T) {
	d := newVolumeDisk(t)
	d.check(t, d.path, soundDisk)
	if t.Failed() {
		return
	}
	for _, group := range grouped(faults) {
		t.Run(group[0].volume+" "+group[0].name, func(t *testing.T) {
			disk := filepath.Join(tempDir(t), "disk")
			run(t, "cp", "--sparse=always", "--reflink=auto", d.path, disk)
			want := maps.Clone(soundDisk)
			for _, x := range group {
				d.plant(t, x, disk)
				want[x.volume] = verify.Fail
				if x.want != "" {
					want[x.volume] = x.want
				}
				for _, gone := range x.hides() {
					delete(want, gone)
				}
			}
			got := d.check(t, disk, want)
			for _, x := range group {
				quoted := ""
				for _, p := range got[x.volume].Problems {
					quoted += p.What + "\n"
				}
				if !strings.Contains(quoted, x.says) {
					t.Errorf("%s: %q is not in\n%s", x.volume, x.says, quoted)
				}
				first, _, _ := strings.Cut(quoted, "\n")
				t.Logf("%s: %s: %s: %s", x.volume, x.name, got[x.volume].Status, first)
			}
		})
	}
}

// grouped puts faults of different partitions together.
func grouped(all []fault) (groups [][]fault) {
next:
	for _, x := range all {
		for i, g := range groups {
			if len(g) < faultsAtOnce && !slices.ContainsFunc(g, func(y fault) bool { return y.partition() == x.partition() }) {
				groups[i] = append(g, x)
				continue next
			}
		}
		groups = append(groups, []fault{x})
	}
	return groups
}

// partition is the number of the partition that the volume is, or is in.
func (x fault) partition() string { return strings.Split(strings.Fields(x.volume)[1], "/")[0] }

// plant damages a disk.
func (d *volumeDisk) plant(t *testing.T, x fault, disk string) {
	t.Helper()
	dir, whole := tempDir(t), filepath.Join(d.dir, x.partition())
	volume := filepath.Join(dir, "volume")
	run(t, "cp", "--sparse=always", whole, volume)
	if x.script != "" {
		cmd := exec.Command("bash", "-ec", faultHead+x.script)
		cmd.Dir, cmd.Env = dir, append(d.env, "V="+volume)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", x.name, err, out)
		}
	} else {
		edit(t, volume, func(f *os.File, b []byte) { x.change(t, f, b) })
	}
	if _, err := try("cmp", volume, whole); err == nil {
		t.Fatalf("%s: nothing was changed", x.name)
	}
	run(t, "dd", "if="+volume, "of="+disk, "bs=1M", "conv=notrunc", "oflag=seek_bytes", "seek="+itoa(d.at[x.partition()]), "status=none")
}

// check makes an image of a disk, checks the filesystems in it, and wants these verdicts.
func (d *volumeDisk) check(t *testing.T, disk string, want map[string]verify.Status) map[string]verify.Aspect {
	t.Helper()
	image := filepath.Join(tempDir(t), "disk.qcow2")
	run(t, program, "export", disk, image)
	code, got := verified(t, "--fsck", image)
	expected := exitOK
	for name, s := range want {
		if got[name].Status != s {
			t.Errorf("%s: %q, want %q: %+v", name, got[name].Status, s, got[name])
		}
		switch {
		case s == verify.Fail:
			expected = exitFindings
		case s == verify.Unknown && expected == exitOK:
			expected = exitUndecided
		}
	}
	if code != expected {
		t.Errorf("exit code %d, want %d", code, expected)
	}
	return got
}

// hides are the volumes that cannot be seen with the fault.
func (x fault) hides() (names []string) {
	if x.volume == "partition 9 (LVM2_member)" {
		names = append(names, "volume 9/vg-root (ext4)")
	}
	if x.volume == "partition 10 (linux_raid_member)" {
		names = append(names, "volume 10/md (ext4)")
	}
	if !strings.Contains(x.volume, "(") { // the kind is not seen
		for name := range soundDisk {
			if strings.HasPrefix(name, x.volume+" (") {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
