//go:build integration

package freeze

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/internal/need"
)

// mounted makes a filesystem on a loop device and mounts it. Whatever the test does, it
// is thawed after half a minute and at the end.
func mounted(t *testing.T, fstype string) string {
	t.Helper()
	need.Root(t)
	need.Tool(t, "mkfs."+fstype, "fsfreeze", "mount", "umount")
	dir := t.TempDir()
	image, point := filepath.Join(dir, "image"), filepath.Join(dir, "at")
	size := map[string]int64{"ext4": 64 << 20, "xfs": 320 << 20, "btrfs": 160 << 20}[fstype]
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(point, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs."+fstype, image)
	run(t, "mount", "-o", "loop", image, point)
	fallback := exec.Command("sh", "-c", `sleep 40; fsfreeze -u "$0"`, point)
	fallback.Dir, fallback.SysProcAttr = "/", &syscall.SysProcAttr{Setsid: true}
	if err := fallback.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-fallback.Process.Pid, syscall.SIGKILL)
		_ = fallback.Wait()
		thawByHand(point)
		unmount(t, point)
	})
	return point
}

func unmount(t *testing.T, point string) {
	var out []byte
	var err error
	for range 100 {
		if out, err = exec.Command("umount", point).CombinedOutput(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("umount %s: %v %s", point, err, out)
}

// thawByHand is util-linux's thaw; EINVAL is fine.
func thawByHand(point string) { _ = exec.Command("fsfreeze", "-u", point).Run() }

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// writes says whether a process that writes to the filesystem gets it done in time.
// Another process: one that waits for a frozen filesystem cannot be ended.
func writes(point string, within time.Duration) bool {
	cmd := exec.Command("touch", filepath.Join(point, "probe"))
	cmd.Dir = "/"
	done := make(chan error, 1)
	if cmd.Start() != nil {
		return false
	}
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err == nil
	case <-time.After(within):
		return false
	}
}

func wantWritable(t *testing.T, points ...string) {
	t.Helper()
	for _, p := range points {
		if !writes(p, 2*time.Second) {
			t.Errorf("%s is not writable within 2 s", p)
			thawByHand(p)
		}
	}
}

func wantFrozen(t *testing.T, points ...string) {
	t.Helper()
	for _, p := range points {
		if writes(p, 100*time.Millisecond) {
			t.Errorf("%s is not frozen", p)
		}
	}
}

// wantNoWatchdog waits until no watchdog of the mount point is left.
func wantNoWatchdog(t *testing.T, point string) {
	t.Helper()
	var left []string
	for range 100 {
		left = watchdogs(point)
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("watchdogs are left: %v", left)
}

func watchdogs(point string) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		if bytes.Contains(b, []byte(verb)) && bytes.Contains(b, []byte(point)) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

// child is a victim that runs.
type child struct {
	cmd *exec.Cmd
	out *bufio.Reader
	dog int
}

// start starts a victim and waits until its watchdog is ready.
func start(t *testing.T, how string, points ...string) *child {
	t.Helper()
	return startProgram(t, os.Args[0], how, points...)
}

func startProgram(t *testing.T, program, how string, points ...string) *child {
	t.Helper()
	// Under nohup SIGHUP is ignored, by children too; a victim is one that it ends.
	cmd := exec.Command("env", append([]string{"--default-signal", program}, points...)...)
	cmd.Env = append(os.Environ(), "FREEZE_VICTIM="+how)
	cmd.Dir = "/"
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, out: bufio.NewReader(out)}
	t.Cleanup(func() { c.kill() })
	if _, err := fmt.Sscanf(c.line(t), "ready %d", &c.dog); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *child) line(t *testing.T) string {
	t.Helper()
	s, err := c.out.ReadString('\n')
	if err != nil || strings.HasPrefix(s, "failed") {
		t.Fatalf("the victim says %q (%v)", s, err)
	}
	return s
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// prepare prepares a freeze that is closed at the end.
func prepare(t *testing.T, o Options, points ...string) *Freezer {
	t.Helper()
	f, err := Prepare(context.Background(), filesystems(points...), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func filesystems(points ...string) (out []Filesystem) {
	for _, p := range points {
		out = append(out, Filesystem{Point: p})
	}
	return out
}
