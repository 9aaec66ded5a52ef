package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

// hostonly says in a word that the initramfs was made for this machine.
func hostonly(f *facts.Facts) string {
	if f.Early.Hostonly {
		return ", for this machine only"
	}
	return ""
}

// leftOut adds why the drivers were left out: the settings of what builds the
// initramfs that keep it to this machine's hardware, or leave drivers out by name.
func leftOut(f *facts.Facts, t *targets.Target, r Result) Result {
	for _, s := range f.Kernels.Initramfs {
		switch {
		case s.Key == "hostonly" && s.Value == "yes", s.Key == "MODULES" && s.Value == "dep", s.Key == "HOOKS" && strings.Contains(s.Value, "autodetect"):
		case s.Key == "omit_drivers" && slices.ContainsFunc(t.Modules(), func(m string) bool { return slices.Contains(strings.Fields(s.Value), m) }):
		default:
			continue
		}
		r = r.with(file(s.File, s.Line, s.Key+"="+s.Value))
	}
	return r
}

// fixInitramfs says how the drivers get into the initramfs.
func fixInitramfs(f *facts.Facts, t *targets.Target, r Result, modules []string) Result {
	list := strings.Join(modules, " ")
	image := ""
	if n := len(f.Drivers.Initrds); n > 0 {
		image = f.Drivers.Initrds[n-1].Path
	}
	k := f.Drivers.Kernel
	v, _ := facts.KernelVersion(k)
	e, _ := f.Boot.DefaultEntry()
	switch family := f.OS.Family(); {
	case e.Unified:
		r = r.hint("Build the unified kernel image %s anew with the modules %s; a signed one has to be signed again.", e.Kernel.Path, list)
	case family == "rhel" && older(v[:], []int{2, 6, 32}): // before dracut: RHEL 5
		argv := []string{"mkinitrd", "-f"}
		for _, m := range modules {
			argv = append(argv, "--with="+m)
		}
		r = r.command(append(argv, image, k))
	case family == "suse" && older(v[:], []int{3, 12, 0}): // before dracut: SLES 11
		r = r.hint("Add to INITRD_MODULES in /etc/sysconfig/kernel: %s", list).command([]string{"mkinitrd"})
	case family == "debian":
		r = r.hint("Add these lines to /etc/initramfs-tools/modules: %s", list).command([]string{"update-initramfs", "-u", "-k", k})
	case family == "rhel", family == "suse":
		r = r.command([]string{"dracut", "-f", "--add-drivers", list, image, k}).
			hint(`Keep it for later kernels: a file in /etc/dracut.conf.d with add_drivers+=" %s ".`, list)
	case family == "arch":
		r = r.hint("Set MODULES=(%s) in /etc/mkinitcpio.conf.", list).command([]string{"mkinitcpio", "-P"})
	case family == "alpine":
		// mkinitfs's features are lists of modules in /etc/mkinitfs/features.d;
		// virtio's is there.
		if slices.ContainsFunc(modules, func(m string) bool { return !strings.HasPrefix(m, "virtio") }) {
			r = r.hint("Name the modules %s by their paths in a file /etc/mkinitfs/features.d/target.modules, and add target to features in /etc/mkinitfs/mkinitfs.conf.", list)
		} else {
			r = r.hint("Add virtio to features in /etc/mkinitfs/mkinitfs.conf.")
		}
		r = r.command([]string{"mkinitfs", k})
	default:
		r = r.hint("Build the initramfs of kernel %s with the modules %s.", k, list)
	}
	for _, s := range t.Sources {
		if t.Disk.Source < len(t.Sources) && s == t.Sources[t.Disk.Source] && strings.HasPrefix(s.Ref, "http") {
			r.Remediation = append(r.Remediation, Remediation{Type: "link", URL: s.Ref, Text: s.Title})
		}
	}
	return r
}
