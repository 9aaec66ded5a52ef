//go:build integration && boots

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/verify"
	"migimg/verify/boot"
)

// uefi makes a disk of the healthy guest's that starts by UEFI alone: a GPT, and an ESP
// in the swap partition's place with a GRUB that reads the same configuration.
const uefi = `sed -i '/ swap /d' "$ROOT/etc/fstab"
sfdisk -q --no-reread -N 2 "$IMG" <<<'7342080,1000000,82'; sgdisk --mbrtogpt -t 2:ef00 "$IMG" >/dev/null
cat >"$TMP/grub.cfg" <<'CFG'
search --no-floppy --fs-uuid --set=root 6d696769-6d67-4000-8000-000000000001
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
CFG
grub-mkimage -O x86_64-efi -p /EFI/BOOT -c "$TMP/grub.cfg" -o "$TMP/BOOTX64.EFI" part_gpt ext2 fat search search_fs_uuid configfile normal \
    linux gzio echo test regexp loadenv minicmd all_video font gfxterm gettext true
dd if=/dev/zero of="$TMP/esp" bs=1M count=64 status=none; mformat -i "$TMP/esp" -F ::
mmd -i "$TMP/esp" ::/EFI ::/EFI/BOOT; mcopy -i "$TMP/esp" "$TMP/BOOTX64.EFI" ::/EFI/BOOT/BOOTX64.EFI
dd if="$TMP/esp" of="$IMG" bs=1M seek=3585 conv=notrunc status=none`

// kernels are packages; the one for clouds has no driver for SATA.
const cloudKernel, fullKernel = "linux-image-cloud-amd64", "linux-image-amd64"

// busModules are what a guest needs for its disk on each bus.
var busModules = []struct{ bus, modules string }{
	{"virtio-blk", "virtio_pci virtio_blk"}, {"virtio-scsi", "virtio_pci virtio_scsi sd_mod"}, {"nvme", "nvme"}, {"sata", "ahci sd_mod"},
}

// brokenBoots are guests of TestGuests, and what their start must show.
var brokenBoots = []struct {
	name string
	kind boot.Kind
}{
	{"root=UUID= of another disk", boot.InitramfsSh},
	{"emergency mode on the command line", boot.Emergency},
	{"no kernel", boot.LoaderError},
	{"no initramfs", boot.NoRoot},
	{"initramfs cut short", boot.InitramfsSh},
	{"initramfs of another kernel", boot.InitramfsSh},
	{"no virtio in the initramfs, gzip", boot.InitramfsSh},
	{"driver blacklisted in the initramfs", boot.InitramfsSh},
	{"disk: no boot code", boot.NoBootable},
	{"disk: GPT where BIOS starts GRUB from behind the MBR", boot.LoaderRescue},
	{"boots into rescue mode", boot.Rescue},
}

// TestBoots starts one disk by both kinds of firmware on every bus, which must go as
// preflight says of the drivers for it; and broken guests, which must fail as is known
// of them, and preflight must have foretold it by a check that belongs to the failure.
// testdata/boots.sh makes the tables of it.
func TestBoots(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64", "grub-mkimage")
	table := &rows{}
	table.add(t, "| kernel | firmware | disk on | preflight: `driver.boot-disk` | started | "+strings.Join(stageNames(), " | ")+" |", "|---|---|---|---|---|"+strings.Repeat("---|", len(boot.Stages())))
	base := healthyGuest(t, "")
	for _, b := range busModules {
		bootsOn(t, table, cloudKernel, base, b.bus, b.modules)
	}
	sata := busModules[len(busModules)-1]
	bootsOn(t, table, fullKernel, healthyGuest(t, fullKernel), sata.bus, sata.modules)
	table.add(t, "", "| broken | preflight | failure | what shows it | s |", "|---|---|---|---|---|")
	for _, b := range brokenBoots {
		i := slices.IndexFunc(guests, func(g guest) bool { return g.name == b.name })
		if i < 0 {
			t.Fatalf("no guest %q", b.name)
		}
		g := guests[i]
		t.Run(g.name, func(t *testing.T) {
			target := cmp.Or(g.target, "kvm")
			image := g.broken(t, base)
			point := mountMigimg(t, image, "--target", target)
			r, code := started(t, "--boot-timeout", "10m", "--boot-dir", tempDir(t), "--target", target, "--source", point, filepath.Join(point, "disk.qcow2"))
			f := r.Boot.Failure
			if code != exitFindings || r.Boot.Verdict != boot.Fail || f == nil || f.Kind != b.kind {
				t.Errorf("exit code %d, must be a %s: %+v", code, b.kind, r.Boot)
			}
			said := "nothing of `" + g.fires + "`"
			problems := bootProblems(r)
			for _, p := range problems {
				if strings.HasPrefix(p.What, "preflight: "+g.fires+": "+g.status+": ") {
					said = "`" + g.fires + "`: " + g.status
				}
			}
			if strings.HasPrefix(said, "nothing") {
				t.Errorf("not foretold by %s: %+v", g.fires, problems)
			}
			row := []string{g.name, said, "", "", ""}
			if f != nil {
				row[2], row[3], row[4] = "`"+string(f.Kind)+"`", "`"+strings.TrimSpace(strings.ReplaceAll(f.Seen[len(f.Seen)-1], "`", "'"))+"`", fmt.Sprintf("%.0f", r.Boot.Seconds)
			}
			table.add(t, "| "+strings.Join(row, " | ")+" |")
		})
	}
}

