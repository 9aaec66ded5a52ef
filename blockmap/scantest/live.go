package scantest

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/blockmap"
	"migimg/internal/shell"
)

// The ioctls FIFREEZE and FITHAW (kernel, include/uapi/linux/fs.h).
const (
	iocFreeze = 0xc0045877
	iocThaw   = 0xc0045878
)

// tornScans is how often a filesystem is scanned in each round while it is written to;
// MIGIMG_TORN says otherwise.
var tornScans = func() int {
	if n, err := strconv.Atoi(os.Getenv("MIGIMG_TORN")); err == nil {
		return n
	}
	return 3
}()

// rounds of the live part, each at another moment of the writer's.
const rounds = 3

// live makes the image of a running server's filesystem: metadata as it was while
// the filesystem was frozen, files' data as it came later. It must be sound, and
// have every file as it was at the freeze but for the contents of what was
// written since.
func (x *trial) live(t *testing.T) {
	for range rounds {
		dir := t.TempDir()
		path := func(name string) string { return filepath.Join(dir, name+".img") }
		shell.Run(t, `cp --sparse=always "$A" "$B"`, "A="+x.img, "B="+path("live"))
		x.freezeUnderWrites(t, path)
		x.merge(t, path)
		for _, name := range []string{"frozen", "built"} {
			if x.Frozen.Settle != "" {
				shell.Run(t, x.Frozen.Settle, "IMG="+path(name))
			}
		}
		shell.Run(t, x.frozenCheck(), "IMG="+path("built"))
		x.namesOf(t, path("frozen")).mustEqual(t, x.namesOf(t, path("built")))
		untouched := func(img string) manifest {
			m := x.manifestOf(t, img)
			for name := range m {
				if strings.HasPrefix(name, liveDir) {
					delete(m, name)
				}
			}
			delete(m, ".")
			return m
		}
		untouched(x.img).mustEqual(t, untouched(path("built")))
		shell.Run(t, `rm "$D"/*.img`, "D="+dir)
	}
}

// freezeUnderWrites mounts the image "live" and makes, while files are written,
// "frozen", what is on the disk during a freeze, and "later", what a reader finds
// who takes its time after that. The kernel keeps the image's file and the loop
// device alike.
func (x *trial) freezeUnderWrites(t *testing.T, path func(string) string) {
	t.Helper()
	copyTo := func(name string) { shell.Run(t, `cp --sparse=always "$A" "$B"`, "A="+path("live"), "B="+path(name)) }
	options := x.Options
	if x.Mount == "xfs" {
		options = strings.Trim(options+",nouuid", ",")
	}
	mounted(t, path("live"), x.Mount, options, func(dir string) {
		var writers sync.WaitGroup
		ctx, stop := context.WithCancel(context.Background())
		defer writers.Wait()
		defer stop()
		for i := range 2 {
			w := newWriter(dir, i, x.Frozen.Settle != "")
			writers.Go(func() { w.run(ctx) })
		}
		time.Sleep(300 * time.Millisecond)
		for range tornScans {
			x.scanMoving(t, path("live"))
		}
		thaw := freeze(t, dir)
		copyTo("frozen")
		thaw()
		time.Sleep(300 * time.Millisecond)
		syncTree(t, dir)
		copyTo("later")
	})
}

// scanMoving scans what is being written: the scanner may be wrong, and must end.
func (x *trial) scanMoving(t *testing.T, img string) {
	t.Helper()
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var files blockmap.Files
	m, info, err := blockmap.Scan(ctx, blockmap.Bytes(f, x.size, 512), []blockmap.Scanner{x.Scanner}, blockmap.ScanOptions{
		Frozen: func(string) bool { return true }, Files: &files,
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(info.Whole, "crashed") {
		t.Error(info.Whole)
	}
	if info.Whole != "" && m.Bytes() != x.size {
		t.Errorf("carried whole, for %s, are %d bytes of %d", info.Whole, m.Bytes(), x.size)
	}
}

// freeze freezes the filesystem at dir; what it returns thaws it. Should this
// program not come to that, another does: a frozen filesystem hangs whoever
// writes to it, and no signal helps.
func freeze(t testing.TB, dir string) (thaw func()) {
	t.Helper()
	watchdog := exec.Command("sh", "-c", `sleep 20; fsfreeze -u "$0"`, dir)
	watchdog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := watchdog.Start(); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	undo := sync.OnceFunc(func() {
		_ = unix.IoctlSetInt(int(d.Fd()), iocThaw, 0) // the watchdog may have been first
		_ = d.Close()
		_ = unix.Kill(-watchdog.Process.Pid, unix.SIGKILL)
		_ = watchdog.Wait()
	})
	t.Cleanup(undo)
	if err := unix.IoctlSetInt(int(d.Fd()), iocFreeze, 0); err != nil {
		undo()
		t.Fatalf("freezing %s: %v", dir, err)
	}
	return undo
}

func syncTree(t testing.TB, dir string) {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		t.Fatal(err)
	}
}

// merge makes "built" of what is pinned in "frozen", the data in "later", and
// zeros.
func (x *trial) merge(t *testing.T, path func(string) string) {
	t.Helper()
	open := func(name string) *os.File {
		f, err := os.Open(path(name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	frozen, later := open("frozen"), open("later")
	defer func() { _, _ = frozen.Close(), later.Close() }()
	m, _, files := scanFrozen(t, x.Scanner, blockmap.Bytes(frozen, x.size, 512))
	with(t, path("built"), func(f *os.File) {
		if err := f.Truncate(x.size); err != nil {
			t.Fatal(err)
		}
		put := func(from *os.File, r blockmap.Range) {
			if _, err := io.Copy(io.NewOffsetWriter(f, r.Off), io.NewSectionReader(from, r.Off, r.Len)); err != nil {
				t.Fatal(err)
			}
		}
		for r := range m.Ranges(0, x.size) {
			put(later, r)
		}
		for r := range files.Pinned(m, 0, x.size) {
			put(frozen, r)
		}
	})
}
