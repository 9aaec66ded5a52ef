package checks

import (
	"strings"

	"migimg/preflight/facts"
)

// rootBroken says that a line which is no entry was meant to mount "/".
func rootBroken(e facts.FstabError) bool {
	w := strings.Fields(e.Text)
	return len(w) > 1 && w[1] == "/"
}

// fstabTypes warns of filesystem types that no system has.
func fstabTypes(t facts.Fstab) Result {
	r := Result{Status: Pass}
	for _, l := range t.Lines {
		if !facts.KnownType(l.FSType) {
			r = worst(r, warn(Low, "line %d: %q is no type of filesystem that is known here", l.Line, l.FSType).with(lineOf(l)))
		}
	}
	return r
}

// fstabOrder warns of a mount point that a later line hides. systemd and
// Ubuntu's mountall sort; mount -a of other init scripts does not.
func fstabOrder(f *facts.Facts) Result {
	r := Result{Status: Pass}
	if i := f.Services.Init; i != "sysv" && i != "openrc" && !(i == "upstart" && f.OS.Family() == "rhel") {
		return r
	}
	for i, l := range f.Fstab.Lines {
		if !strings.HasPrefix(l.Point, "/") || l.Point == "/" || l.Has("noauto") {
			continue
		}
		for _, later := range f.Fstab.Lines[i+1:] {
			if later.Point != "/" && !later.Has("noauto") && strings.HasPrefix(l.Point, strings.TrimSuffix(later.Point, "/")+"/") {
				r = worst(r, warn(Medium, "line %d mounts %s before line %d mounts %s, and is hidden by it", l.Line, l.Point, later.Line, later.Point).with(lineOf(l)).
					hint("Put line %d in front of line %d.", later.Line, l.Line))
			}
		}
	}
	return r
}

// exactTag: udev's links have a tag as the volume has it, and systemd waits for
// the link that fstab's letters spell.
func exactTag(f *facts.Facts, l facts.FstabLine) Result {
	s := l.Resolved
	if s.Place != facts.OnDisk || s.Kind != "UUID" && s.Kind != "PARTUUID" {
		return Result{Status: Pass}
	}
	v := f.Disk.Volumes[s.Volume]
	is := map[string]string{"UUID": v.UUID, "PARTUUID": v.PartUUID}[s.Kind]
	if is == s.Value || !strings.EqualFold(is, s.Value) {
		return Result{Status: Pass}
	}
	return warn(Medium, "%s (%s): the volume's %s is %s, with other capitals", l.Spec, point(l), s.Kind, is).with(lineOf(l)).
		command([]string{"sed", "-i", strings.Join([]string{"s", l.Spec, s.Kind + "=" + is, ""}, "|"), "/etc/fstab"})
}

// forEver says that a line's device is waited for without an end.
func forEver(l facts.FstabLine) bool {
	for _, o := range l.Options {
		if v, ok := strings.CutPrefix(o, "x-systemd.device-timeout="); ok && (v == "0" || v == "infinity") {
			return true
		}
	}
	return false
}
