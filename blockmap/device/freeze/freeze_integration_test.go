//go:build integration

package freeze

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Three filesystems are frozen at once and thawed, with a writer in each; the
// writers wait no longer than the freeze lasts.
func TestFreezeAndThaw(t *testing.T) {
	points := []string{mounted(t, "ext4"), mounted(t, "xfs"), mounted(t, "btrfs")}
	f := prepare(t, Options{}, points...)
	stop := make(chan struct{})
	longest := make(chan time.Duration)
	for _, p := range points {
		go func() { longest <- write(p, stop) }()
	}
	time.Sleep(200 * time.Millisecond)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	m, err := f.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	if !f.Frozen() {
		t.Error("does not say that it is frozen")
	}
	wantFrozen(t, points...)
	if err := f.Thaw(); err != nil {
		t.Fatal(err)
	}
	held := time.Since(begin)
	wantWritable(t, points...)
	close(stop)
	for range points {
		if d := <-longest; d > held+time.Second {
			t.Errorf("a writer waited %v, the freeze lasted %v", d, held)
		} else {
			t.Logf("a writer waited %v at most", d)
		}
	}
	if m.T0.Before(begin) || m.T0.After(begin.Add(took)) || len(m.Ioctls) != 3 {
		t.Errorf("%+v, begun %v", m, begin)
	}
	t.Logf("freezing took %v (%v), frozen for %v", took, m.Ioctls, held)
	if err := f.Thaw(); err != nil {
		t.Errorf("thawing twice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wantNoWatchdog(t, points[0])
}

// write writes to a file until it is told to stop, and says how long the longest write took.
func write(point string, stop <-chan struct{}) (longest time.Duration) {
	f, err := os.Create(filepath.Join(point, "written"))
	if err != nil {
		return 0
	}
	defer f.Close()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return longest
		default:
		}
		begin := time.Now()
		_, _ = f.WriteAt(make([]byte, 4096), int64(i%1000)*4096)
		longest = max(longest, time.Since(begin))
		time.Sleep(time.Millisecond)
	}
}

// A freezer works more than once.
func TestAgain(t *testing.T) {
	p := mounted(t, "ext4")
	f := prepare(t, Options{}, p)
	for range 20 {
		if _, err := f.Freeze(); err != nil {
			t.Fatal(err)
		}
		if err := f.Thaw(); err != nil {
			t.Fatal(err)
		}
	}
	wantWritable(t, p)
}

// At the deadline the watchdog thaws by itself, and Thaw says so.
func TestDeadline(t *testing.T) {
	p := mounted(t, "ext4")
	f := prepare(t, Options{Limit: 300 * time.Millisecond}, p)
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	broken := f.Broken()
	select {
	case <-broken:
	case <-time.After(450 * time.Millisecond):
		t.Error("Broken is not closed")
	}
	if f.Frozen() {
		t.Error("says that it is frozen")
	}
	wantWritable(t, p)
	for range 2 {
		if err := f.Thaw(); !errors.Is(err, ErrThawed) || !strings.Contains(err.Error(), "300ms") {
			t.Errorf("Thaw: %v", err)
		}
	}
	if _, err := f.Freeze(); err != nil {
		t.Fatalf("after a deadline: %v", err)
	}
	if err := f.Thaw(); err != nil {
		t.Errorf("after a deadline: %v", err)
	}
}

// A freeze that is somebody else's is left alone, and ours fails.
func TestFrozenByAnother(t *testing.T) {
	a, b := mounted(t, "ext4"), mounted(t, "xfs")
	f := prepare(t, Options{}, a, b)
	for _, p := range []string{a, b} {
		run(t, "fsfreeze", "-f", p)
		_, err := f.Freeze()
		var fe *Error
		if !errors.Is(err, ErrBusy) || !errors.As(err, &fe) || fe.Point != p {
			t.Errorf("Freeze: %v", err)
		}
		wantFrozen(t, p)
		if err := f.Thaw(); err != nil {
			t.Error(err)
		}
		wantFrozen(t, p)
		run(t, "fsfreeze", "-u", p)
		wantWritable(t, a, b)
	}
	run(t, "fsfreeze", "-f", a)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wantNoWatchdog(t, a)
	wantFrozen(t, a)
	run(t, "fsfreeze", "-u", a)
}

