//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// secret is in a file of this machine that a guest points to.
const secret = "not of the guest: 8c1f0e"

// TestHostileGuest judges a guest that was prepared to do harm: what it says must come
// within a minute and 256 MiB, and hold nothing of the machine that it was asked on.
func TestHostileGuest(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "zstd", "setpriv")
	dir := tempDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	canary := filepath.Join(dir, "canary")
	if err := os.WriteFile(canary, []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "disk.img")
	run(t, "truncate", "-s", "2G", image)
	run(t, "mkfs.ext4", "-q", "-F", "-N", "100000", image)
	if err := os.Chmod(image, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		change func(root string)
		said   []string
	}{
		{func(root string) { harm(t, root, canary) },
			[]string{"grub.cfg: it is larger than", "crypttab: cannot be read: not a regular file", "uses YAML aliases", "more than 40 symbolic links"}},
		// What was refused kept preflight from what comes after it.
		{func(root string) { deeper(t, root) }, []string{"default boot entry", "nests deeper than", "Include nests too deep", "more packages than are read"}},
		{func(root string) { put(t, root, "boot/grub/grub.cfg", menuEntry) }, []string{"initrd.img-" + kernel}},
	} {
		dev := loop(t, image)
		root, umount := mountFS(t, dev, "rw")
		x.change(root)
		umount()
		detach(dev, image)
		judgesHarm(t, image, x.said)
	}
}

// menuEntry starts the guest's kernel.
const (
	kernel    = "6.1.0-1-amd64"
	menuEntry = "menuentry x {\n linux /boot/vmlinuz-" + kernel + " root=/dev/sda1\n initrd /boot/initrd.img-" + kernel + "\n}\n"
)

// judgesHarm runs preflight over an image, as root and as nobody.
func judgesHarm(t *testing.T, image string, said []string) {
	t.Helper()
	for _, as := range [][]string{nil, {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}} {
		args := append(as, program, "preflight", image, "--target", "kvm,tencent", "--format", "json")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		begin := time.Now()
		rss, err := peak(cmd)
		if code := cmd.ProcessState.ExitCode(); code != exitFindings {
			t.Fatalf("%q: exit %d, %v after %v\n%.3000s", as, code, err, time.Since(begin), errs.String())
		}
		if !json.Valid(out.Bytes()) {
			t.Fatalf("%q: no JSON:\n%.1000s\n%.20000s", as, out.String(), errs.String())
		}
		if strings.Contains(out.String()+errs.String(), secret) {
			t.Errorf("%q: the document holds a file of this machine", as)
		}
		for _, w := range said {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%q: nothing is said of %q", as, w)
			}
		}
		t.Logf("%q: %v, %d MiB, a document of %d bytes", as, time.Since(begin).Round(time.Millisecond), rss, out.Len())
		if rss > 256 {
			t.Errorf("%q: %d MiB were resident", as, rss)
		}
	}
}

