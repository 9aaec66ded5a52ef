//go:build integration

package track

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/need"
)

// A write that is under way while an epoch ends, or while tracking begins, is
// seen again when it completes. It hangs because the file below its loop device
// is on a frozen filesystem.
func TestUnderWay(t *testing.T) {
	need.Tool(t, "mkfs.ext4", "mount", "umount", "fsfreeze", "sh")
	below := newLoop(t, 128<<20)
	run(t, "mkfs.ext4", "-q", below.path)
	dir := mounted(t, below.path)
	file := filepath.Join(dir, "disk")
	if err := os.WriteFile(file, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	l := loop{path: strings.TrimSpace(run(t, "losetup", "--find", "--show", file)), size: 32 << 20}
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", l.path).Run() })
	l.dev = rdev(t, l.path)
	first := start(t, l, Options{})
	f := openDirect(t, l.path)

	watchdog := exec.Command("sh", "-c", "sleep 20; fsfreeze -u "+dir)
	watchdog.Dir = "/"
	if err := watchdog.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watchdog.Process.Kill(); _ = watchdog.Wait() }()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const fiFreeze, fiThaw = 0xC0045877, 0xC0045878 // include/uapi/linux/fs.h
	thaw := func() error { return unix.IoctlSetInt(int(d.Fd()), fiThaw, 0) }
	if err := unix.IoctlSetInt(int(d.Fd()), fiFreeze, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = thaw() }()

	const off, n = 5 << 20, 8192
	done := make(chan error, 1)
	go func() {
		_, err := f.WriteAt(aligned(n), off)
		done <- err
	}()
	for i := 0; !first.Written(off, n); i++ {
		if i > 5000 {
			t.Fatal("the write was never issued")
		}
		time.Sleep(time.Millisecond)
	}
	set, err := first.Epoch()
	if err != nil {
		t.Fatal(err)
	}
	second := start(t, l, Options{}) // knows nothing of the write's beginning
	select {
	case err := <-done:
		t.Fatalf("the write did not hang: %v", err)
	default:
	}
	if !set.Contains(off, n) || first.Written(off, n) || second.Written(off, n) {
		t.Errorf("under way: in the ended epoch %v, in the new one %v, in a new tracker %v",
			set.Contains(off, n), first.Written(off, n), second.Written(off, n))
	}
	if err := thaw(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, tr := range []*Tracker{first, second} {
		want := truth{}
		want.add(tr.Grain(), off, n)
		want.check(t, []string{"the tracker", "the new tracker"}[i]+" after completion", tr.Grain(), l.size, tr.Written)
	}
}
