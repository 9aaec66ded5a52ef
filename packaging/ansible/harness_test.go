//go:build integration && fleet

package ansible

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"migimg/internal/child"
)

// mark is in the path of everything that the test keeps; the number of its process
// follows. Mounts, processes and networks are in namespaces that end with the process.
const mark = "migimg-fleet-"

var marked = regexp.MustCompile(mark + `(\d+)-`)

// program is the built migimg.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	sweep(func(pid int) bool { return unix.Kill(pid, 0) == unix.ESRCH })
	dir, err := os.MkdirTemp("", fmt.Sprint(mark, os.Getpid(), "-"))
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "migimg")
	cmd := exec.Command("go", "build", "-o", program, "migimg/cmd/migimg")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building migimg: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	ours := func(pid int) bool { return pid == os.Getpid() }
	for range 500 { // a loop device is there until nobody looks at it any more
		if len(loops(ours)) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if left := loops(ours); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left behind:", left)
		code = 1
	}
	return code
}

// loops are the loop devices of the processes asked for.
func loops(of func(pid int) bool) (devices []string) {
	out, _ := exec.Command("losetup", "-n", "-O", "NAME,BACK-FILE").Output()
	for line := range strings.Lines(string(out)) {
		m := marked.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if pid, err := strconv.Atoi(m[1]); err == nil && of(pid) {
			devices = append(devices, strings.Fields(line)[0])
		}
	}
	return devices
}

// sweep removes what runs left that crashed.
func sweep(gone func(pid int) bool) {
	for _, l := range loops(gone) {
		detach(l)
	}
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), mark+"*"))
	for _, d := range dirs {
		m := marked.FindStringSubmatch(d)
		if m == nil {
			continue
		}
		if pid, err := strconv.Atoi(m[1]); err == nil && gone(pid) {
			_ = os.RemoveAll(d)
		}
	}
}

// detach ends a loop device and those of its partitions.
func detach(dev string) {
	_ = exec.Command("partx", "-d", dev).Run()
	_ = exec.Command("losetup", "-d", dev).Run()
}

func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprint(mark, os.Getpid(), "-"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := child.Output(t, exec.Command(name, args...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually waits for a condition that another process makes true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 3*time.Minute; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