// If somebody else thaws what we froze, T0 is worth nothing.
func TestThawedByAnother(t *testing.T) {
	p := mounted(t, "ext4")
	f := prepare(t, Options{}, p)
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	run(t, "fsfreeze", "-u", p)
	if err := f.Thaw(); !errors.Is(err, ErrThawed) {
		t.Errorf("Thaw: %v", err)
	}
	wantWritable(t, p)
}

// In a freeze of minutes that is noticed while it lasts, and everything is thawed.
func TestProbes(t *testing.T) {
	a, b := mounted(t, "ext4"), mounted(t, "btrfs")
	f := prepare(t, Options{Frozen: true, Limit: 20 * time.Second}, a, b)
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.Broken():
		t.Fatal("broken without a reason")
	case <-time.After(2500 * time.Millisecond):
	}
	wantFrozen(t, a, b)
	run(t, "fsfreeze", "-u", b)
	select {
	case <-f.Broken():
	case <-time.After(3 * time.Second):
		t.Error("not noticed")
	}
	wantWritable(t, a, b)
	if err := f.Thaw(); !errors.Is(err, ErrThawed) || !strings.Contains(err.Error(), b) {
		t.Errorf("Thaw: %v", err)
	}
}

// If one cannot be frozen, the others are thawed.
func TestUnsupported(t *testing.T) {
	a := mounted(t, "ext4")
	shm := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "none", shm)
	t.Cleanup(func() { unmount(t, shm) })
	for _, last := range []bool{false, true} {
		f := prepare(t, Options{}, a, shm)
		// By itself it would come first, so that nothing is frozen in vain.
		if f.targets[0].Point != shm {
			t.Errorf("%s comes first", f.targets[0].Point)
		}
		if last {
			_ = f.Close()
			f = lastFails(t, a, shm)
		}
		_, err := f.Freeze()
		var fe *Error
		if !errors.Is(err, ErrUnsupported) || !errors.As(err, &fe) || fe.Point != shm {
			t.Errorf("Freeze: %v", err)
		}
		if f.Frozen() {
			t.Error("says that it is frozen")
		}
		wantWritable(t, a, shm)
		_ = f.Close()
	}
}

