package facts

import (
	"path"
	"strings"
)

// Start is what the guest starts into.
type Start struct {
	// Target is the default target or runlevel ("multi-user.target", "3"); empty
	// where no file says. From is where it is said, Line its line.
	Target, From string
	Line         int
	// Overrides are arguments of the default boot entry that start something
	// else ("single", "systemd.unit=rescue.target", "init=/bin/sh").
	Overrides []string
	// Flags are files and arguments that make the next start unusual.
	Flags []StartFlag
	// Problems are what could not be read.
	Problems []string
}

// StartFlag is one of them.
type StartFlag struct {
	// Kind is "fsck", "wizard" (asks questions on the console) or "hardware"
	// (reacts to changed hardware).
	Kind, Where, What string
}

func (g *gatherer) start() {
	s := &g.f.State.Start
	for _, d := range unitDirs {
		n := path.Join(d, "default.target")
		if link, err := g.fs.ReadLink(n); err == nil {
			s.Target, s.From = path.Base(link), "/"+n
			break
		}
		if g.there(n, &s.Problems) {
			s.Target, s.From = "default.target", "/"+n
			break
		}
	}
	if s.Target == "" {
		g.runlevel(s)
	}
	for w := range strings.FieldsSeq(g.cmdline()) {
		switch k, v, _ := strings.Cut(w, "="); {
		case k == "systemd.unit" || k == "init" && v != "/sbin/init" && v != "/usr/sbin/init" && !strings.HasSuffix(v, "/systemd"),
			w == "single", w == "s", w == "S", w == "1", w == "rescue", w == "emergency", w == "-b":
			s.Overrides = append(s.Overrides, w)
		case k == "fsck.mode" && v == "force", w == "forcefsck":
			s.Flags = append(s.Flags, StartFlag{"fsck", w, "checks all filesystems at every start"})
		}
	}
	for _, x := range []StartFlag{
		{"fsck", "forcefsck", "checks all filesystems at the next start"},
		{"fsck", "fastboot", "leaves the checks of filesystems out at the next start"},
		{"wizard", ".unconfigured", "starts sys-unconfig's questions"},
		{"wizard", "etc/reconfigSys", "starts firstboot's questions"},
	} {
		if g.there(x.Where, &s.Problems) {
			x.Where = "/" + x.Where
			s.Flags = append(s.Flags, x)
		}
	}
	for _, u := range []string{"initial-setup.service", "initial-setup-text.service", "initial-setup-graphical.service", "firstboot-text.service", "firstboot-graphical.service", "jeos-firstboot.service", "YaST2-Firstboot.service"} {
		if g.unit(u) == UnitEnabled {
			s.Flags = append(s.Flags, StartFlag{"wizard", u, "asks for the first set-up on the console"})
		}
	}
	if g.initScript("firstboot") && g.shellVars("etc/sysconfig/firstboot", &s.Problems)["RUN_FIRSTBOOT"] != "NO" {
		s.Flags = append(s.Flags, StartFlag{"wizard", "firstboot", "asks for the first set-up on the console"})
	}
	if g.initScript("kudzu") {
		s.Flags = append(s.Flags, StartFlag{"hardware", "kudzu", "asks about changed hardware at the start, and may take the network card's configuration away"})
	}
}

// runlevel reads inittab (init(8): id:runlevels:action:process).
func (g *gatherer) runlevel(s *Start) {
	text, _ := g.text("etc/inittab", &s.Problems)
	eachLine(text, func(n int, line string) {
		if f := strings.SplitN(line, ":", 4); len(f) >= 3 && f[2] == "initdefault" {
			s.Target, s.From, s.Line = f[1], "/etc/inittab", n
		}
	})
}

// Display is the configuration of X.
type Display struct {
	// Devices are the graphics cards that are configured by hand.
	Devices  []XDevice
	Problems []string
}

// XDevice is a Device section (xorg.conf(5)).
type XDevice struct {
	File          string
	Line          int
	Driver, BusID string
}

// maxXDevices bounds the sections that are kept.
const maxXDevices = 32

func (g *gatherer) display() {
	d := &g.f.State.Display
	files := []string{"etc/X11/xorg.conf", "etc/X11/XF86Config", "etc/X11/XF86Config-4"}
	for _, n := range append(files, g.matching("etc/X11/xorg.conf.d/*.conf", &d.Problems)...) {
		if s, ok := g.text(n, &d.Problems); ok {
			d.Devices = append(d.Devices, ParseXorg("/"+n, s)...)
		}
	}
}

// ParseXorg returns the Device sections of a configuration of X.
func ParseXorg(file, text string) (found []XDevice) {
	var in *XDevice
	eachLine(text, func(n int, line string) {
		k, v, _ := strings.Cut(strings.Join(strings.Fields(line), " "), " ")
		v = strings.Trim(v, `"`)
		switch strings.ToLower(k) {
		case "section":
			in = nil
			if strings.EqualFold(v, "Device") {
				in = &XDevice{File: file, Line: n}
			}
		case "endsection":
			if in != nil && len(found) < maxXDevices {
				found = append(found, *in)
			}
			in = nil
		case "driver":
			if in != nil {
				in.Driver = v
			}
		case "busid":
			if in != nil {
				in.BusID = v
			}
		}
	})
	return found
}
