//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
)

// guest is a bootable disk, broken in one way.
type guest struct {
	name string
	// how is a shell script. ROOT is the guest's mounted root; where the name begins
	// with "disk: ", nothing is mounted and IMG is the disk's file.
	how string
	// target is what it is judged for and booted on; kvm if empty.
	target string
	// fires is the check that must not pass, status its outcome; also are further
	// blockers of the same fault.
	fires, status string
	also          []string
	// blocked: it is a blocker, and the disk must not boot.
	blocked bool
	// console is what the serial console shows instead of a login; empty where a
	// loader shows nothing there. bus is the disk's, virtio if empty.
	console, bus string
	// boots also tries a guest that is not blocked: it must reach its login.
	boots bool
}

// verdicts is what is read of preflight.json.
type verdicts struct {
	Summary struct{ Verdict string }
	Checks  []struct{ ID, Status, Severity, Summary string }
}

func (v *verdicts) find(id string) (status, severity, summary string) {
	for _, c := range v.Checks {
		if c.ID == id {
			return c.Status, c.Severity, c.Summary
		}
	}
	return "", "", ""
}

// blockers are the checks that hold up the verdict.
func (v *verdicts) blockers() (ids []string) {
	for _, c := range v.Checks {
		if c.Severity == "blocker" && (c.Status == "fail" || c.Status == "unknown") {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func judged(t *testing.T, image, target string) *verdicts {
	t.Helper()
	code, out := exitStatus(t, "preflight", image, "--target", target, "--format", "json")
	if code != 0 && code != exitFindings && code != exitUndecided {
		t.Fatalf("exit code %d: %s", code, out)
	}
	v := &verdicts{}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return v
}

// TestGuests breaks one disk in many ways: the check that is there for it must
// see it, where it passes on the disk as it was, and no other blocker may come of
// it. By itself the test takes every ninth. With MIGIMG_GUESTS=all it takes all,
// with MIGIMG_GUESTS=boot each one that is said not to boot is started, too, and
// must not: testdata/guests.sh does that, and writes the table.
func TestGuests(t *testing.T) {
	base := healthyGuest(t, "")
	all := os.Getenv("MIGIMG_GUESTS") != ""
	boot := os.Getenv("MIGIMG_GUESTS") == "boot"
	healthy := map[string]*verdicts{}
	rows := []string{"| broken | check | outcome | severity | what it says | boot |", "|---|---|---|---|---|---|"}
	for i, g := range append([]guest{{name: "healthy", boots: true}}, guests...) {
		if !all && i%9 != 0 {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			if g.target == "" {
				g.target = "kvm"
			}
			if healthy[g.target] == nil {
				healthy[g.target] = judged(t, base, g.target)
				if b := healthy[g.target].blockers(); len(b) > 0 {
					t.Fatalf("healthy, and for %s blocked by %q", g.target, b)
				}
			}
			image := g.broken(t, base)
			v := judged(t, image, g.target)
			row := []string{g.name, "", "", "", v.Summary.Verdict, "not tried"}
			if g.fires != "" {
				status, severity, summary := v.find(g.fires)
				row = []string{g.name, "`" + g.fires + "`", status, severity, summary, "not tried"}
				g.judge(t, healthy[g.target], v)
			}
			if boot && (g.blocked || g.boots) {
				row[5] = g.start(t, image)
			}
			rows = append(rows, "| "+strings.Join(row, " | ")+" |")
		})
	}
	if out := os.Getenv("MIGIMG_GUESTS_OUT"); out != "" {
		if err := os.WriteFile(out, []byte(strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// healthyGuest is the disk before it is broken, with the kernel of that package, or with
// the distribution's for clouds. It is made if it is not there. It lies in an XFS, where
// a copy of it costs nothing.
func healthyGuest(t *testing.T, kernel string) string {
	t.Helper()
	need.Root(t)
	need.Tool(t, "mmdebstrap", "mkfs.xfs", "unmkinitramfs", "cpio", "gzip", "xz", "zstd", "lz4", "bzip2", "lzma", "sgdisk", "sfdisk", "mformat", "debugfs", "chattr")
	args := []string{"demo.img", "guest.img"}
	if kernel != "" {
		args = []string{"demo-" + kernel + ".img", "guest-" + kernel + ".img", kernel}
	}
	disks, err := filepath.Abs("../../build/disks")
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(disks, args[1])
	run(t, "../../testdata/disks/guest.sh", append([]string{filepath.Join(disks, args[0]), base}, args[2:]...)...)
	xfs := filepath.Join(tempDir(t), "xfs.img")
	run(t, "sh", "-ec", `truncate -s 16G "$0"; mkfs.xfs -q "$0"`, xfs)
	point, _ := mountFS(t, loop(t, xfs), "rw")
	run(t, "cp", "--sparse=always", base, point)
	return filepath.Join(point, filepath.Base(base))
}

// broken is a copy of the disk with the script's change.
func (g *guest) broken(t *testing.T, base string) string {
	t.Helper()
	dir := tempDir(t)
	image := filepath.Join(filepath.Dir(base), "broken.img")
	run(t, "cp", "--reflink=always", base, image)
	script := g.how
	if !strings.HasPrefix(g.name, "disk: ") {
		script = `mkdir "$TMP/root"; mount -o loop,offset=1M,sizelimit=3584M "$IMG" "$TMP/root"; ROOT=$TMP/root
trap 'umount "$TMP/root" || umount -l "$TMP/root"' EXIT
` + g.how + "\nsync -f \"$ROOT\"\n"
	}
	run(t, "env", "IMG="+image, "TMP="+dir, "bash", "-euo", "pipefail", "-c", script)
	eventually(t, "the loop device of "+image+" goes", func() bool { return run(t, "losetup", "-j", image) == "" })
	return image
}

// judge holds the verdicts against what is expected.
func (g *guest) judge(t *testing.T, healthy, v *verdicts) {
	t.Helper()
	was, _, _ := healthy.find(g.fires)
	if was != "pass" && was != "skip" {
		t.Errorf("%s is %q on the healthy disk", g.fires, was)
	}
	status, severity, summary := v.find(g.fires)
	t.Logf("%s: %s %s: %s", g.fires, status, severity, summary)
	if status != g.status {
		t.Errorf("%s is %q, must be %q", g.fires, status, g.status)
	}
	want := slices.Clone(g.also)
	if g.blocked {
		want = append(want, g.fires)
	}
	got := v.blockers()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("blocked by %q, must be by %q", got, want)
		for _, c := range v.Checks {
			if slices.Contains(got, c.ID) {
				t.Logf("%s: %s: %s", c.ID, c.Status, c.Summary)
			}
		}
	}
}

// start starts a guest, and says what came of it.
func (g *guest) start(t *testing.T, image string) string {
	t.Helper()
	console := filepath.Join(tempDir(t), "console")
	marker, timeout := "login:", "400"
	if g.blocked {
		marker, timeout = or(g.console, "login:"), "400"
		if g.console == "" {
			timeout = "150" // three times what the healthy one takes
		}
	}
	out, err := try("env", "BOOT_CONSOLE="+console, "BOOT_TIMEOUT="+timeout, "BOOT_BUS="+or(g.bus, "virtio"),
		"../../testdata/boot.sh", "raw", image, marker)
	text, readErr := os.ReadFile(console)
	if readErr != nil {
		t.Fatal(readErr)
	}
	login := strings.Contains(string(text), "login:")
	switch {
	case !g.blocked && err != nil:
		t.Errorf("it must boot: %v", err)
		return "FAILS, and must not"
	case !g.blocked:
		return "boots"
	case login:
		t.Errorf("it must not boot, and does: %s", out)
		return "BOOTS, and must not"
	case g.console != "" && err != nil:
		t.Errorf("neither a login nor %q: %v", g.console, err)
		return "does not, but not as said"
	case g.console != "":
		return fmt.Sprintf("does not: `%s`", g.console)
	}
	return "does not: nothing on the console"
}
