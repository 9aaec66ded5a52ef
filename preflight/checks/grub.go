package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/targets"
)

var needGrub = []facts.Key{facts.KeyGuest, facts.KeyBoot, facts.KeyGrub}

var bootGrubDefaults = Check{
	ID: "boot.grub-defaults", Code: "MIG2109", Title: "What GRUB's configuration is made from is sound", Category: "boot", Severity: Medium,
	Needs:  needGrub,
	Impact: "The next update of the kernel or of GRUB writes a configuration that differs or is broken, or GRUB waits for somebody at the keyboard.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		if !strings.HasPrefix(f.Boot.Loader, "grub") {
			return skip("the boot loader is %s", f.Boot.Loader)
		}
		r := pass("nothing odd")
		for _, p := range f.Grub.Problems {
			r = worst(r, warn(Medium, "%s:%d: %s", p.File, p.Line, p.Text).with(file(p.File, p.Line, p.Text)).
				hint("Put the value in quotes; the file is a shell script."))
		}
		for _, name := range f.Grub.Open {
			r = worst(r, warn(Low, "%s does not end in a line feed: what a tool appends joins the last line", name).with(file(name, 0, "")))
		}
		r = worst(r, grubEnv(f))
		r = worst(r, grubWaits(f))
		if p := f.Grub.Password; p.File != "" {
			r = worst(r, warn(Info, "GRUB asks for a password when the menu is used").with(file(p.File, p.Line, p.Text)))
		}
		return worst(r, grubDrift(f))
	},
}

func grubEnv(f *facts.Facts) Result {
	g := &f.Grub
	switch {
	case g.EnvFile == "" || g.EnvSize == 1024 && g.EnvHeader:
		return pass("")
	case !g.EnvHeader:
		return warn(Medium, "%s is no environment block of GRUB: what is saved in it is not read", g.EnvFile).with(file(g.EnvFile, 1, "")).
			command([]string{grubTool(f, "editenv"), g.EnvFile, "create"})
	}
	return warn(Low, "%s has %d bytes and not 1024: GRUB cannot save to it", g.EnvFile, g.EnvSize).
		with(Evidence{Kind: "file", Path: g.EnvFile, Actual: fmt.Sprint(g.EnvSize), Expected: "1024"}).
		command([]string{grubTool(f, "editenv"), g.EnvFile, "create"})
}

// grubTool is a program's name: RHEL and SUSE have grub2- in front.
func grubTool(f *facts.Facts, name string) string {
	switch f.OS.Family() {
	case "rhel", "suse":
		return "grub2-" + name
	}
	return "grub-" + name
}

func grubWaits(f *facts.Facts) Result {
	s, ok := f.Grub.Default("GRUB_TIMEOUT")
	if !ok || s.Value != "-1" {
		return pass("")
	}
	return warn(Medium, "GRUB_TIMEOUT=-1: GRUB waits at its menu for ever").with(file(s.File, s.Line, s.Key+"="+s.Value)).
		hint("Set GRUB_TIMEOUT=1 in %s and make the configuration anew.", s.File)
}

// madeByTools are arguments that grub-mkconfig, an installer or grubby adds by
// itself, so that their absence in the defaults says nothing.
var madeByTools = []string{"root", "rootflags", "ro", "rw", "BOOT_IMAGE", "initrd", "resume", "crashkernel", "systemd.machine_id", "boot", "rd.lvm.lv", "rd.luks.uuid", "splash", "quiet"}

// grubDrift compares the default entry with the settings that the next update
// takes.
func grubDrift(f *facts.Facts) Result {
	e, ok := f.Boot.DefaultEntry()
	if !ok || f.Boot.Loader != bootcfg.GRUB2 || strings.Contains(e.Title, "recovery") {
		return pass("")
	}
	want, last, found := defaultArgs(f)
	if !found {
		return pass("")
	}
	have := strings.Fields(e.Cmdline)
	var missing, extra []string
	for _, w := range want {
		if !slices.Contains(have, w) && !strings.Contains(w, "$") {
			missing = append(missing, w)
		}
	}
	for _, h := range have {
		key, _, _ := strings.Cut(h, "=")
		if !slices.Contains(want, h) && !slices.Contains(madeByTools, key) && !strings.HasPrefix(h, "$") {
			extra = append(extra, h)
		}
	}
	ev := []Evidence{file(last.File, last.Line, last.Key+"="+last.Value), file(e.Source, e.Line, e.Cmdline)}
	switch {
	case len(missing) > 0:
		return warn(Low, "%s has %s, and the default entry does not: the configuration was not made anew, or an update changes it", last.File, strings.Join(missing, " ")).with(ev...)
	case len(extra) > 0:
		return warn(Low, "the default entry has %s, and %s does not: the next update takes it out", strings.Join(extra, " "), last.File).with(ev...)
	}
	return pass("")
}

