// Package need says what a test needs of the machine: root, a tool. Where it is
// missing the test is skipped with the reason; with MIGIMG_CI=1, as `make test`
// sets it, a missing thing fails the test, so that nothing is skipped unseen.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
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

// Corpora is the folder of one corpus: public test data with expected answers
// that is kept beside the project, not in it, in ../shared/corpora or where
// MIGIMG_CORPORA says. Where there is none, the test is skipped, with
// MIGIMG_CI=1 as well; such a test has "Corpus" in its name.
func Corpora(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("MIGIMG_CORPORA")
	if root == "" {
		top, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
				break
			}
			if top == filepath.Dir(top) {
				t.Fatal("not inside the project")
			}
			top = filepath.Dir(top)
		}
		root = filepath.Join(filepath.Dir(top), "shared", "corpora")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpora: %v", err)
	}
	return dir
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("MIGIMG_CI") == "1" {
		t.Fatalf("needs %s, and MIGIMG_CI=1 forbids to skip", what)
	}
	t.Skipf("needs %s", what)
}
