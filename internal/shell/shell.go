// Package shell runs shell scripts in tests.
package shell

import (
	"os"
	"os/exec"
	"testing"
)

// Run runs a script by sh -e, in the C locale and with env besides the test's own
// environment, and returns all that it said. If it fails, the test does, with that.
func Run(t testing.TB, script string, env ...string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %v\n%s", script, env, err, out)
	}
	return string(out)
}
