//go:build integration

package freeze

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stuck mounts a filesystem that does not freeze before release is called: it is on a
// loop device whose file is on a filesystem that is frozen, and has something to write.
func stuck(t *testing.T) (point string, release func()) {
	t.Helper()
	outer, dir := mounted(t, "ext4"), t.TempDir()
	point = filepath.Join(dir, "zz") // sorts last
	image := filepath.Join(outer, "image")
	if err := errors.Join(os.Mkdir(point, 0o700), os.WriteFile(image, nil, 0o600), os.Truncate(image, 32<<20)); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", "-q", image)
	run(t, "mount", "-o", "loop", image, point)
	t.Cleanup(func() {
		thawByHand(outer)
		thawByHand(point)
		unmount(t, point)
	})
	run(t, "fsfreeze", "-f", outer)
	if err := os.WriteFile(filepath.Join(point, "dirty"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return point, func() { run(t, "fsfreeze", "-u", outer) }
}

// A filesystem that takes long to freeze does not hold the others beyond the
// deadline, and is thawed when it has frozen after all.
func TestDeadlineWhileFreezing(t *testing.T) {
	a := mounted(t, "ext4")
	slow, release := stuck(t)
	f := prepare(t, Options{Limit: 300 * time.Millisecond}, a, slow)
	if f.targets[0].Point != a {
		t.Fatal("the slow one comes first: the test shows nothing")
	}
	failed := make(chan error)
	go func() {
		_, err := f.Freeze()
		failed <- err
	}()
	time.Sleep(150 * time.Millisecond)
	wantFrozen(t, a)
	time.Sleep(100 * time.Millisecond)
	wantWritable(t, a)
	time.Sleep(700 * time.Millisecond) // past the parent's own deadline: the watchdog is in order
	release()
	if err := <-failed; !errors.Is(err, ErrThawed) || !strings.Contains(err.Error(), "300ms") {
		t.Errorf("Freeze: %v", err)
	}
	wantWritable(t, a, slow)
	_, err := f.Freeze()
	for range 5 { // on a busy machine the limit is short for anything
		if !errors.Is(err, ErrThawed) {
			break
		}
		_, err = f.Freeze()
	}
	if err != nil {
		t.Fatalf("after that: %v", err)
	}
	if err := f.Thaw(); err != nil {
		t.Error(err)
	}
}

// The same if the freezing process is killed meanwhile, and if its watchdog is.
func TestKilledWhileFreezing(t *testing.T) {
	a := mounted(t, "ext4")
	slow, release := stuck(t)
	c := start(t, "hold", a, slow)
	time.Sleep(150 * time.Millisecond)
	wantFrozen(t, a)
	c.kill()
	wantWritable(t, a)
	release()
	wantWritable(t, a, slow)
	wantNoWatchdog(t, a)

	slow, release = stuck(t)
	f := prepare(t, Options{Limit: 800 * time.Millisecond}, a, slow)
	failed := make(chan error)
	go func() {
		_, err := f.Freeze()
		failed <- err
	}()
	time.Sleep(150 * time.Millisecond)
	_ = f.dog.Kill() // it ends when its thread in the kernel does: until then the deadline is the parent's
	wantFrozen(t, a)
	wantWritable(t, a)
	release()
	if err := <-failed; !errors.Is(err, ErrThawed) {
		t.Errorf("Freeze: %v", err)
	}
	wantWritable(t, a, slow)
	_ = f.Close()
	wantNoWatchdog(t, a)
}

// All works with the program itself on the frozen filesystem, and not in memory.
func TestProgramOnFrozen(t *testing.T) {
	p := mounted(t, "ext4")
	program := filepath.Join(p, "program")
	run(t, "cp", os.Args[0], program)
	c := startProgram(t, program, "hold", p)
	c.line(t)
	wantFrozen(t, p)
	c.kill()
	wantWritable(t, p)
	wantNoWatchdog(t, p)

	forget(t, program)
	run(t, "fsfreeze", "-f", p)
	cmd := exec.Command(program, p)
	cmd.Env, cmd.Dir = append(os.Environ(), "FREEZE_VICTIM=emergency"), "/"
	done := make(chan string, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		done <- string(out) + errText(err)
	}()
	select {
	case got := <-done:
		if got != "["+p+": thawed]\n" {
			t.Errorf("%s", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("thawing hangs")
		thawByHand(p)
		<-done
	}
	wantWritable(t, p)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// forget drops a file from the page cache.
func forget(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
}
