package boot

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// What screens showed that the guests of testdata/guests.sh had.
var (
	noKernel = []string{"  Booting `Debian GNU/Linux GNU/Linux'", "Loading Linux 6.1.0-56-cloud-amd64 ...",
		"error: file `/boot/vmlinuz-6.1.0-56-cloud-amd64' not found.", "Loading initial ramdisk ...", "error: you need to load the kernel first.", "Press any key to continue..."}
	bothFail  = []string{"  Failed to boot both default and fallback entries."}
	noModules = []string{"SeaBIOS (version 1.16.2-debian-1.16.2-1)", "Booting from Hard Disk...", "GRUB loading.", "Welcome to GRUB!",
		"error: file `/boot/grub/i386-pc/normal.mod' not found.", "grub rescue>"}
	halfGRUB = []string{"SeaBIOS (version 1.16.2-debian-1.16.2-1)", "Booting from Hard Disk...", "GRUB"}
	noInitrd = []string{"  Booting `Debian GNU/Linux GNU/Linux'", "Loading Linux 6.1.0-56-cloud-amd64 ...", "Loading initial ramdisk ...",
		"error: file `/boot/initrd.img-6.1.0-56-cloud-amd64' not found."}
	tty1 = []string{"Debian GNU/Linux 12 migimg-demo tty1", "migimg-demo login:"}
)

const seaBIOS = "SeaBIOS (version 1.16.2-debian-1.16.2-1)\nBUILD: gcc\nBooting from Hard Disk...\nBooting from 0000:7c00"

