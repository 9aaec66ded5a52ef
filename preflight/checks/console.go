package checks

import (
	"fmt"
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/targets"
)

var bootConsole = Check{
	ID: "boot.console", Code: "MIG2107", Title: "The kernel writes to the console that the target shows", Category: "boot", Severity: Info,
	Needs:  needBoot,
	Impact: "The target's serial console stays empty, and a start that fails cannot be seen.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		e, ok := f.Boot.DefaultEntry()
		if !ok {
			return unknown("the default boot entry of %s cannot be told", f.Boot.File)
		}
		list := bootcfg.Params(e.Cmdline, "console")
		ev := file(e.Source, e.Line, e.Cmdline)
		serial := "ttyS0"
		if f.Kernels.Arch.Kernel == "aarch64" {
			serial = "ttyAMA0"
		} else if len(t.Console.Values) > 0 {
			serial, _, _ = strings.Cut(t.Console.Values[0], ",")
		}
		for _, c := range list {
			if strings.HasPrefix(c, "hvc") || strings.HasPrefix(c, "xvc") {
				return fixConsole(f, serial, warn(Medium, "console=%s is Xen's, and the target has no such device", c).with(ev))
			}
		}
		i := slices.IndexFunc(list, func(c string) bool { return strings.HasPrefix(c, "ttyS0") || strings.HasPrefix(c, "ttyAMA0") })
		switch {
		case i < 0:
			return fixConsole(f, serial, warn("", "no console=%s: messages go to the screen only", serial).with(ev))
		case i != len(list)-1:
			return warn(Info, "console=%s is not the last one: the kernel's messages are there, those of the services on console=%s", list[i], list[len(list)-1]).with(ev)
		}
		return pass("console=%s", list[i]).with(ev)
	},
}

func fixConsole(f *facts.Facts, serial string, r Result) Result {
	args := fmt.Sprintf("console=tty0 console=%s,115200", serial)
	switch f.OS.Family() {
	case "debian":
		return r.hint("Set GRUB_CMDLINE_LINUX=\"%s\" in /etc/default/grub.", args).command([]string{"update-grub"})
	case "rhel":
		return r.command([]string{"grubby", "--update-kernel=ALL", "--args=" + args})
	case "suse":
		return r.hint("Add %s to GRUB_CMDLINE_LINUX in /etc/default/grub.", args).command([]string{"grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"})
	}
	return r.hint("Add %s to the kernel's arguments.", args)
}
