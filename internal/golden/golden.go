// Package golden compares what tests made with texts that are kept in the repository, so
// that nothing changes unseen.
package golden

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Check fails the test where the file does not hold got. With MIGIMG_UPDATE_GOLDEN=1, as
// make golden sets it, it writes the file.
func Check(t testing.TB, file, got string) {
	t.Helper()
	if os.Getenv("MIGIMG_UPDATE_GOLDEN") == "1" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is no %s yet: make golden writes it; then read what it says", file)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was (-kept +made). If it should not be, run make golden and say why in the commit:\n%s", file, cmp.Diff(string(want), got))
	}
}
