package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// onePartition judges a target that wants the system on one filesystem.
func onePartition(f *facts.Facts, t *targets.Target) Result {
	rule := t.OnePartition
	if rule == nil {
		return within
	}
	var many []string
	for _, v := range f.Disk.Volumes {
		if v.Disk != f.Disk.Name || len(v.Parts) > 0 {
			continue // data on another disk, or in several partitions, each of which counts
		}
		switch v.Type {
		case "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "LVM2_member", "linux_raid_member", "crypto_LUKS":
			if !strings.Contains(strings.TrimPrefix(v.Name, v.Disk+"/"), "/") { // inside LVM and the like: that is refused by itself
				many = append(many, v.Name)
			}
		}
	}
	if len(many) < 2 {
		return within
	}
	return outside(rule.Severity, "%d partitions hold filesystems (%s): %s", len(many), words(many), rule.Why).
		with(sourced(t, rule.Fact, "partitions with filesystems", words(many), "one")).advise(rule.Advice, rule.Error)
}

// refusedVolume judges one volume by what the target says of layers such as LVM
// and encryption, and of swap.
func refusedVolume(t *targets.Target, v facts.Volume) Result {
	r := within
	for _, rule := range t.Volumes {
		for _, kind := range rule.Types {
			if slices.Contains(targets.VolumeKinds[kind], v.Type) {
				ev := sourced(t, rule.Fact, v.Title(), v.Type, "")
				r = worst(r, outside(rule.Severity, "%s is %s: %s", v.Title(), v.Type, rule.Why).with(ev).advise(rule.Advice, rule.Error))
			}
		}
	}
	return r
}

// rootFilesystem judges the root by what the target says of filesystems.
func rootFilesystem(f *facts.Facts, t *targets.Target) Result {
	r, kind := within, f.Guest.RootType
	if kind == "" {
		return r
	}
	if rule := t.Filesystems; rule != nil && len(rule.Values) > 0 && !slices.Contains(rule.Values, kind) {
		r = outside(rule.Otherwise, "the root is %s, the target takes %s", kind, words(rule.Values)).
			with(sourced(t, rule.Fact, "root filesystem", kind, strings.Join(rule.Values, "|"))).advise(rule.Advice, rule.Error)
	}
	for _, rule := range t.Refused {
		if !slices.Contains(rule.Types, kind) {
			continue
		}
		has, known := hasFeature(f, rule.Feature)
		what := "the root is " + kind
		if rule.Feature != "" {
			what += " with " + rule.Feature
		}
		ev := sourced(t, rule.Fact, "root filesystem", what, "")
		switch {
		case has:
			r = worst(r, outside(rule.Severity, "%s: %s", what, rule.Why).with(ev).advise(rule.Advice, rule.Error))
		case !known:
			one := unknown("whether %s cannot be told, and the target says: %s", what, rule.Why).with(ev)
			one.Severity = Severity(rule.Severity)
			r = worst(r, one)
		}
	}
	return r
}

// hasFeature says whether the root filesystem has a feature, and whether that is
// known.
func hasFeature(f *facts.Facts, feature string) (has, known bool) {
	if feature == "" {
		return true, true
	}
	if feature == "subvolumes" {
		return hasSubvolumes(f)
	}
	for _, v := range f.Disk.Volumes {
		if v.Name == f.Guest.Root && len(v.Features) > 0 {
			return slices.Contains(v.Features, feature), true
		}
	}
	return false, false
}

// hasSubvolumes goes by the lines of fstab that mount parts of a btrfs
// (btrfs(5): subvol=, subvolid=; 5 and / are the top). That there are none would
// be seen in the tree of roots alone.
func hasSubvolumes(f *facts.Facts) (has, known bool) {
	for _, v := range f.Disk.Volumes {
		if v.Name == f.Guest.Root && slices.Contains(v.Features, "default-subvol") {
			return true, true
		}
	}
	for _, l := range f.Fstab.Lines {
		for _, o := range l.Options {
			key, val, _ := strings.Cut(o, "=")
			if key == "subvol" && strings.Trim(val, "/") != "" || key == "subvolid" && val != "5" && val != "0" {
				return true, true
			}
		}
	}
	return false, false
}
