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
// MIGIMG_CORPORA says. Where there are none at all, the test is skipped, with
// MIGIMG_CI=1 as well: it is the one skip that `make test` lets pass.
func Corpora(t testing.TB, name string) string {
	t.Helper()
	root := corpora(t)
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no corpora: %v", err)
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Seeds adds to a fuzz target what the corpora have of files that match one of
// the patterns and are not larger than most, in bytes. There need not be any.
func Seeds(f *testing.F, most int, patterns ...string) {
	f.Helper()
	for _, p := range patterns {
		files, err := filepath.Glob(filepath.Join(corpora(f), p))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			if b, err := os.ReadFile(name); err == nil && len(b) <= most {
				f.Add(b)
			}
		}
	}
}

// corpora is where the corpora are, if there are any.
func corpora(t testing.TB) string {
	t.Helper()
	if root := os.Getenv("MIGIMG_CORPORA"); root != "" {
		return root
	}
	top, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			return filepath.Join(filepath.Dir(top), "shared", "corpora")
		}
		if top == filepath.Dir(top) {
			t.Fatal("not inside the project")
		}
		top = filepath.Dir(top)
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("MIGIMG_CI") == "1" {
		t.Fatalf("needs %s, and MIGIMG_CI=1 forbids to skip", what)
	}
	t.Skipf("needs %s", what)
}
