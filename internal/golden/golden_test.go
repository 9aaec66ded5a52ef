package golden

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Errorf(f string, a ...any) { r.said += fmt.Sprintf(f, a...) }

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "a.txt")
	check := func(got string) string {
		r := &recorder{TB: t}
		Check(r, file, got)
		return r.said
	}
	t.Setenv("MIGIMG_UPDATE_GOLDEN", "")
	if said := check("a\n"); !strings.Contains(said, "make golden") || !strings.Contains(said, file) {
		t.Errorf("a file that is not there: %q", said)
	}
	t.Setenv("MIGIMG_UPDATE_GOLDEN", "1")
	if said := check("a\n"); said != "" {
		t.Error(said)
	}
	t.Setenv("MIGIMG_UPDATE_GOLDEN", "")
	if said := check("a\n"); said != "" {
		t.Errorf("the file that was written: %s", said)
	}
	if said := check("b\n"); !strings.Contains(said, file) || !strings.Contains(said, "-") {
		t.Errorf("another text: %q", said)
	}
}
