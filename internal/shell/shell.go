// Package shell runs shell scripts in tests.
package shell

import (
	"os"
	"os/exec"
	"testing"
)

// umount waits, after the real one, until the loop device is gone that `mount -o loop`
// made on $IMG: where a test beside this one has made a namespace in that moment, a copy
// of the mount is in it, and the filesystem is not written out before that goes, too.
const umount = `umount() {
	command umount "$@" || return
	for _ in $(seq 500); do
		case $(losetup -n -O AUTOCLEAR -j "${IMG:-}" 2>/dev/null) in *1*) sleep 0.02 ;; *) return 0 ;; esac
	done
}
`

// Run runs a script by sh -e, in the C locale and with env besides the test's own
// environment, and returns all that it said. If it fails, the test does, with that.
func Run(t testing.TB, script string, env ...string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", umount+script)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %v\n%s", script, env, err, out)
	}
	return string(out)
}
