package facts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/kmod"
	"migimg/preflight/guestfs"
)

// Kernels is what is installed around the kernel that boots.
type Kernels struct {
	// Installed are the kernels that have modules, the newest first.
	Installed []InstalledKernel
	// Running is the release that runs now, when the guest is this machine's own
	// system.
	Running string
	Arch    Arch
	// Foreign are modules of the kernel that boots which did not come with it, as
	// paths of the guest. DKMS are the names below /var/lib/dkms.
	Foreign, DKMS []string
	// Wanted are the modules that the guest loads by name at every boot.
	Wanted []WantedModule
	// Initramfs are the settings of what builds the initramfs.
	Initramfs []Setting
	// Kdump are the lines of /etc/kdump.conf.
	Kdump []Line
	// HMAC is the file with the kernel's checksum that FIPS mode wants.
	HMAC BootFile
	// Problems are what could not be read.
	Problems []string
}

// InstalledKernel is a kernel with a folder of modules.
type InstalledKernel struct {
	Release string
	// Image is the guest's path of the kernel image, empty where none was found.
	Image string
	// XenPV: the kernel runs only paravirtualised under Xen.
	XenPV kmod.Tri
	// Owned: a package of the distribution holds the kernel.
	Owned kmod.Tri
	// Has are the wanted modules that are built in or below its folder, nil where
	// its folder could not be read.
	Has map[string]bool
}

// WantedModule is a line of /etc/modules or modules-load.d.
type WantedModule struct {
	Line
	Module string
	// Known says whether the kernel that boots has it.
	Known kmod.Tri
}

// Default is the kernel that boots, among the installed ones.
func (f *Facts) Default() (InstalledKernel, bool) {
	for _, k := range f.Kernels.Installed {
		if k.Release == f.Drivers.Kernel {
			return k, true
		}
	}
	return InstalledKernel{}, false
}

// The bounds on what is looked at.
const (
	maxKernels = 24
	maxForeign = 500
)

func (g *gatherer) kernels(ctx context.Context) error {
	k := &g.f.Kernels
	names, err := g.releases()
	if err != nil {
		g.f.SetAbsent(KeyKernels, Absence{Reason: err.Error()})
		return nil
	}
	someModule := ""
	for _, r := range names[:min(len(names), maxKernels)] {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := InstalledKernel{Release: r, Image: g.image(r), Owned: g.owned(r)}
		if tree, err := kmod.Load(g.fs, r); err == nil {
			x.Has, x.XenPV = map[string]bool{}, xenPV(tree)
			for _, m := range g.o.Modules {
				_, found := tree.Path(m)
				x.Has[m] = found || tree.Builtin(m) == kmod.Yes
			}
			if r == g.f.Drivers.Kernel {
				k.Foreign, someModule = tree.Outside(maxForeign), tree.SomeModule()
				g.wanted(tree)
			}
		}
		k.Installed = append(k.Installed, x)
	}
	if g.f.Guest.Live && g.f.Guest.RootPath == "/" {
		if b, err := os.ReadFile(path.Join(g.src.proc(), "sys/kernel/osrelease")); err == nil {
			k.Running = strings.TrimSpace(string(b))
		}
	}
	if entries, err := fs.ReadDir(g.fs, "var/lib/dkms"); err == nil {
		for _, e := range entries[:min(len(entries), maxForeign)] {
			if e.IsDir() {
				k.DKMS = append(k.DKMS, e.Name())
			}
		}
	}
	g.arch(someModule)
	g.initramfsConf()
	g.kdump()
	if e, ok := g.f.Boot.DefaultEntry(); ok && e.Kernel.Path != "" {
		k.HMAC = g.file(path.Join(path.Dir(e.Kernel.Path), "."+path.Base(e.Kernel.Path)+".hmac"))
	}
	return nil
}

// releases are the folders of modules, the newest release first.
func (g *gatherer) releases() (names []string, err error) {
	for _, d := range []string{"lib/modules", "usr/lib/modules"} {
		entries, err := fs.ReadDir(g.fs, d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", d, err)
		}
		for _, e := range entries {
			if v, _ := KernelVersion(e.Name()); v[0] > 0 && !slices.Contains(names, e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return bootcfg.CompareReleases(b, a) })
	return names, nil
}

// KernelVersion reads the three numbers in front of a release: 5.14.0 of
// "5.14.0-70.el9.x86_64". rest is what follows.
func KernelVersion(release string) (v [3]int, rest string) {
	rest = release
	for i := range v {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		x, err := strconv.Atoi(rest[:min(n, 6)])
		if n == 0 || err != nil {
			return v, rest
		}
		v[i], rest = x, rest[n:]
		if i == 2 || !strings.HasPrefix(rest, ".") || len(rest) < 2 || rest[1] < '0' || rest[1] > '9' {
			return v, rest
		}
		rest = rest[1:]
	}
	return v, rest
}

// image finds a release's kernel image where distributions put it.
func (g *gatherer) image(release string) string {
	for _, p := range []string{"boot/vmlinuz-" + release, "lib/modules/" + release + "/vmlinuz", "usr/lib/modules/" + release + "/vmlinuz",
		"boot/vmlinux-" + release, "boot/Image-" + release, "boot/image-" + release, "boot/kernel-" + release} {
		if fi, err := fs.Stat(g.fs, p); err == nil && fi.Mode().IsRegular() {
			return "/" + p
		}
	}
	return ""
}

// xenPV: the kernels of Xen's own tree (RHEL 5 and SUSE up to 11) have a
// subarchitecture of their own and know no other machine; kernels since 2.6.37
// with CONFIG_XEN_PV run everywhere. RHEL 5 names its kernel el5xen.
func xenPV(t *kmod.Tree) kmod.Tri {
	for _, s := range []string{"X86_XEN", "X86_64_XEN"} {
		if v, ok := t.Config(s); ok && v == "y" {
			return kmod.Yes
		}
	}
	if strings.HasSuffix(t.Release, "el5xen") {
		return kmod.Yes
	}
	if v, _ := KernelVersion(t.Release); v[0] > 3 || t.ConfigFile != "" {
		return kmod.No
	}
	return kmod.Unknown
}

// owned looks at dpkg's list of the files of the package that a release's kernel
// comes in. Other package managers keep that in databases; what their kernels are
// named tells then.
func (g *gatherer) owned(release string) kmod.Tri {
	dpkg, err := guestfs.Exists(g.fs, "var/lib/dpkg/info")
	if err != nil {
		return kmod.Unknown
	}
	if dpkg {
		for _, p := range []string{"linux-image-", "linux-image-unsigned-", "linux-modules-", "kernel-image-", "pve-kernel-", "proxmox-kernel-"} {
			for _, s := range []string{"", "-signed", ":amd64", ":arm64"} {
				ok, err := guestfs.Exists(g.fs, "var/lib/dpkg/info/"+p+release+s+".list")
				if err != nil {
					return kmod.Unknown
				}
				if ok {
					return kmod.Yes
				}
			}
		}
		return kmod.No
	}
	_, rest := KernelVersion(release)
	for _, mark := range []string{".el", ".fc", ".amzn", ".oe", ".an", ".tl", "uek", "-default", "-arch", "-lts", "-virt", "-generic", "-azure", "-kvmsmall", "-rt", "-zen", "-hardened", "-MANJARO"} {
		if strings.Contains(rest, mark) {
			return kmod.Yes
		}
	}
	return kmod.Unknown
}
