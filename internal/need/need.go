// Package need says what a test needs of the machine: root, a tool. Where it is
// missing the test is skipped with the reason; with MIGIMG_CI=1, as `make test`
// sets it, a missing thing fails the test, so that nothing is skipped unseen.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Root skips the test for anybody but root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
}

// Tool skips the test where a program is not installed.
func Tool(t testing.TB, names ...string) {
	t.Helper()
	for _, n := range names {
		if _, err := exec.LookPath(n); err != nil {
			missing(t, n)
		}
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("MIGIMG_CI") == "1" {
		t.Fatalf("needs %s, and MIGIMG_CI=1 forbids to skip", what)
	}
	t.Skipf("needs %s", what)
}