// bootsOn starts a disk by both kinds of firmware, from a controller that needs these
// modules.
func bootsOn(t *testing.T, table *rows, kernel, base, bus, modules string) {
	for _, firmware := range []string{boot.BIOS, boot.UEFI} {
		t.Run(strings.Join([]string{kernel, firmware, bus}, " "), func(t *testing.T) {
			g := guest{name: "disk: as it is", how: "true"}
			if firmware == boot.UEFI {
				g = guest{name: "UEFI", how: uefi}
			}
			status, r := startOn(t, g.broken(t, base), modules)
			row := []string{kernel, strings.ToUpper(firmware), bus, status, outcome(r)}
			for _, s := range boot.Stages() {
				row = append(row, seconds(r.Boot, s))
			}
			table.add(t, "| "+strings.Join(row, " | ")+" |")
			if m := r.Boot.Machine; m.Firmware != firmware || m.Bus != bus {
				t.Errorf("started on %+v", m)
			}
			if (status == "pass") != (r.Boot.Verdict == boot.Pass) || r.Boot.Verdict == boot.Unknown {
				t.Errorf("preflight says %s, and the start is a %s", status, r.Boot.Verdict)
			}
			if wanted := kernel == fullKernel || bus != "sata"; wanted != (status == "pass") {
				t.Errorf("preflight says %s of the driver", status)
			}
		})
	}
}

// rows are the lines of the page, which is written anew with each.
type rows struct{ lines []string }

func (r *rows) add(t *testing.T, lines ...string) {
	t.Helper()
	r.lines = append(r.lines, lines...)
	if out := os.Getenv("MIGIMG_BOOTS_OUT"); out != "" {
		if err := os.WriteFile(out, []byte(strings.Join(r.lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// startOn starts a disk on a machine whose disk needs these modules, and says what
// preflight thinks of them there.
func startOn(t *testing.T, image, modules string) (status string, r *verify.Report) {
	t.Helper()
	dir := tempDir(t)
	mine, err := json.Marshal(map[string]any{"id": "kvm", "boot_disk_any_of": map[string]any{"any_of": [][]string{strings.Fields(modules)}, "source": 0, "confidence": "confirmed"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kvm.json"), mine, 0o600); err != nil {
		t.Fatal(err)
	}
	point := mountMigimg(t, image, "--target", "kvm", "--target-dir", dir)
	var v verdicts
	if err := readJSON(point, "preflight.json", &v); err != nil {
		t.Fatal(err)
	}
	status, _, _ = v.find("driver.boot-disk")
	r, _ = started(t, "--boot-timeout", "10m", "--boot-dir", tempDir(t), "--target", "kvm", "--target-dir", dir, filepath.Join(point, "disk.qcow2"))
	if r.Boot == nil {
		t.Fatalf("nothing was started: %+v", r.Aspects)
	}
	return status, r
}

func stageNames() (names []string) {
	for _, s := range boot.Stages() {
		names = append(names, string(s))
	}
	return names
}

func outcome(r *verify.Report) string {
	if f := r.Boot.Failure; f != nil {
		return string(r.Boot.Verdict) + ": `" + string(f.Kind) + "`"
	}
	return string(r.Boot.Verdict)
}

// seconds is when a stage was seen.
func seconds(r *boot.Result, s boot.Stage) string {
	for _, x := range r.Stages {
		if x.Stage == s {
			return fmt.Sprintf("%.0f s", x.Seconds)
		}
	}
	return ""
}
