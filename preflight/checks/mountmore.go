package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needMounts = []facts.Key{facts.KeyGuest, facts.KeyFstab, facts.KeyMounts}

// hostShares are filesystems that the hypervisor of the old machine offers; no
// other one has them.
var hostShares = []string{"vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "prl_fs", "9p", "virtiofs"}

var mountFstabNetwork = Check{
	ID: "mount.fstab-network", Code: "MIG4104", Title: "The boot does not wait for network filesystems", Category: "mounts", Severity: High,
	Needs:  needMounts,
	Impact: "The server of the files is not reached from the target: the boot waits, for minutes with NFS, or stops in emergency mode.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("nothing is mounted over the network at boot")
		for _, l := range f.Fstab.Lines {
			r = worst(r, networkLine(f, l))
		}
		r = worst(r, autofs(f))
		return worst(r, iscsi(f.Mounts))
	},
}

func networkLine(f *facts.Facts, l facts.FstabLine) Result {
	share := slices.Contains(hostShares, l.FSType)
	fix := func(r Result) Result {
		return r.with(lineOf(l)).hint("Comment line %d of /etc/fstab out, or add nofail,_netdev,x-systemd.automount,x-systemd.mount-timeout=30s to its options.", l.Line)
	}
	switch {
	case l.Has("noauto"):
		return Result{Status: Pass}
	case share && l.Optional():
		return fix(warn(Low, "%s (%s) is a share of the old machine's host", l.Point, l.FSType))
	case share:
		return fix(fail(High, "%s (%s) is a share of the old machine's host, which the target does not have", l.Point, l.FSType))
	case facts.NetworkType(l.FSType) && facts.Needed(l.Point):
		return fix(warn(High, "%s is mounted over the network (%s), and the system needs it", l.Point, l.FSType))
	case facts.NetworkType(l.FSType) && l.Optional():
		return Result{Status: Pass, Evidence: []Evidence{lineOf(l)}}
	case facts.NetworkType(l.FSType):
		return fix(warn("", "%s is mounted over the network at boot (%s)", l.Point, l.FSType))
	case l.Has("_netdev") && !l.Optional() && l.Resolved.Place != facts.OnDisk && l.Resolved.Place != facts.NoDisk:
		return fix(warn(Medium, "%s is on a disk of the network (_netdev)", point(l)))
	}
	return Result{Status: Pass}
}

func autofs(f *facts.Facts) Result {
	m := f.Mounts
	if m.AutofsOn.On == facts.AnswerNo {
		return Result{Status: Pass}
	}
	r := Result{Status: Pass}
	for _, e := range m.Autofs {
		switch {
		case hardwareName(e.Resolved):
			r = worst(r, warn(Low, "the automounter goes by %s", e.Resolved.Value).with(file(e.File, e.Line, e.Point+" "+e.Location)))
		case e.Resolved.Place == facts.NoDisk && strings.Contains(strings.TrimPrefix(e.Location, ":"), ":"):
			r = worst(r, warn(Low, "the automounter mounts %s on demand", e.Location).with(file(e.File, e.Line, e.Point+" "+e.Location)))
		}
	}
	return r
}

func iscsi(m facts.Mounts) Result {
	r := Result{Status: Pass}
	if m.ISCSIOn.On == facts.AnswerNo {
		return r
	}
	for _, n := range m.ISCSI {
		if n.Startup == "automatic" || n.Startup == "onboot" {
			r = worst(r, warn(Medium, "the initiator logs in to %s at boot", n.Target).with(file(n.File, 0, "node.startup = "+n.Startup)).
				command([]string{"iscsiadm", "-m", "node", "-T", n.Target, "--op", "update", "-n", "node.startup", "-v", "manual"}))
		}
	}
	return r
}

var mountUnits = Check{
	ID: "mount.units", Code: "MIG4106", Title: "Mount units go by names that the target has", Category: "mounts", Severity: High,
	Needs:  needMounts,
	Impact: "The system waits 90 seconds for a device that does not come, and what needs it does not start.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		m := f.Mounts
		r := pass("%s besides /etc/fstab", plural(len(m.Units), "unit"))
		for _, u := range m.Units {
			r = worst(r, mountUnit(f, t, u))
		}
		for _, s := range m.Subvolumes {
			if s.There == facts.AnswerYes {
				continue
			}
			for _, l := range f.Fstab.Lines {
				if l.Line != s.Line {
					continue
				}
				one := fail(lineSeverity(l), "%s: btrfs has no subvolume %s", l.Point, s.Name)
				if s.There == facts.AnswerUnknown {
					one = unknown("%s: whether btrfs has the subvolume %s: %s", l.Point, s.Name, s.Why)
					one.Severity = Low
				}
				r = worst(r, one.with(lineOf(l)))
			}
		}
		for _, g := range m.GeneratorsOff {
			r = worst(r, warn(Medium, "%s is masked: systemd does not read the file that it stands for", g).with(file(g, 0, "-> /dev/null")))
		}
		for _, l := range f.Fstab.Lines {
			if l.Resolved.Place != facts.Elsewhere || !strings.HasPrefix(l.Point, "/") {
				continue
			}
			for _, by := range f.Services.WantedMounts(l.Point) {
				r = worst(r, warn(Medium, "%s does not start without %s, which is not in the image", by, l.Point).with(lineOf(l)))
			}
		}
		if len(m.Problems) > 0 {
			r = worst(r, unknown("%s", m.Problems[0]))
		}
		return r
	},
}

func mountUnit(f *facts.Facts, t *targets.Target, u facts.MountUnit) Result {
	if u.On.On == facts.AnswerNo && len(u.NeededBy) == 0 {
		return Result{Status: Pass}
	}
	sev := Medium // the job times out, and the boot goes on
	if u.Required || facts.Needed(u.Where) && u.Where != "" {
		sev = High
	}
	if slices.Contains(u.Options, "nofail") || u.On.On == facts.AnswerUnknown && !u.Required {
		sev = Low
	}
	ev := file(u.File, u.Line, "What="+u.What)
	var r Result
	switch {
	case u.Resolved.Kind == "device":
		r = deviceName(f, t, u.Name+": ", u.Resolved)
		if r.Status == Pass || r.Status == Unknown {
			return r.with(ev)
		}
		r.Severity = sev
	case u.Resolved.Kind == "by-id" || u.Resolved.Kind == "by-path":
		r = fail(sev, "%s: %s is made of this machine's hardware", u.Name, u.What)
	case u.Resolved.Place == facts.Elsewhere:
		r = fail(sev, "%s: %s", u.Name, u.Resolved.Why)
	case u.Resolved.Place == facts.Unsure:
		r = unknown("%s: %s", u.Name, u.Resolved.Why)
		r.Severity = sev
		return r.with(ev)
	case facts.NetworkType(u.FSType):
		r = warn(Medium, "%s is mounted over the network by %s", u.Where, u.Name)
	default:
		return Result{Status: Pass, Evidence: []Evidence{ev}}
	}
	if sev == Low {
		r.Status = Warn
	}
	if len(u.NeededBy) > 0 {
		r = r.more("; %s needs it", strings.Join(u.NeededBy, ", "))
	}
	return r.with(ev).hint("Write What=/dev/disk/by-uuid/UUID in %s, or disable the unit.", u.File)
}