func TestWatch(t *testing.T) {
	const timeout = 4 * time.Minute
	for _, c := range []struct {
		name string
		// console is a file in testdata, or the text itself; all is there at the first
		// look, a second apart from the next one, at which nothing more comes.
		console, firmware string
		screen            []string
		graphics          bool
		state             string
		resets            int
		banner            string

		verdict Verdict
		reached Stage
		kind    Kind
		seen    string // in the failure's lines or in the reason
		first   string // of the checks
		within  time.Duration
	}{
		{name: "healthy", console: "healthy.console", firmware: seaBIOS, verdict: Pass, reached: Login, within: settle + time.Second},
		{name: "a prompt that the kernel writes behind", console: "migimg-demo login: [   84.926309] kvm: Nested Virtualization enabled\r\n", verdict: Pass, reached: Login, within: timeout},
		{name: "a prompt on the screen alone", screen: tty1, verdict: Pass, reached: Login, within: timeout},
		{name: "SSH alone", banner: "SSH-2.0-OpenSSH_9.2p1 Debian-2", graphics: true, verdict: Pass, reached: SSH, within: settle + time.Second},
		{name: "no initramfs", console: "noinitrd.console", screen: noInitrd, verdict: Fail, reached: Kernel, kind: NoRoot, seen: "VFS: Unable to mount root fs on unknown-block(0,0)", first: "boot.kernel-files", within: afterword + 2*time.Second},
		{name: "initramfs cut short", console: "cut.console", verdict: Fail, reached: Kernel, kind: InitramfsSh, seen: "Initramfs unpacking failed: read error", first: "initramfs.readable", within: afterword + 2*time.Second},
		{name: "root= of another disk", console: "wronguuid.console", verdict: Fail, reached: Kernel, kind: InitramfsSh, seen: "ALERT!  UUID=11111111-2222-3333-4444-555555555555 does not exist", first: "driver.boot-disk", within: afterword + 2*time.Second},
		{name: "a disk of fstab is not there", console: "emergency.console", verdict: Fail, reached: Init, kind: Emergency, seen: "Dependency failed for data.mount - /data.", first: "mount.fstab-resolves", within: afterword + 2*time.Second},
		{name: "no kernel", firmware: seaBIOS, screen: append(slices.Clone(noKernel), bothFail...), verdict: Fail, reached: Loader, kind: LoaderError, seen: "error: file `/boot/vmlinuz-6.1.0-56-cloud-amd64' not found.", first: "boot.kernel-files", within: afterword + 2*time.Second},
		{name: "no kernel, and GRUB waits", firmware: seaBIOS, screen: noKernel, verdict: Fail, reached: Loader, kind: LoaderError, seen: "load the kernel first", within: patience + 2*time.Second},
		{name: "GRUB without its modules", firmware: seaBIOS, screen: noModules, verdict: Fail, reached: Loader, kind: LoaderRescue, seen: "normal.mod", first: "boot.loader-present", within: afterword + 2*time.Second},
		{name: "GRUB without a configuration", console: "\x1b[2J\x1b[01;01H   Minimal BASH-like line editing is supported.\r\n\x1b[04;01Hgrub> \x1b[04;07H", verdict: Fail, kind: LoaderShell, seen: "grub>", within: timeout},
		{name: "half of GRUB", firmware: seaBIOS, screen: halfGRUB, verdict: Fail, reached: Firmware, kind: LoaderRescue, seen: "GRUB", within: patience + 2*time.Second},
		{name: "a boot sector that does nothing", firmware: seaBIOS, screen: halfGRUB[:2], verdict: Fail, reached: Firmware, kind: NoBootable, seen: "Booting from 0000:7c00", within: patience + 2*time.Second},
		{name: "a boot sector that draws pictures", firmware: seaBIOS, graphics: true, verdict: Unknown, reached: Firmware, seen: `the last sign was "firmware"`, within: timeout + time.Second},
		{name: "a loader that nobody knows", firmware: seaBIOS, screen: append(slices.Clone(halfGRUB[:2]), "BTX loader 1.00"), verdict: Unknown, reached: Firmware, seen: "nothing new was seen", within: timeout + time.Second},
		{name: "a blank disk", firmware: "SeaBIOS (version 1.16.2)\nBooting from Hard Disk...\nBoot failed: not a bootable disk\n\nNo bootable device.\n", verdict: Fail, reached: Firmware, kind: NoBootable, seen: "No bootable device.", first: "boot.loader-present", within: afterword + 2*time.Second},
		{name: "a blank disk, UEFI", graphics: true, console: "\x1b[2J\x1b[01;01HBdsDxe: failed to load Boot0001 \"UEFI QEMU NVMe Ctrl migimg 1\" from PciRoot(0x0): Not Found\r\n\x1b[08;01H\x1b[1m\x1b[33m\x1b[40mShell> \x1b[0m", verdict: Fail, reached: Firmware, kind: NoBootable, seen: "Not Found", within: afterword + 2*time.Second},
		{name: "Windows without its loader", firmware: seaBIOS, screen: []string{"Booting from Hard Disk...", "BOOTMGR is missing", "Press Ctrl+Alt+Del to restart"}, verdict: Fail, reached: Firmware, kind: LoaderRescue, seen: "BOOTMGR is missing", first: "boot.loader-present", within: afterword + 2*time.Second},
		{name: "nothing at all", verdict: Unknown, seen: "neither a login prompt nor a known failure", within: timeout + time.Second},
		{name: "it gets on slowly", console: "[    1.0] Linux version 6.1.0\r\n", verdict: Unknown, reached: Kernel, seen: `the last sign was "kernel"`, within: timeout + time.Second},
		{name: "an init that is not there", console: "Linux version 6.1\n[ 7.1] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.\n", verdict: Fail, reached: Kernel, kind: NoInit, within: timeout},
		{name: "another panic", console: "Linux version 6.1\n[ 7.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n", verdict: Fail, reached: Kernel, kind: Panic, within: timeout},
		{name: "dracut", console: "Linux version 5.14\nWelcome to Rocky Linux 9.3 (Blue Onyx) dracut-057 (Initramfs)!\n[  190.1] dracut-initqueue[380]: Warning: dracut-initqueue: timeout, still waiting for following initqueue hooks:\nWarning: /dev/disk/by-uuid/1111 does not exist\n\nGenerating \"/run/initramfs/rdsosreport.txt\"\n\nEntering emergency mode. Exit the shell to continue.\nGive root password for maintenance\n",
			verdict: Fail, reached: Kernel, kind: DracutShell, seen: "/dev/disk/by-uuid/1111 does not exist", first: "driver.boot-disk", within: timeout},
		{name: "fsck by hand", console: "Linux version 6.1\nEXT4-fs (vda1): mounted filesystem\nroot: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.\nYou are in emergency mode.\n", verdict: Fail, reached: Root, kind: Fsck, first: "fs.clean", within: timeout},
		{name: "a passphrase", console: "Linux version 6.1\nPlease unlock disk sda3_crypt: ", verdict: Fail, reached: Kernel, kind: Passphrase, first: "disk.luks", within: timeout},
		{name: "rescue mode", console: "Welcome to Debian GNU/Linux 12 (bookworm)!\nYou are in rescue mode. After logging in, type\n", verdict: Fail, reached: Init, kind: Rescue, within: timeout},
		{name: "sysvinit", console: "INIT: version 2.88 booting\nINIT: Entering runlevel: 2\n\nDebian GNU/Linux 7 old ttyS0\n\nold login: ", verdict: Pass, reached: Login, within: timeout},
		{name: "OpenRC", console: "   OpenRC 0.52.1 is starting up Linux 6.6.7-0-virt (x86_64)\n\nlocalhost login: ", verdict: Pass, reached: Login, within: timeout},
		{name: "somebody was logged in", console: "Last login: Mon Nov 23 on tty1\n", verdict: Unknown, within: timeout + time.Second},
		{name: "it switches itself off", state: "shutdown", verdict: Fail, kind: SwitchedOff, within: time.Second},
		{name: "again and again", firmware: seaBIOS, resets: mostResets, verdict: Fail, reached: Firmware, kind: Restarts, within: time.Second},
		{name: "QEMU cannot", state: "internal-error", verdict: Unknown, seen: "internal-error", within: time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			console := []byte(c.console)
			if strings.HasSuffix(c.console, ".console") {
				var err error
				if console, err = os.ReadFile("testdata/" + c.console); err != nil {
					t.Fatal(err)
				}
			}
			w := newWatch(timeout)
			l := look{console: console, firmware: []byte(c.firmware), screen: c.screen, graphics: c.graphics, state: c.state, resets: c.resets, banner: c.banner}
			at := time.Duration(0)
			for !w.look(at, l) {
				l = look{state: c.state, resets: c.resets, screen: c.screen, graphics: c.graphics}
				if at += time.Second; at > time.Hour {
					t.Fatal("it never ends")
				}
			}
			r := w.result(at, Machine{})
			if r.Verdict != c.verdict || r.Reached != c.reached || at > c.within {
				t.Fatalf("%s, reached %q, after %v; must be %s, %q within %v: %+v", r.Verdict, r.Reached, at, c.verdict, c.reached, c.within, r)
			}
			said := r.Reason
			if r.Failure != nil {
				if r.Failure.Kind != c.kind || r.Failure.Title == "" || len(r.Failure.Checks) == 0 {
					t.Errorf("%+v, must be %s", r.Failure, c.kind)
				}
				if c.first != "" && r.Failure.Checks[0] != c.first {
					t.Errorf("the first check is %s, must be %s", r.Failure.Checks[0], c.first)
				}
				said = strings.Join(r.Failure.Seen, "\n")
			} else if c.kind != "" {
				t.Errorf("no failure, must be %s", c.kind)
			}
			if !strings.Contains(said, c.seen) {
				t.Errorf("no %q in %q", c.seen, said)
			}
			if (r.Verdict == Unknown) != (r.Reason != "") || (r.Verdict == Fail) != (r.Failure != nil) {
				t.Errorf("%s with the reason %q and the failure %v", r.Verdict, r.Reason, r.Failure)
			}
		})
	}
}