// defaultArgs are the arguments of the settings; found is false where there are
// none, or only a shell could tell them.
func defaultArgs(f *facts.Facts) (args []string, last facts.Setting, found bool) {
	values := map[string]string{}
	for _, s := range f.Grub.Defaults {
		if s.Key != "GRUB_CMDLINE_LINUX" && s.Key != "GRUB_CMDLINE_LINUX_DEFAULT" {
			continue
		}
		v := s.Value
		for _, own := range []string{"$" + s.Key, "${" + s.Key + "}"} {
			// A file beside it adds to what the one before it set.
			if rest, ok := strings.CutPrefix(v, own+" "); ok {
				v = values[s.Key] + " " + rest
			} else if rest, ok := strings.CutSuffix(v, " "+own); ok {
				v = rest + " " + values[s.Key]
			}
		}
		if s.Append {
			v = values[s.Key] + v
		}
		if strings.ContainsAny(v, "$`") {
			return nil, s, false
		}
		values[s.Key], last, found = v, s, true
	}
	return strings.Fields(values["GRUB_CMDLINE_LINUX"] + " " + values["GRUB_CMDLINE_LINUX_DEFAULT"]), last, found
}

var bootGrubInstallDevice = Check{
	ID: "boot.grub-install-device", Code: "MIG2110", Title: "The next update of GRUB installs it on a disk that the target has", Category: "boot", Severity: Medium,
	Needs:  needGrub,
	Impact: "An update writes new modules, but not the new core image: the next start ends with \"symbol not found\" and GRUB's rescue prompt.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		if f.Firmware.Mode == "uefi" {
			return skip("GRUB starts from the EFI system partition")
		}
		if len(f.Grub.Devices)+len(f.Grub.Maps) == 0 {
			return skip("no device is kept")
		}
		r := pass("the devices are there")
		for _, l := range f.Grub.Devices {
			r = worst(r, installDevice(f, t, l, l.Text, Medium))
		}
		for _, l := range f.Grub.Maps {
			w := strings.Fields(l.Text)
			r = worst(r, installDevice(f, t, l, w[len(w)-1], Low).hint("Delete %s: GRUB finds the disks itself.", l.File))
		}
		if r.Status == Pass {
			r.Remediation = nil
		}
		return r
	},
}

func installDevice(f *facts.Facts, t *targets.Target, l facts.Line, dev string, s Severity) Result {
	x := f.Disk.Resolve(dev, "")
	r := pass("")
	switch {
	case x.Kind == "by-id" || x.Kind == "by-path":
		r = warn(s, "%s is made of this machine's hardware", dev)
	case x.Kind == "device":
		// That the name is this machine's is what is wrong with it; which disk it
		// is here does not matter.
		x.Place = facts.Unsure
		if r = deviceName(f, t, "", x); r.Status == Fail {
			r.Status = Warn
		}
		if r.Status != Pass {
			r.Severity = s
		}
	case x.Place == facts.Elsewhere:
		r = warn(s, "%s: %s", dev, x.Why)
	}
	r = r.with(file(l.File, l.Line, l.Text))
	if r.Status == Pass || s == Low {
		return r
	}
	name := "/dev/vda"
	if len(t.DiskNames.Values) > 0 {
		name = "/dev/" + t.DiskNames.Values[0]
	}
	if strings.Contains(l.File, "debconf") {
		return r.command([]string{"sh", "-c", "echo 'grub-pc grub-pc/install_devices multiselect " + name + "' | debconf-set-selections"})
	}
	return r.hint("Write %s into %s on the target.", name, l.File)
}