// peak runs a program and looks now and then how much memory it has had resident, in MiB.
// Its resource usage would not tell: that begins with ours (exec_mmap in fs/exec.c).
func peak(cmd *exec.Cmd) (most int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		for line := range strings.Lines(string(b)) {
			var kib int
			if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
				most = max(most, kib>>10)
			}
		}
		select {
		case err := <-done:
			return most, err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// put writes a file of the guest's tree, in place of any other.
func put(t *testing.T, root, name, text string) string {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	_ = os.RemoveAll(path)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// deeper takes away what is refused before anything else is looked at.
func deeper(t *testing.T, root string) {
	t.Helper()
	put(t, root, "boot/grub/grub.cfg", menuEntry+"source /boot/grub/grub.cfg\nconfigfile /boot/grub/custom.cfg\n")
	put(t, root, "etc/netplan/50.yaml", "network: {ethernets: "+strings.Repeat("{a: ", 10_000)+strings.Repeat("}", 10_000)+"}\n")
	put(t, root, "etc/passwd", strings.Repeat("root:x:0:0::/root:/bin/sh\n", 100_000))
	put(t, root, "etc/multipath.conf", strings.Repeat("defaults {\n", 100_000))
	put(t, root, "var/lib/dpkg/status", strings.Repeat("Package: openssh-server\nStatus: install ok installed\nVersion: 1\nDepends: a, b\n\n", 200_000))
	put(t, root, "etc/fstab", strings.Repeat("/dev/sdb1 /a/b/../c ext4 x-systemd.requires=/a 0 0\n", 60_000))
	put(t, root, "etc/crypttab", strings.Repeat("a /dev/sdb1 none\n", 60_000))
	put(t, root, "etc/default/grub", "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX$GRUB_CMDLINE_LINUX\"\n")
	put(t, root, "usr/sbin/sshd", "")
}

// harm builds the guest's tree.
func harm(t *testing.T, root, canary string) {
	t.Helper()
	put := func(name, text string) string { return put(t, root, name, text) }
	link := func(name, to string) {
		path := put(name, "")
		_ = os.Remove(path)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	node := func(name string, mode uint32, dev int) {
		path := put(name, "")
		_ = os.Remove(path)
		if err := unix.Mknod(path, mode|0o644, dev); err != nil {
			t.Fatal(err)
		}
	}
	sparse := func(name, head string, size int64) {
		if err := os.Truncate(put(name, head), size); err != nil {
			t.Fatal(err)
		}
	}
	put("etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"\x1b[31mred\x07\"\n")
	put("etc/debian_version", "12")

	// Out of the guest.
	up := strings.Repeat("../", 40)
	link("etc/hostname", canary)
	link("etc/issue", up+canary)
	link("etc/resolv.conf", "resolv.conf")
	link("etc/network", up+filepath.Dir(canary))
	link("etc/cloud/cloud.cfg.d/10.cfg", canary)
	link("etc/ssh/sshd_config.d/x.conf", up+canary)
	link("etc/sudoers.d/x", canary)
	link("etc/fstab", "/proc/self/environ")
	link("usr/lib/modules/"+kernel+"/modules.alias", up+canary)
	link("var/lib/cloud", "/")

	// No files.
	node("etc/crypttab", unix.S_IFIFO, 0)
	node("etc/modprobe.d/zero.conf", unix.S_IFCHR, int(unix.Mkdev(1, 5)))
	node("etc/default/grub", unix.S_IFIFO, 0)
	node("etc/nftables.conf", unix.S_IFSOCK, 0)
	put("etc/passwd/is/a/directory", "")

	// Large, and nothing in them.
	sparse("boot/grub/grub.cfg", menuEntry+"source $prefix/grub.cfg\n", 10<<30)
	sparse("var/lib/dpkg/status", "Package: x\n", 20<<30)
	sparse("etc/group", "root:x:0:", 5<<30)
	sparse("boot/vmlinuz-"+kernel, "", 3<<30)
	sparse("etc/multipath.conf", "", 1<<40)

	// Larger when unpacked: 64 GiB in an archive that never ends.
	run(t, "sh", "-ec", fmt.Sprintf("head -c 1G /dev/zero | zstd -q -1 -c >%[1]s/z; for i in $(seq 64); do cat %[1]s/z; done >%[1]s/boot/initrd.img-%[2]s; rm %[1]s/z", root, kernel))
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	put("etc/netplan/50.yaml", laughs.String()+"network:\n  ethernets: *a12\n")
	put("etc/cloud/cloud.cfg", laughs.String()+"datasource_list: *a12\n")
	put("etc/netplan/60.yaml", strings.Repeat("[", 1<<20))

	// Round in circles.
	put("etc/ssh/sshd_config", "Include /etc/ssh/sshd_config\nInclude /etc/ssh/*\nInclude /etc/ssh/../ssh/sshd_config\n")
	put("etc/sudoers", "@include /etc/sudoers\n@includedir /etc\nUser_Alias A = B\nUser_Alias B = A\nA ALL=(ALL) ALL\n")
	put("etc/network.d/interfaces", "source /etc/network.d/*\n")
	put("boot/grub/custom.cfg", "configfile /boot/grub/grub.cfg\n")
	var deps, soft strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&deps, "kernel/m%d.ko: kernel/m%d.ko kernel/m%d.ko\n", i, (i+1)%20_000, (i+7)%20_000)
		fmt.Fprintf(&soft, "softdep m%d pre: m%d post: m%d\nalias m%d m%d\n", i, i+1, i+2, i, i+1)
	}
	put("usr/lib/modules/"+kernel+"/modules.dep", deps.String()+"kernel/drivers/block/virtio_blk.ko: kernel/m0.ko\n")
	put("etc/modprobe.d/soft.conf", soft.String())
	link("etc/systemd/system/default.target", "default.target")
	link("etc/systemd/system/a.target", "b.target")
	link("etc/systemd/system/b.target", "a.target")

	// Many, and deep.
	for i := range 20_000 {
		put(fmt.Sprintf("etc/udev/rules.d/%d\n\x1b[2J.rules", i), `SUBSYSTEM=="net", NAME="x"`)
	}
	put("etc/systemd/network/"+strings.Repeat("d/", 500)+"x.network", "")
	put("var/lib/rpm/rpmdb.sqlite", "SQLite format 3\x00"+strings.Repeat("\xff", 1<<20))
	put("var/lib/rpm/Packages", strings.Repeat("\x00\x06\x15\x61", 1<<18))
}
