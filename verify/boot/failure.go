package boot

import (
	"regexp"
	"slices"
)

// Kind is a known way in which a system does not start.
type Kind string

// The kinds.
const (
	NoBootable    Kind = "no-bootable-device"
	LoaderRescue  Kind = "loader-rescue"
	LoaderShell   Kind = "loader-shell"
	LoaderError   Kind = "loader-error"
	NoRoot        Kind = "root-not-mounted"
	InitramfsFail Kind = "initramfs-unusable"
	InitramfsSh   Kind = "initramfs-shell"
	DracutShell   Kind = "dracut-shell"
	NoInit        Kind = "no-init"
	Panic         Kind = "kernel-panic"
	Emergency     Kind = "emergency-mode"
	Rescue        Kind = "rescue-mode"
	Fsck          Kind = "fsck-wants-input"
	Passphrase    Kind = "passphrase-wanted"
	Restarts      Kind = "restarts"
	SwitchedOff   Kind = "switched-off"
)

// what is known of a kind: a title for people, and the checks of preflight that look
// for its causes, the likeliest first.
type known struct {
	title  string
	checks []string
}

var kinds = map[Kind]known{
	NoBootable:    {"the firmware finds nothing that it can start", []string{"boot.loader-present", "boot.firmware", "boot.esp-fallback", "disk.partition-table", "disk.gpt-integrity"}},
	LoaderRescue:  {"the boot loader does not find its own files", []string{"boot.loader-present", "boot.grub-install-device", "disk.required-mounts", "fs.type-and-features"}},
	LoaderShell:   {"the boot loader waits for commands", []string{"boot.loader-present", "boot.grub-defaults", "disk.required-mounts"}},
	LoaderError:   {"the boot loader cannot start the kernel", []string{"boot.kernel-files", "boot.default-kernel", "disk.required-mounts", "boot.loader-present"}},
	NoRoot:        {"the kernel cannot mount the root filesystem", []string{"boot.kernel-files", "initramfs.readable", "boot.root-spec", "driver.boot-disk"}},
	InitramfsFail: {"the kernel cannot unpack the initramfs", []string{"initramfs.readable", "boot.kernel-files"}},
	InitramfsSh:   {"the initramfs does not find the root filesystem", []string{"driver.boot-disk", "boot.root-spec", "driver.blacklist", "initramfs.readable", "initramfs.root-stack", "disk.stack"}},
	DracutShell:   {"the initramfs (dracut) does not find the root filesystem", []string{"driver.boot-disk", "boot.root-spec", "driver.blacklist", "initramfs.readable", "initramfs.root-stack", "disk.stack", "disk.lvm-devices-file"}},
	NoInit:        {"the root filesystem has no init that runs", []string{"initramfs.readable", "boot.cmdline", "disk.required-mounts", "os.usr-split", "kernel.arch"}},
	Panic:         {"the kernel gave up", []string{"initramfs.readable", "kernel.arch", "boot.cmdline"}},
	Emergency:     {"the system stops in emergency mode", []string{"mount.fstab-resolves", "mount.fstab-device-names", "mount.fstab-syntax", "mount.units", "mount.crypttab", "mount.fstab-network", "fs.clean", "boot.cmdline", "os.boot-target"}},
	Rescue:        {"the system stops in rescue mode", []string{"os.boot-target", "boot.cmdline"}},
	Fsck:          {"a filesystem has to be repaired by hand", []string{"fs.clean", "fs.live-consistency"}},
	Passphrase:    {"somebody has to type a passphrase", []string{"disk.luks", "mount.crypttab"}},
	Restarts:      {"the machine starts itself again and again", []string{"boot.loader-present", "boot.cmdline"}},
	SwitchedOff:   {"the guest switched itself off", []string{"boot.cmdline", "os.boot-target"}},
}

// Title says in words for people what the kind is.
func (k Kind) Title() string { return kinds[k].title }

// Checks are the ids of the checks of preflight that look for its causes.
func (k Kind) Checks() []string { return slices.Clone(kinds[k].checks) }

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{NoBootable, LoaderRescue, LoaderShell, LoaderError, NoRoot, InitramfsFail, InitramfsSh, DracutShell, NoInit, Panic,
		Emergency, Rescue, Fsck, Passphrase, Restarts, SwitchedOff}
}

// weight is what a sign proves.
type weight int

const (
	detail weight = iota // tells more of a failure, and is seen where there is none
	silent               // a failure, where nothing more comes and the screen stays in text mode
	hint                 // a failure, where nothing more comes
	final                // a failure
)

// sign is a line that shows a failure.
type sign struct {
	kind   Kind
	weight weight
	// until is the stage from which on the line means nothing; empty is none.
	until Stage
	re    *regexp.Regexp
}

