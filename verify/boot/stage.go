package boot

import (
	"regexp"
	"slices"
)

// Stage is how far a start got. The order is that of Stages.
type Stage string

// The stages.
const (
	Firmware Stage = "firmware"
	Loader   Stage = "boot loader"
	Kernel   Stage = "kernel"
	Root     Stage = "root filesystem"
	Init     Stage = "init"
	Login    Stage = "login prompt"
	Network  Stage = "network by DHCP"
	SSH      Stage = "SSH"
)

// Stages returns all, the first first.
func Stages() []Stage {
	return []Stage{Firmware, Loader, Kernel, Root, Init, Login, Network, SSH}
}

// before says that s comes before other; the empty stage is before all.
func (s Stage) before(other Stage) bool {
	return slices.Index(Stages(), s) < slices.Index(Stages(), other)
}

// mark is a line that shows a stage.
type mark struct {
	stage Stage
	re    *regexp.Regexp
}

// marks are tried on every line. Which program says it stands beside it.
var marks = []mark{
	{Firmware, regexp.MustCompile(`SeaBIOS \(version|^Booting from (Hard Disk|ROM|DVD|Floppy)|BdsDxe: |EFI v\d`)},
	// GRUB's core, its menu, its entry of Debian and Fedora; SYSLINUX and its kin;
	// systemd-boot; LILO.
	{Loader, regexp.MustCompile(`GRUB loading|Welcome to GRUB!|GNU GRUB +version|^ *Booting .*['"]$|Loading Linux |Loading initial ramdisk|(SYS|ISO|PXE|EXT)LINUX \d|systemd-boot|^LILO `)},
	// The kernel's decompressor, the EFI stub, and the kernel's first line.
	{Kernel, regexp.MustCompile(`Decompressing Linux|Booting the kernel|EFI stub: |Linux version \d`)},
	// The kernel's filesystems, initramfs-tools, dracut, a kernel without initramfs.
	{Root, regexp.MustCompile(`EXT[234]-fs \(.*\): (mounted filesystem|mounting)|XFS \(.*\): (Mounting|Ending clean mount)|BTRFS info \(device|Begin: Running /scripts/local-bottom|Switching root|Mounted sysroot|Mounted .*/sysroot|VFS: Mounted root`)},
	// systemd greets; in an initramfs it says so, too, with another name (see initrd).
	{Init, regexp.MustCompile(`Welcome to .+!|Reached target (multi-user|Multi-User|graphical|Graphical|getty|Login Prompts)|INIT: version|INIT: Entering runlevel|OpenRC .* is starting up`)},
}

var (
	// initrd is a greeting of dracut's.
	initrd = regexp.MustCompile(`Welcome to .*(Initramfs|initramfs|dracut|GRUB)`)
	// login is what agetty writes, after the host's name; the kernel may write on
	// behind it.
	login = regexp.MustCompile(`^(\S+ )?login: ?(\[ *\d+\.\d+\].*)?$`)
)

// stageOf is the stage that a line shows; empty where it shows none.
func stageOf(line string) Stage {
	if login.MatchString(line) {
		return Login
	}
	for _, m := range marks {
		if m.re.MatchString(line) && (m.stage != Init || !initrd.MatchString(line)) {
			return m.stage
		}
	}
	return ""
}
