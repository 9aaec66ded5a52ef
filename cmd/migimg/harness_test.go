//go:build integration

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/blockmap/device/freeze"
	"migimg/internal/need"
)

// program is the built migimg.
var program string

// TestMain builds the program, and fails the run if a mount or a loop device is
// left behind. Leftovers of a run that crashed are removed first.
func TestMain(m *testing.M) {
	freeze.Watchdog(os.Args) // what the tests freeze themselves
	if dir := os.Getenv(churnEnv); dir != "" {
		fmt.Fprintln(os.Stderr, churn(dir, nil))
		os.Exit(1)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	sweep()
	dir, err := os.MkdirTemp("", "migimg-e2e-bin")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "migimg")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building migimg: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	ours := func(pid int) bool { return pid == os.Getpid() }
	left := leftovers(ours)
	for range 500 { // a loop device is there until nobody looks at it any more
		if len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
		left = leftovers(ours)
	}
	if len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left behind:", left)
		code = 1
	}
	return code
}

// mark is in the path of everything that the tests mount or loop; the number of their
// process follows.
const mark = "migimg-e2e-"

var marked = regexp.MustCompile(mark + `(\d+)-`)

// leftovers are the mounts and loop devices of the processes asked for.
func leftovers(of func(pid int) bool) (left []string) {
	theirs := func(line string) bool {
		m := marked.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		pid, err := strconv.Atoi(m[1])
		return err == nil && of(pid)
	}
	table, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(table)) {
		if theirs(line) {
			left = append(left, strings.Fields(line)[1])
		}
	}
	out, _ := exec.Command("losetup", "-n", "-O", "NAME,BACK-FILE").Output()
	for line := range strings.Lines(string(out)) {
		if theirs(line) {
			left = append(left, strings.Fields(line)[0])
		}
	}
	return left
}

// sweep removes what runs left that are no more.
func sweep() {
	gone := func(pid int) bool { return unix.Kill(pid, 0) == unix.ESRCH }
	for range 3 {
		for _, x := range leftovers(gone) {
			if strings.HasPrefix(x, "/dev/") {
				_ = exec.Command("losetup", "-d", x).Run()
			} else {
				_ = exec.Command("umount", "-l", x).Run()
			}
		}
	}
}

// tempDir is a directory of the test's own whose name bears the mark.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprint(mark, os.Getpid(), "-"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// run runs a program and returns what it printed on stdout.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := try(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try is run with the error returned; it holds stderr.
func try(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// exitStatus runs migimg and returns its exit code and all that it printed.
func exitStatus(t testing.TB, args ...string) (int, string) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	var ee *exec.ExitError
	if err != nil && !asExit(err, &ee) {
		t.Fatal(err)
	}
	if ee != nil {
		return ee.ExitCode(), string(out)
	}
	return 0, string(out)
}

func asExit(err error, ee **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*ee = e
	return ok
}

// loop attaches a file to a loop device until the test ends.
func loop(t testing.TB, file string, args ...string) string {
	t.Helper()
	dev := strings.TrimSpace(run(t, "losetup", append(append([]string{"-f", "--show"}, args...), file)...))
	t.Cleanup(func() { detach(dev, file) })
	return dev
}

// detach ends a loop device, unless it is somebody else's by now.
func detach(dev, file string) {
	now, err := exec.Command("losetup", "-n", "-O", "BACK-FILE", dev).Output()
	if err == nil && strings.HasPrefix(strings.TrimSpace(string(now)), file) {
		_ = exec.Command("losetup", "-d", dev).Run()
	}
}

// mountFS mounts a filesystem at a directory of its own until the test ends, or
// until the returned function is called.
func mountFS(t testing.TB, dev string, opts string) (point string, umount func()) {
	t.Helper()
	point = filepath.Join(tempDir(t), "fs")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", "-o", opts, dev, point)
	done := false
	umount = func() {
		if !done {
			done = true
			umountFS(t, point)
			// Another mount namespace that came to be meanwhile has the filesystem mounted
			// until it ends, and what is not written yet.
			if !within(time.Minute, func() bool {
				fd, err := unix.Open(dev, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
				unix.Close(fd)
				return err == nil
			}) {
				t.Logf("%s is mounted elsewhere", dev)
			}
		}
	}
	t.Cleanup(func() {
		if !done {
			_ = exec.Command("umount", "-l", point).Run()
		}
	})
	return point, umount
}

// umountFS unmounts a filesystem. What runs at the same time starts programs, and until
// they have begun they hold what we have open.
func umountFS(t testing.TB, point string) {
	t.Helper()
	eventually(t, "umount "+point, func() bool { return exec.Command("umount", point).Run() == nil })
}

// mountMigimg mounts a device with the program until the test ends.
func mountMigimg(t testing.TB, dev string, args ...string) string {
	t.Helper()
	need.Root(t)
	point := filepath.Join(tempDir(t), "mnt")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, program, append(append([]string{"mount"}, args...), dev, point)...)
	t.Cleanup(func() {
		if _, ok := isMountpoint(point); ok { // neither dead nor ended by the test
			if _, err := try(program, "umount", point); err != nil {
				t.Error(err)
			}
		}
		_ = exec.Command("umount", "-l", point).Run()
	})
	return point
}

func statusOf(t testing.TB, point string) *status {
	t.Helper()
	var s status
	if err := json.Unmarshal([]byte(run(t, program, "status", point, "--format", "json")), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// carried makes a file of the device as its images have it: its bytes where the
// map carries them, zeros elsewhere. It goes by the printed map and the device
// alone.
func carried(t testing.TB, dev, file string) []byte {
	t.Helper()
	from, err := os.Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	size, err := from.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	to, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	for line := range strings.Lines(run(t, program, "map", dev, "--format", "ranges")) {
		var off, n int64
		scan(t, line, &off, &n)
		if _, err := io.Copy(io.NewOffsetWriter(to, off), io.NewSectionReader(from, off, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return contents(t, file)
}

// contents is a file's bytes, however many, until the test ends.
func contents(t testing.TB, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(m) })
	return m
}

// hashes are the SHA-256 of every regular file below dir, and the target of
// every link, by name.
func hashes(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		switch {
		case d.Type().IsRegular():
			out[name] = hashFile(t, p)
		case d.Type()&fs.ModeSymlink != 0:
			out[name], err = os.Readlink(p)
		default:
			out[name] = d.Type().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func hashFile(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// garbage fills a file of the given size with random bytes.
func garbage(t testing.TB, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{9}), size); err != nil {
		t.Fatal(err)
	}
}

// writeFile writes n random bytes.
func writeFile(t testing.TB, path string, n int, rng *rand.ChaCha8) {
	t.Helper()
	b := make([]byte, n)
	_, _ = rng.Read(b)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition that another process makes true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !within(5*time.Second, ok) {
		t.Fatalf("waited in vain for %s", what)
	}
}

// within says whether ok came true in good time.
func within(limit time.Duration, ok func() bool) bool {
	for begin := time.Now(); time.Since(begin) < limit; time.Sleep(10 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

func scan(t testing.TB, line string, off, n *int64) {
	t.Helper()
	if _, err := fmt.Sscanf(line, "%d\t%d", off, n); err != nil {
		t.Fatal(err)
	}
}

func itoa(n int64) string { return fmt.Sprint(n) }