// signs are tried on every line, the first that fits counts. Which program says it
// stands beside it.
var signs = []sign{
	// SeaBIOS (src/boot.c), OVMF's boot manager and its shell, PXE ROMs.
	{NoBootable, final, Kernel, regexp.MustCompile(`No bootable device\.|No bootable option or device was found|^Shell>`)},
	// SeaBIOS starts the boot sector, and GRUB's has begun: nothing more comes where
	// there is no code, or GRUB's next part is not where it was.
	{NoBootable, silent, Loader, regexp.MustCompile(`^Booting from 0000:7c00`)},
	{LoaderRescue, silent, Loader, regexp.MustCompile(`^GRUB$`)},
	{NoBootable, hint, Kernel, regexp.MustCompile(`Boot failed: |BdsDxe: failed to (load|start)|No Boot(able)? (Device|Media)|Operating system not found|PXE-E\d\d`)},
	// GRUB: its core without its modules, the shell without a configuration.
	{LoaderRescue, final, Kernel, regexp.MustCompile(`^grub rescue>`)},
	{LoaderShell, final, Kernel, regexp.MustCompile(`^grub>|^Minimal BASH-like line editing|^ *GNU GRUB.*Minimal BASH-like`)},
	{LoaderError, final, Kernel, regexp.MustCompile(`Failed to boot both default and fallback entries`)},
	{LoaderRescue, hint, Kernel, regexp.MustCompile(`^error: file .*\.mod' not found`)},
	{LoaderError, hint, Kernel, regexp.MustCompile(`^error: .*(not found|you need to load the kernel first|unknown filesystem|no such (device|partition|disk)|invalid (magic|signature|sector)|out of memory|attempt to read or write outside|symbol .* not found)`)},
	{LoaderError, hint, Kernel, regexp.MustCompile(`Could not find kernel image|Failed to load COM32|No DEFAULT or UI configuration directive`)}, // SYSLINUX
	// The boot sectors of Windows, of MBR and NTFS.
	{LoaderRescue, final, Kernel, regexp.MustCompile(`^(BOOTMGR|NTLDR) is (missing|compressed)|^A disk read error occurred|^(Missing|Error loading) operating system`)},
	// The kernel.
	{InitramfsFail, detail, Root, regexp.MustCompile(`Initramfs unpacking failed|rootfs image is not initramfs|invalid magic at start of compressed archive`)},
	{NoRoot, final, "", regexp.MustCompile(`VFS: Unable to mount root fs`)},
	{NoRoot, detail, "", regexp.MustCompile(`VFS: Cannot open root device`)},
	{NoInit, final, "", regexp.MustCompile(`No working init found|No init found\. Try passing init=`)},
	{Panic, final, "", regexp.MustCompile(`Kernel panic - not syncing|^---\[ end Kernel panic`)},
	// fsck, of initramfs-tools, systemd and sysvinit.
	{Fsck, final, "", regexp.MustCompile(`UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY|requires a manual fsck|fsck failed with (error code|exit status) [4-9]|fsck died with exit status`)},
	// cryptsetup, systemd, Plymouth.
	{Passphrase, final, Init, regexp.MustCompile(`Please unlock disk |(?i:enter passphrase for) `)},
	// dracut, before initramfs-tools, systemd and sulogin, whose words it has as well.
	{DracutShell, final, Root, regexp.MustCompile(`Entering emergency mode\. Exit the shell to continue|Generating "/run/initramfs/rdsosreport\.txt"|^dracut:/#|dracut-initqueue.*: Could not boot`)},
	{DracutShell, detail, Root, regexp.MustCompile(`dracut-initqueue.*(timeout|Warning)|Warning: /dev/\S+ does not exist|dracut Warning`)},
	// initramfs-tools.
	{InitramfsSh, final, "", regexp.MustCompile(`^\(initramfs\)`)},
	{InitramfsSh, hint, Root, regexp.MustCompile(`ALERT! .* does not exist|Gave up waiting for (root|suspend/resume) (file system )?device`)},
	{InitramfsSh, detail, Root, regexp.MustCompile(`^\S*/init: .*not found|mount: mounting .* failed|No root device specified`)},
	// systemd and sulogin.
	{Emergency, final, "", regexp.MustCompile(`You are in emergency mode|[Gg]ive root password for|Cannot open access to console, the root account is locked`)},
	{Rescue, final, "", regexp.MustCompile(`You are in rescue mode|Started rescue\.service|Started Rescue Shell`)},
	{Emergency, detail, "", regexp.MustCompile(`\[DEPEND\]|\[FAILED\]|\[ TIME \]|Dependency failed for|Timed out waiting for device`)},
}

// signOf is the first sign that a line shows, to a machine that has reached a stage.
func signOf(line string, reached Stage) *sign {
	for i := range signs {
		if s := &signs[i]; (s.until == "" || reached.before(s.until)) && s.re.MatchString(line) {
			return s
		}
	}
	return nil
}