// TestWatchInPieces: where the bytes are cut makes no difference.
func TestWatchInPieces(t *testing.T) {
	for _, name := range []string{"healthy", "cut", "emergency"} {
		b, err := os.ReadFile("testdata/" + name + ".console")
		if err != nil {
			t.Fatal(err)
		}
		whole := newWatch(time.Hour)
		whole.look(0, look{console: b})
		for _, n := range []int{1, 7, 100} {
			w := newWatch(time.Hour)
			for piece := range slices.Chunk(b, n) {
				w.look(0, look{console: piece})
			}
			a, b := whole.result(0, Machine{}), w.result(0, Machine{})
			if a.Verdict != b.Verdict || a.Reached != b.Reached || (a.Failure == nil) != (b.Failure == nil) || a.Failure != nil && a.Failure.Kind != b.Failure.Kind {
				t.Errorf("%s in pieces of %d: %+v, must be %+v", name, n, b, a)
			}
		}
	}
}

// TestStagesOfAStart: each is seen, in order, and the network from its packets.
func TestStagesOfAStart(t *testing.T) {
	b, err := os.ReadFile("testdata/healthy.console")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := os.ReadFile("testdata/dhcp.pcap")
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(time.Hour)
	at := time.Duration(0)
	w.look(at, look{firmware: []byte(seaBIOS), screen: []string{"GRUB loading."}})
	for line := range bytes.Lines(b) {
		at += time.Second
		w.look(at, look{console: line})
	}
	at += time.Second
	if !w.look(at, look{packets: packets, banner: "SSH-2.0-x"}) {
		t.Error("more is waited for")
	}
	r := w.result(at, Machine{Firmware: BIOS, Bus: "virtio-blk", NIC: "virtio-net", Accelerator: "tcg"})
	var got []Stage
	for i, s := range r.Stages {
		got = append(got, s.Stage)
		if i > 0 && s.Seconds < r.Stages[i-1].Seconds {
			t.Errorf("%v", r.Stages)
		}
	}
	if !slices.Equal(got, Stages()) || r.Address != "10.0.2.15" || r.Banner != "SSH-2.0-x" {
		t.Errorf("%+v", r)
	}
	if s := r.Summary(); !strings.HasPrefix(s, "it starts: firmware 0 s, boot loader 0 s, kernel 1 s") || !strings.HasSuffix(s, "(BIOS, virtio-blk, virtio-net, tcg)") {
		t.Errorf("%q", s)
	}
}

