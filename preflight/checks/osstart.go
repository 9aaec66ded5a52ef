package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var osBootTarget = Check{
	ID: "os.boot-target", Code: "MIG8111", Title: "The system starts into normal operation and asks nothing", Category: "os", Severity: High,
	Needs:  needState,
	Impact: "The machine stops at a question or in a rescue mode on a console that the target may not have.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		s := f.State.Start
		r := pass("%s", s.Target)
		if s.Target == "" {
			r = pass("no file names a default target; the distribution's own holds")
		} else {
			r = r.with(file(s.From, s.Line, s.Target))
		}
		name := strings.TrimSuffix(s.Target, ".target")
		switch {
		case slices.Contains([]string{"rescue", "emergency", "poweroff", "halt", "reboot", "kexec", "shutdown", "runlevel0", "runlevel1", "runlevel6", "0", "1", "6", "s", "S"}, name):
			r = worst(r, fail("", "the default target is %s (%s)", s.Target, s.From).command([]string{"systemctl", "set-default", "multi-user.target"}))
		case slices.Contains([]string{"graphical", "runlevel5", "5"}, name) && desktop(f):
			r = worst(r, warn(Low, "the system starts a desktop, for which the target may have no screen").command([]string{"systemctl", "set-default", "multi-user.target"}))
		}
		for _, o := range s.Overrides {
			one := fail("", "the boot entry starts the system with %s", o).with(value("command line", o, ""))
			if o == "systemd.unit=multi-user.target" || o == "systemd.unit=graphical.target" {
				continue
			}
			if strings.HasPrefix(o, "systemd.unit=") && !strings.Contains(o, "rescue") && !strings.Contains(o, "emergency") || strings.HasPrefix(o, "init=") {
				one = warn(Low, "the boot entry starts the system with %s", o).with(value("command line", o, ""))
				if strings.HasSuffix(o, "/sh") || strings.HasSuffix(o, "/bash") {
					one = fail("", "the boot entry starts a shell instead of the system (%s)", o).with(value("command line", o, ""))
				}
			}
			r = worst(r, one)
		}
		for _, x := range s.Flags {
			sev := map[string]Severity{"fsck": Low, "wizard": Medium, "hardware": Low}[x.Kind]
			one := warn(sev, "%s: %s", x.Where, x.What).with(value(x.Kind, x.Where, ""))
			if strings.HasSuffix(x.Where, ".service") {
				one = one.command([]string{"systemctl", "disable", x.Where})
			}
			r = worst(r, one)
		}
		return withProblems(r, s.Problems)
	},
}

// desktop says whether a graphical target would start anything: servers have it
// as their default, and no display manager.
func desktop(f *facts.Facts) bool {
	if f.State.Start.Target == "5" {
		return true
	}
	return len(f.Packages.Find("gdm", "gdm3", "sddm", "lightdm", "xdm", "lxdm", "slim", "kdm")) > 0
}

var osXorg = Check{
	ID: "os.xorg", Code: "MIG8112", Title: "No graphics card is configured by hand", Category: "os", Severity: Low,
	Needs:  needState,
	Impact: "X does not start there, because its configuration names a card that stays behind.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		d := f.State.Display
		r := pass("none")
		for _, x := range d.Devices {
			if x.BusID == "" && (x.Driver == "" || x.Driver == "modesetting" || x.Driver == "fbdev" || x.Driver == "vesa" || x.Driver == "dummy") {
				continue
			}
			text := strings.TrimSpace("Driver " + x.Driver + " BusID " + x.BusID)
			r = worst(r, warn("", "%s configures the driver %q and the place %q", x.File, x.Driver, x.BusID).with(file(x.File, x.Line, text)).
				command([]string{"mv", x.File, x.File + ".old"}))
		}
		return withProblems(r, d.Problems)
	},
}
