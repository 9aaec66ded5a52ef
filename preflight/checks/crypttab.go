package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var mountCrypttab = Check{
	ID: "mount.crypttab", Code: "MIG4105", Title: "/etc/crypttab names devices and keys that the image has", Category: "mounts", Severity: High,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyFstab, facts.KeyCrypttab},
	Impact: "The volume is not opened: the boot waits 90 seconds, and stops in emergency mode where /etc/fstab needs it.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		c := f.Crypttab
		if c.Missing || len(c.Lines)+len(c.Errors) == 0 {
			return skip("no encrypted volume is set up")
		}
		r := pass("%s, each on this disk", plural(len(c.Lines), "line"))
		for _, e := range c.Errors {
			r = worst(r, warn(Medium, "line %d: %s", e.Line, e.Why).with(file("/etc/crypttab", e.Line, "")))
		}
		for _, l := range c.Lines {
			if l.Has("noauto") && !l.Root {
				continue
			}
			for _, one := range []Result{cryptDevice(f, t, l), cryptKey(f, l), cryptEarly(f, l)} {
				if one.Status != Pass {
					one = one.with(file("/etc/crypttab", l.Line, strings.Join([]string{l.Name, l.Device, keyWord(l), strings.Join(l.Options, ",")}, " ")))
				}
				r = worst(r, one)
			}
		}
		return r
	},
}

func keyWord(l facts.CryptLine) string {
	if l.Key == "" {
		return "none"
	}
	return l.Key
}

// cryptSeverity is what it costs that an entry's volume does not open.
func cryptSeverity(f *facts.Facts, l facts.CryptLine) Severity {
	switch {
	case l.Root:
		return Blocker
	case len(l.Mounted) > 0:
		for _, x := range f.Fstab.Lines {
			if slices.Contains(l.Mounted, x.Line) && lineSeverity(x) == Blocker {
				return Blocker
			}
		}
		return High
	case l.Optional():
		return Low
	}
	return Medium
}

// cryptDevice judges the device of an entry.
func cryptDevice(f *facts.Facts, t *targets.Target, l facts.CryptLine) Result {
	sev := cryptSeverity(f, l)
	random := l.RandomKey() || l.Has("plain")
	var r Result
	switch s := l.Resolved; {
	case s.Kind == "file" || s.Place == facts.NoDisk || s.Place == facts.OnDisk && s.Kind != "device":
		return Result{Status: Pass}
	case s.Kind == "by-id" || s.Kind == "by-path":
		r = fail(sev, "%s: %s is made of this machine's hardware", l.Name, l.Device)
	case s.Kind == "device":
		r = deviceName(f, t, l.Name+": ", s)
		if r.Status == Pass {
			return r
		}
		if r.Status != Unknown {
			r.Severity = sev
		}
	case s.Place == facts.Elsewhere:
		r = fail(sev, "%s: %s", l.Name, s.Why)
	default:
		r = unknown("%s: %s: %s", l.Name, l.Device, s.Why)
		r.Severity = sev
		return r
	}
	if random && hardwareName(l.Resolved) && r.Status != Unknown {
		// Without a header to recognise, whatever has the name is overwritten.
		r.Severity = High
		r = r.more(": it gets a new key at every boot, and what has the name then is overwritten")
	}
	if r.Severity == Low && r.Status == Fail {
		r.Status = Warn
	}
	return r.hint("Write UUID=... in line %d of /etc/crypttab; cryptsetup luksUUID DEVICE prints it. Then make the initramfs anew.", l.Line)
}

// cryptKey judges where the key comes from.
func cryptKey(f *facts.Facts, l facts.CryptLine) Result {
	sev := cryptSeverity(f, l)
	soft := func(r Result) Result {
		if r.Severity == Low {
			r.Status = Warn
		}
		return r
	}
	switch hw := l.Hardware(); {
	case l.RandomKey():
		return Result{Status: Pass}
	case hw != "":
		// Without the device systemd asks for a passphrase instead (crypttab(5),
		// tpm2-device=), which disk.luks judges.
		return soft(fail(min2(sev, High), "%s opens with this machine's %s device", l.Name, hw)).
			hint("Add a passphrase (cryptsetup luksAddKey), take the option %s-device out of line %d, and make the initramfs anew.", hw, l.Line)
	case l.KeyDevice != nil && l.KeyDevice.Place == facts.Elsewhere, l.KeyDevice != nil && hardwareName(*l.KeyDevice):
		return soft(fail(sev, "the key of %s is on another device (%s)", l.Name, l.KeyDevice.Value))
	case l.KeyDevice != nil && l.KeyDevice.Place == facts.Unsure:
		return unknown("whether the device with the key of %s is in the image: %s", l.Name, l.KeyDevice.Why)
	case l.KeyFile == "missing" && l.Root:
		// The initramfs may have a copy of its own.
		return unknown("%s, the key of %s, is not in the system; the initramfs may have it", l.Key, l.Name)
	case l.KeyFile == "missing":
		return soft(fail(min2(sev, High), "%s, the key of %s, is missing", l.Key, l.Name))
	case l.KeyFile != "" && l.KeyFile != "present":
		return unknown("the key of %s: %s", l.Name, l.KeyFile)
	case l.Has("_netdev"):
		return warn(Low, "%s waits for the network (_netdev), as for a tang server", l.Name)
	case l.Has("keyscript"):
		return warn(Medium, "%s takes its key from a program", l.Name).hint("Be sure that it works on the target, or use a passphrase.")
	}
	return Result{Status: Pass}
}

// min2 is the milder of two severities.
func min2(a, b Severity) Severity {
	if a.Rank() < b.Rank() {
		return a
	}
	return b
}

// cryptEarly: Debian's hook puts into the initramfs what the running system has
// the root on, which a chroot does not show; the option names it.
func cryptEarly(f *facts.Facts, l facts.CryptLine) Result {
	if !l.Root || f.OS.Family() != "debian" || l.Early() {
		return Result{Status: Pass}
	}
	return warn(Low, "%s has no option initramfs: an initramfs that is made in a chroot does not open it", l.Name).
		hint("Add initramfs to the options in line %d of /etc/crypttab.", l.Line)
}