// TestHintRefuted: an error of the loader's that the kernel comes after is none.
func TestHintRefuted(t *testing.T) {
	w := newWatch(time.Hour)
	w.look(0, look{screen: []string{"error: no such device: 1111."}})
	w.look(10*time.Second, look{console: []byte("Linux version 6.1\n")})
	if w.look(3*time.Minute, look{}) {
		t.Errorf("%+v", w.result(3*time.Minute, Machine{}))
	}
}

// TestPanicBehindLogin: a kernel that dies while the network is waited for did not
// start well, and a login refutes what was taken for a failure.
func TestPanicBehindLogin(t *testing.T) {
	w := newWatch(time.Hour)
	w.look(0, look{console: []byte("You are in emergency mode.\n")})
	w.look(time.Second, look{console: []byte("demo login: ")})
	if r := w.result(time.Second, Machine{}); r.Verdict != Pass {
		t.Errorf("%+v", r)
	}
	w.look(2*time.Second, look{console: []byte("\n[ 9.1] Kernel panic - not syncing: Fatal exception\n")})
	if r := w.result(3*time.Second, Machine{}); r.Verdict != Fail || r.Failure.Kind != Panic {
		t.Errorf("%+v", r)
	}
}

// TestOwnPackets: QEMU asks for a guest that port 22 is wanted of. That is no sign of
// life, and what the guest sends is one.
func TestOwnPackets(t *testing.T) {
	b := recorded(t)[:pcapHeader]
	frame := func(from byte) []byte {
		f := make([]byte, pcapRecord+42)
		f[8] = 42
		copy(f[pcapRecord:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, from, 0x0a, 0, 2, 2, 8, 6})
		return f
	}
	for _, c := range []struct {
		from    byte
		verdict Verdict
	}{{0x55, Fail}, {0x54, Unknown}} {
		w := newWatch(3 * time.Minute)
		w.look(0, look{firmware: []byte(seaBIOS), packets: b})
		at := time.Second
		for !w.look(at, look{packets: frame(c.from)}) {
			at += time.Second
		}
		if r := w.result(at, Machine{}); r.Verdict != c.verdict {
			t.Errorf("from %#x: %+v", c.from, r)
		}
	}
}

// TestHintTooEarly: a guest that had no time to go on has not failed.
func TestHintTooEarly(t *testing.T) {
	w := newWatch(10 * time.Second)
	w.look(0, look{firmware: []byte(seaBIOS)})
	if !w.look(10*time.Second, look{}) {
		t.Fatal("the time is over")
	}
	r := w.result(10*time.Second, Machine{})
	if r.Verdict != Unknown || !strings.Contains(r.Reason, "too early to tell") {
		t.Errorf("%+v", r)
	}
}

func TestKinds(t *testing.T) {
	if len(Kinds()) != len(kinds) {
		t.Errorf("%d kinds of %d", len(Kinds()), len(kinds))
	}
	for _, k := range Kinds() {
		if k.Title() == "" || len(k.Checks()) == 0 {
			t.Errorf("%s: %q, %q", k, k.Title(), k.Checks())
		}
	}
	for _, s := range signs {
		if !slices.Contains(Kinds(), s.kind) {
			t.Errorf("%s is no kind", s.kind)
		}
	}
}