// lastFails is a freezer whose second filesystem cannot be frozen, behind one that can.
func lastFails(t *testing.T, good, bad string) *Freezer {
	f, err := Prepare(context.Background(), []Filesystem{{Point: good, FSType: "ext4"}, {Point: bad, FSType: "xfs"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f.targets[1].Point != bad {
		t.Fatal("the names sort the other way round")
	}
	return f
}

// Two freezers do not freeze one filesystem, whichever of its mounts they know.
func TestTwoFreezers(t *testing.T) {
	p := mounted(t, "ext4")
	other := t.TempDir()
	run(t, "mount", "--bind", p, other)
	t.Cleanup(func() { unmount(t, other) })
	f := prepare(t, Options{}, p, other)
	if len(f.targets) != 1 {
		t.Errorf("%d filesystems, it is one", len(f.targets))
	}
	for _, q := range []string{p, other} {
		g, err := Prepare(context.Background(), filesystems(q), Options{})
		if !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v", q, err)
		}
		if g != nil {
			_ = g.Close()
		}
	}
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := f.Thaw(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	wantNoWatchdog(t, p)
	_ = prepare(t, Options{}, other).Close()
}

// Subvolumes of a btrfs are one filesystem, though each has a device number of its own.
func TestSubvolumes(t *testing.T) {
	p := mounted(t, "btrfs")
	run(t, "btrfs", "subvolume", "create", filepath.Join(p, "sub"))
	other := t.TempDir()
	out, err := exec.Command("findmnt", "-no", "SOURCE", p).Output()
	if err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", "subvol=sub", strings.TrimSpace(string(out)), other)
	t.Cleanup(func() { unmount(t, other) })
	var a, b unix.Stat_t
	if unix.Stat(p, &a) != nil || unix.Stat(other, &b) != nil || a.Dev == b.Dev {
		t.Fatalf("device numbers %d, %d: the test shows nothing", a.Dev, b.Dev)
	}
	f := prepare(t, Options{}, p, other)
	if len(f.targets) != 1 {
		t.Fatalf("%d filesystems, it is one", len(f.targets))
	}
	if _, err := f.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := f.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// A mount point that something else has been mounted over is told from the right one.
func TestHidden(t *testing.T) {
	p := mounted(t, "ext4")
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-t", "tmpfs", "none", p)
	wrong, err := Prepare(context.Background(), []Filesystem{{Point: p, Dev: st.Dev}}, Options{})
	if err == nil {
		_ = wrong.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "mounted over") {
		t.Errorf("Prepare: %v", err)
	}
	other := t.TempDir()
	run(t, "umount", p)
	run(t, "mount", "--bind", p, other)
	t.Cleanup(func() { unmount(t, other) })
	run(t, "mount", "-t", "tmpfs", "none", p)
	t.Cleanup(func() { unmount(t, p) })
	f := prepare(t, Options{}, p) // whatever is there
	_ = f.Close()
	f, err = Prepare(context.Background(), []Filesystem{{Point: p, Dev: st.Dev}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f.targets[0].sb != st.Dev {
		t.Error("the wrong one")
	}
	_ = f.Close()
}

// What must stay writable is refused, by whatever way it is on the filesystem.
func TestRefuse(t *testing.T) {
	p := mounted(t, "ext4")
	image, inner := filepath.Join(p, "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", "-q", image)
	run(t, "mount", "-o", "loop", image, inner)
	t.Cleanup(func() { unmount(t, inner) })
	out, err := exec.Command("findmnt", "-no", "SOURCE", inner).Output()
	if err != nil {
		t.Fatal(err)
	}
	loop := strings.TrimSpace(string(out))
	links := t.TempDir()
	for name, to := range map[string]string{"link": p, "dangling": filepath.Join(p, "not", "yet")} {
		if err := os.Symlink(to, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, keep := range []string{p, image, filepath.Join(p, "not", "there"), inner, filepath.Join(inner, "spool"), loop, filepath.Join(links, "link"), filepath.Join(links, "dangling")} {
		f, err := Prepare(context.Background(), filesystems(p), Options{Keep: []string{"/dev/null", keep}})
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), keep) {
			t.Errorf("%s: %v", keep, err)
		}
		if f != nil {
			_ = f.Close()
		}
	}
	// The inner one may be frozen if only the outer one has to stay.
	f := prepare(t, Options{Keep: []string{p, loop}}, inner)
	_ = f.Close()
	// Both: the inner one comes first, as freezing it writes to the outer one.
	f = prepare(t, Options{}, p, inner)
	if f.targets[0].Point != inner {
		t.Errorf("%s comes first", f.targets[0].Point)
	}
	if _, err := f.Freeze(); err != nil {
		t.Error(err)
	} else if err := f.Thaw(); err != nil {
		t.Error(err)
	}
	_ = f.Close()

	log, err := os.Create(filepath.Join(p, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := Prepare(context.Background(), filesystems(p), Options{}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), log.Name()) {
		t.Errorf("with a log: %v", err)
	}
}

// The root filesystem is never frozen for minutes. (Prepare freezes nothing.)
func TestRefuseRoot(t *testing.T) {
	p := mounted(t, "ext4")
	f, err := Prepare(context.Background(), filesystems(p, "/"), Options{Frozen: true, Limit: time.Second})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "pinned") {
		t.Errorf("Prepare: %v", err)
	}
	if f != nil {
		_ = f.Close()
	}
}

// The emergency thaw knows mount points, devices and other places of them.
func TestEmergency(t *testing.T) {
	a, b := mounted(t, "ext4"), mounted(t, "btrfs")
	out, err := exec.Command("findmnt", "-no", "SOURCE", b).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{a, strings.TrimSpace(string(out))}
	for _, p := range []string{a, b} {
		run(t, "fsfreeze", "-f", p)
	}
	got, err := Emergency(append(slices.Clone(names), "/not/there"))
	if err == nil || !strings.Contains(err.Error(), "/not/there is neither") {
		t.Errorf("unknown name: %v", err)
	}
	if len(got) != 2 || !got[0].Thawed || !got[1].Thawed || got[0].Point != a || got[1].Point != b {
		t.Errorf("%v", got)
	}
	wantWritable(t, a, b)
	got, err = Emergency(names)
	if err != nil || len(got) != 2 || got[0].Thawed || got[0].Err != nil || got[0].String() != a+": was not frozen" {
		t.Errorf("%v %v", got, err)
	}
}
