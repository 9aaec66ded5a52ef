//go:build integration

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"migimg/internal/need"
	"migimg/verify"
	"migimg/verify/boot"
)

// started is the report of an image that verify --boot was asked for, and the exit
// code.
func started(t *testing.T, args ...string) (*verify.Report, int) {
	t.Helper()
	need.Tool(t, "qemu-system-x86_64")
	code, out := exitStatus(t, append([]string{"verify", "--boot", "--format", "json"}, args...)...)
	var doc struct{ Images []*verify.Report }
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("exit code %d: %v: %s", code, err, out)
	}
	for _, r := range doc.Images {
		if slices.ContainsFunc(r.Aspects, func(a verify.Aspect) bool { return a.Name == bootAspect }) {
			return r, code
		}
	}
	t.Fatalf("exit code %d, and nothing was started: %s", code, out)
	return nil, 0
}

// TestVerifyBoot: an installed system starts from the image in a mount. TestBoot has
// the same disk started by a script.
func TestVerifyBoot(t *testing.T) {
	t.Parallel()
	path, _ := demoDisk(t)
	point := mountMigimg(t, loop(t, path, "-r"))
	dir := tempDir(t)
	r, code := started(t, "--target", "kvm", "--boot-dir", dir, "--boot-timeout", "10m", filepath.Join(point, "disk.qcow2"))
	b := r.Boot
	if code != exitOK || b == nil || b.Verdict != boot.Pass || !slices.Contains([]boot.Stage{boot.Login, boot.Network, boot.SSH}, b.Reached) {
		t.Fatalf("exit code %d: %+v, %+v", code, r.Aspects, b)
	}
	if m := b.Machine; m.Firmware != boot.BIOS || m.Bus != "virtio-blk" || m.NIC != "virtio-net" {
		t.Errorf("%+v", m)
	}
	var stages []boot.Stage
	for _, s := range b.Stages {
		stages = append(stages, s.Stage)
	}
	if !slices.Equal(stages[:min(6, len(stages))], boot.Stages()[:6]) {
		t.Errorf("stages: %v", b.Stages)
	}
	t.Logf("%+v", b.Stages)
	log, err := os.ReadFile(b.Console)
	if err != nil || !strings.Contains(string(log), "migimg-demo login:") {
		t.Errorf("%s: %v", b.Console, err)
	}
	if out := run(t, "file", "-b", b.Picture); !strings.HasPrefix(out, "PNG image data, 720 x 400") {
		t.Errorf("%s: %s", b.Picture, out)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("left in --boot-dir: %v, %v", entries, err)
	}
}

// TestVerifyBootNothing: a disk without anything to start fails within seconds, and
// says what the mount's preflight had to say.
func TestVerifyBootNothing(t *testing.T) {
	t.Parallel()
	disk := filepath.Join(tempDir(t), "disk.img")
	run(t, "sh", "-ec", `truncate -s 64M "$0"; echo start=2048,type=83,bootable | sfdisk -q "$0"
mkfs.ext4 -q -F -E offset=1048576 "$0" 62M; printf '\0\0' | dd of="$0" bs=1 seek=510 conv=notrunc status=none`, disk)
	point := mountMigimg(t, loop(t, disk, "-r"), "--target", "kvm")
	dir := tempDir(t)
	r, code := started(t, "--boot-dir", dir, "--target", "kvm", point)
	b := r.Boot
	if code != exitFindings || r.Verdict != verify.Fail || b == nil || b.Failure == nil || b.Failure.Kind != boot.NoBootable || b.Reached != boot.Firmware {
		t.Fatalf("exit code %d: %+v, %+v", code, r.Aspects, b)
	}
	if !slices.Contains(b.Failure.Seen, "No bootable device.") {
		t.Errorf("seen: %q", b.Failure.Seen)
	}
	if ps := bootProblems(r); !slices.ContainsFunc(ps, func(p verify.Problem) bool {
		return strings.HasPrefix(p.What, "preflight: boot.loader-present: ")
	}) {
		t.Errorf("%+v", ps)
	}
}

// bootProblems is what the report says of the start.
func bootProblems(r *verify.Report) []verify.Problem {
	i := slices.IndexFunc(r.Aspects, func(a verify.Aspect) bool { return a.Name == bootAspect })
	return r.Aspects[i].Problems
}

// TestVerifyBootKilled: QEMU ends with migimg, and leaves nothing.
func TestVerifyBootKilled(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	dir := tempDir(t)
	disk := filepath.Join(dir, "disk.img")
	sector := make([]byte, 1<<20)
	copy(sector, []byte{0xf4, 0xeb, 0xfd}) // hlt; jmp to it
	copy(sector[510:], []byte{0x55, 0xaa})
	if err := os.WriteFile(disk, sector, 0o600); err != nil {
		t.Fatal(err)
	}
	guests := func() (found []string) {
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range all {
			if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "qemu-system") && strings.Contains(string(b), disk) {
				found = append(found, f)
			}
		}
		return found
	}
	cmd := exec.Command(program, "verify", "--boot", "--boot-dir", dir, disk)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	overlay := func() bool { // QEMU unlinks it when it has opened it
		for _, f := range guests() {
			fds, _ := filepath.Glob(filepath.Join(filepath.Dir(f), "fd/*"))
			for _, fd := range fds {
				if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, dir) && strings.HasSuffix(to, " (deleted)") {
					return true
				}
			}
		}
		return false
	}
	for i := 0; !overlay(); i++ { // the probe of KVM comes first
		if i == 300 {
			t.Fatal("no guest runs")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the guest is gone", func() bool { return len(guests()) == 0 })
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
