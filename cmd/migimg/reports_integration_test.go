//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/internal/need"
	"migimg/preflight"
)

// guestDisk is an image of a disk with a small system on one ext4 partition,
// which is the file "part" beside it as well.
func guestDisk(t *testing.T, dir string) (disk string) {
	t.Helper()
	need.Tool(t, "mkfs.ext4", "sfdisk", "losetup")
	tree, part := filepath.Join(dir, "tree"), filepath.Join(dir, "part")
	disk = filepath.Join(dir, "disk.img")
	for name, text := range map[string]string{
		"etc/os-release": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
		"etc/fstab":      "LABEL=root / ext4 defaults 0 1\nLABEL=gone /srv ext4 defaults 0 2\n",
		"etc/hostname":   "web01\n", "etc/passwd": "root:x:0:0::/root:/bin/sh\n", "usr/bin/true": "", "boot/x": "",
	} {
		p := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "truncate", "-s", "32M", part)
	run(t, "mkfs.ext4", "-q", "-L", "root", "-d", tree, part)
	run(t, "truncate", "-s", "34M", disk)
	script := filepath.Join(dir, "sfdisk")
	if err := os.WriteFile(script, []byte("label: dos\nstart=2048, size=65536, type=83, bootable\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "sh", "-c", "sfdisk -q "+disk+" <"+script)
	run(t, "dd", "if="+part, "of="+disk, "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none")
	return disk
}

func generationOf(t *testing.T, doc []byte) int {
	t.Helper()
	var r preflight.Report
	if err := json.Unmarshal(doc, &r); err != nil {
		t.Fatal(err)
	}
	return r.Generation
}

// SIGHUP makes a new report; who has the old one open keeps its bytes. A change
// of the image file is noticed without a signal.
func TestReportGenerations(t *testing.T) {
	need.Root(t)
	dir := tempDir(t)
	disk := guestDisk(t, dir)
	point := mountMigimg(t, disk, "--target", "tencent,kvm")
	doc := filepath.Join(point, "preflight.json")
	old, err := os.Open(doc)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	before := readAll(t, doc)
	page := readAll(t, filepath.Join(point, "report.html"))
	if n := generationOf(t, before); n != 1 {
		t.Errorf("the first report is number %d", n)
	}
	if !bytes.Contains(page, []byte("LABEL=gone")) {
		t.Error("report.html does not show the finding")
	}
	if st, err := os.Stat(doc); err != nil || st.Size() != int64(len(before)) {
		t.Errorf("%v bytes told, %d there: %v", st.Size(), len(before), err)
	}

	if err := syscall.Kill(statusOf(t, point).PID, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the report after SIGHUP", func() bool { return generationOf(t, readAll(t, doc)) == 2 })
	kept, err := io.ReadAll(old)
	if err != nil || !bytes.Equal(kept, before) {
		t.Errorf("the open report changed: %d bytes, %v", len(kept), err)
	}

	// Nobody changed anything: it stays.
	time.Sleep(lookEvery + 200*time.Millisecond)
	if n := generationOf(t, readAll(t, doc)); n != 2 {
		t.Errorf("report number %d without a change", n)
	}
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("GRUB "), 0x180)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(lookEvery + 200*time.Millisecond)
	now := readAll(t, doc)
	if n := generationOf(t, now); n != 3 || !strings.Contains(string(now), "the boot sector holds GRUB") {
		t.Errorf("report number %d after a change", n)
	}
}

// Of a mounted system, a changed file makes a new report.
func TestReportFollowsFiles(t *testing.T) {
	need.Root(t)
	dir := tempDir(t)
	guestDisk(t, dir)
	dev := loop(t, filepath.Join(dir, "part")) // a filesystem without a table: no partition devices are needed
	root, _ := mountFS(t, dev, "rw")
	point := mountMigimg(t, dev, "--target", "kvm")
	doc := filepath.Join(point, "preflight.json")
	before := readAll(t, doc)
	if !bytes.Contains(before, []byte(`"live": true`)) || !bytes.Contains(before, []byte("LABEL=gone")) {
		t.Fatalf("%.2000s", before)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/fstab"), []byte("LABEL=root / ext4 defaults 0 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	time.Sleep(lookEvery + 200*time.Millisecond)
	after := readAll(t, doc)
	if generationOf(t, after) != generationOf(t, before)+1 || bytes.Contains(after, []byte("LABEL=gone")) {
		t.Errorf("report number %d after %d", generationOf(t, after), generationOf(t, before))
	}
}

func readAll(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The formats, waivers and pseudonyms from the command line, of a mount and of a
// device alike.
func TestReportCommand(t *testing.T) {
	need.Root(t)
	dir := tempDir(t)
	disk := guestDisk(t, dir)
	point := mountMigimg(t, disk, "--target", "kvm")
	waivers := filepath.Join(dir, "waivers.yaml")
	if err := os.WriteFile(waivers, []byte("waivers:\n- {check: mount.fstab-resolves, target: \"*\", reason: not needed, who: Ann, until: 2099-12-31}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{point, disk} {
		for _, c := range []struct{ args, want string }{
			{"--format json", `"$schema": "urn:migimg:schema:preflight:1"`},
			{"--format markdown", "| FAIL | `mount.fstab-resolves` |"},
			{"--format html --lang ja", `<html lang="ja"`},
			{"--format sarif", `"version": "2.1.0"`},
			{"--format junit", "<testsuites name="},
			{"--lang zh", "失败  mount.fstab-resolves"},
			{"--explain mount.fstab-resolves --lang ja", "/etc/fstab のデバイスはすべてイメージに含まれる"},
			{"--waivers " + waivers, "WAIV  mount.fstab-resolves"},
			{"--redact --format json", `"redaction": "full"`},
		} {
			_, out := exitStatus(t, append(append([]string{"preflight"}, strings.Fields(c.args)...), "--target", "kvm", from)...)
			if !strings.Contains(out, c.want) {
				t.Errorf("%s %s: no %s in\n%.1500s", from, c.args, c.want, out)
			}
		}
	}
	if code, out := exitStatus(t, "preflight", "--schema"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("--schema: %d %.200s", code, out)
	}
	if code, out := exitStatus(t, "preflight", "--waivers", filepath.Join(dir, "none"), disk); code != 1 || !strings.Contains(out, "--waivers") {
		t.Errorf("a waivers file that is not there: %d %s", code, out)
	}
	if code, out := exitStatus(t, "preflight", "--lang", "tlh", disk); code != 1 || !strings.Contains(out, "ja") {
		t.Errorf("--lang tlh: %d %s", code, out)
	}
}
