//go:build integration

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/internal/need"
)

// TestBadSectorIsLoggedOnce reads over a sector that the device cannot read, again and
// again.
func TestBadSectorIsLoggedOnce(t *testing.T) {
	need.Root(t)
	need.Tool(t, "dd")
	path, _ := fragmentedDisk().make(t)
	bad := inLongFile(t, path)
	dev := withBadSector(t, path, itoa(bad/512))
	log, args := jsonLog(t)
	point := mountMigimg(t, dev, args...)
	for range 3 {
		if _, err := try("dd", "if="+filepath.Join(point, "disk.raw"), "of=/dev/null", "bs=4096", "skip="+itoa(bad/4096-1), "count=3"); err == nil {
			t.Fatal("dd read over the bad sector")
		}
	}
	for n := 1; n <= 3; n++ { // each dd is a reading by itself
		eventually(t, "dd to have finished", func() bool { return len(statusOf(t, point).Finished) >= n })
	}
	for _, f := range statusOf(t, point).Finished {
		if f.Command != "dd" || f.Errors == 0 || f.LastError == "" || f.Bytes != 4096 {
			t.Errorf("%+v", f)
		}
	}
	families := parsed(t, []byte(run(t, program, "status", point, "--format", "prometheus")))
	if sampleOf(t, families, "migimg_unreadable_bytes", nil) == 0 || sampleOf(t, families, "migimg_read_errors_total", nil) < 3 {
		t.Error("the metrics do not say that something could not be read")
	}
	run(t, program, "umount", point)
	lines := logged(t, log, "unreadable")
	if len(lines) != 1 {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	l := lines[0]
	if off, n := int64(l["offset"].(float64)), int64(l["bytes"].(float64)); off > bad || off+n <= bad || n > 4096 || l["device"] != dev || l["partition"] != "1" || l["type"] != "ext4" || l["readers_get"] != "eio" || l["level"] != "ERROR" {
		t.Errorf("%v, the sector is at %d", l, bad)
	}
	if sums := logged(t, log, "read"); len(sums) != 3 || sums[0]["level"] != "ERROR" || sums[0]["last_error"] == "" {
		t.Errorf("%v", sums)
	}
}

// TestJournalStream: where standard error is the journal, as systemd says, lines have
// their priorities and no times; elsewhere it is the other way round.
func TestJournalStream(t *testing.T) {
	need.Root(t)
	disk := randomDisk(t, 1<<20)
	for name, c := range map[string]struct {
		journal bool
		line    string
	}{
		"journal":  {true, `^<6>msg=mounted mount=\S+ device=\S+ size=1048576 `},
		"terminal": {false, `^time=\S+Z level=INFO msg=mounted mount=\S+ device=\S+ size=1048576 `},
	} {
		t.Run(name, func(t *testing.T) {
			point := filepath.Join(tempDir(t), "mnt")
			if err := os.Mkdir(point, 0o755); err != nil {
				t.Fatal(err)
			}
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd := exec.Command(program, "mount", "-f", disk, point)
			cmd.Stderr = w
			cmd.Env = append(os.Environ(), "JOURNAL_STREAM=1:2")
			if c.journal {
				cmd.Env = append(os.Environ(), "JOURNAL_STREAM="+streamOf(t, w))
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			eventually(t, "the mount", func() bool { _, ok := isMountpoint(point); return ok })
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if _, err := out.ReadFrom(r); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			all := strings.SplitAfter(out.String(), "\n")
			if !regexp.MustCompile(c.line).MatchString(all[0]) {
				t.Errorf("%q, want %s", all[0], c.line)
			}
			for _, l := range all[:len(all)-1] {
				if strings.HasPrefix(l, "<") != c.journal {
					t.Errorf("%q", l)
				}
			}
		})
	}
}

// TestDaemonLogsToSyslog gives a daemon a /dev/log, or another of the places where the
// system's log may be, in a mount namespace of its own.
func TestDaemonLogsToSyslog(t *testing.T) {
	need.Root(t)
	need.Tool(t, "unshare", "mount", "cat")
	disk := randomDisk(t, 1<<20)
	dir := tempDir(t)
	socket := filepath.Join(dir, "log")
	c, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	point := filepath.Join(dir, "mnt")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "unshare", "-m", "--propagation", "private", "sh", "-ec", `
		if [ -S /dev/log ]; then mount --bind "$1/log" /dev/log; else mount --bind "$1" /run; fi
		"$2" mount "$3" "$1/mnt"
		cat "$1/mnt/disk.raw" >/dev/null
		"$2" umount "$1/mnt"`, "sh", dir, program, disk)
	var got []string
	for p := make([]byte, 4096); ; {
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := c.ReadFrom(p)
		if err != nil {
			break
		}
		got = append(got, string(p[:n]))
	}
	all := strings.Join(got, "")
	for _, want := range []string{`<30>\S+ +\d+ \S+ migimg\[\d+\]: msg=mounted `, `msg=read mount=\S+ file=disk.raw pid=\d+ command=cat bytes=1048576 `, `msg=unmounted `} {
		if !regexp.MustCompile(want).MatchString(all) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
	if strings.Contains(all, "time=") || strings.Contains(all, "level=") {
		t.Errorf("the system's log has times and levels of its own:\n%s", all)
	}
	if code, out := exitStatus(t, "mount", "--log-to", filepath.Join(dir, "none", "log"), disk, point); code != exitFailed || !strings.Contains(out, "--log-to") {
		t.Errorf("a log that cannot be written: exit %d, %s", code, out)
	}
}

// TestLogOnTheDiskItself has the log on the filesystem that is exported. It is frozen
// for a moment all the same, and the log has all of it; but it cannot stay frozen.
func TestLogOnTheDiskItself(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "dd", "sh", "cat")
	path := filepath.Join(tempDir(t), "disk.img")
	run(t, "truncate", "-s", "100M", path)
	run(t, "mkfs.ext4", "-q", "-F", path)
	dev := loop(t, path, "--direct-io=on")
	fs, umount := mountFS(t, dev, "rw")
	defer umount()
	file, log := filepath.Join(fs, "file"), filepath.Join(fs, "log")
	run(t, "dd", "if=/dev/urandom", "of="+file, "bs=1M", "count=8", "conv=fsync")
	args := []string{"--log-to", log, "--log-format", "json"}

	point := mountMigimg(t, dev, append(args, "--consistency", "pinned")...)
	run(t, "dd", "if=/dev/urandom", "of="+file, "bs=1M", "count=1", "conv=notrunc,fsync", "oflag=direct")
	run(t, "sh", "-c", `exec cat "$0" >/dev/null`, filepath.Join(point, "disk.raw"))
	if s := statusOf(t, point); s.Drifted.State != "tracked" || s.Drifted.Bytes < 1<<20 {
		t.Errorf("%+v", s.Drifted)
	}
	f := finishedBy(t, point, "cat", 1)
	run(t, program, "umount", point)
	if l := logged(t, log, "frozen and thawed"); len(l) != 1 || l[0]["tracked"] != true || l[0]["tries"] != 1.0 {
		t.Errorf("%v", l)
	}
	if l := logged(t, log, "drift"); len(l) != 1 || l[0]["level"] != "WARN" || l[0]["bytes"].(float64) < 1<<20 {
		t.Errorf("%v", l)
	}
	if l := logged(t, log, "read"); len(l) != 1 || l[0]["drift"] != f.Drift || !strings.Contains(f.Drift, "/file") {
		t.Errorf("%v, %q", l, f.Drift)
	}

	if code, out := exitStatus(t, append([]string{"mount", "--consistency", "frozen", dev, point}, args...)...); code != exitFailed || !strings.Contains(out, log) || !strings.Contains(out, "stay writable") {
		t.Errorf("frozen, with its log on it: exit %d, %s", code, out)
	}
	elsewhere, args := jsonLog(t)
	point = mountMigimg(t, dev, append(args, "--consistency", "frozen", "--freeze-timeout", "2s")...)
	eventually(t, "the freeze to be at its end", func() bool { return len(logged(t, elsewhere, "stale")) > 0 })
	run(t, program, "umount", point)
	if l := logged(t, elsewhere, "frozen"); len(l) != 1 || l[0]["filesystems"] != fs {
		t.Errorf("%v", l)
	}
	if len(logged(t, elsewhere, "stale")) != 1 || len(logged(t, elsewhere, "thawed")) != 0 {
		t.Error("it says that it thawed what was thawed before")
	}
	point = mountMigimg(t, dev, append(args, "--consistency", "frozen")...)
	run(t, program, "umount", point)
	if len(logged(t, elsewhere, "thawed")) != 1 {
		t.Error("it does not say that it thawed")
	}
}
