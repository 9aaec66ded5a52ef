package tool

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Tester is a program that reads a whole file and says whether it is sound.
type Tester struct {
	// Name is the command without the file, as people type it ("gzip -t").
	Name string
	args []string
	// broken are the exit codes for a file that is not sound.
	broken []int
}

// testers are by the names of verify's formats. tar takes a name with a colon for one
// on another machine unless it is told not to.
var testers = map[string]Tester{
	"raw.gz":     {"gzip -t", []string{"gzip", "-t", "--"}, []int{1, 2}},
	"raw.zst":    {"zstd -t", []string{"zstd", "-t", "-q", "--"}, []int{1}},
	"raw.tar":    {"tar -tv", []string{"tar", "--force-local", "-tvf"}, []int{1, 2}},
	"raw.tar.gz": {"tar -tvz", []string{"tar", "--force-local", "-tvzf"}, []int{1, 2}},
	"ova":        {"tar -tv", []string{"tar", "--force-local", "-tvf"}, []int{1, 2}},
}

// TesterOf is the program for a format; false where there is none.
func TesterOf(format string) (Tester, bool) {
	t, ok := testers[format]
	return t, ok
}

// inability is what the programs say where it is not the file's fault.
var inability = []string{"Input/output error", "No such file", "Permission denied", "too much memory", "Cannot exec", "Killed"}

// Test runs the program. bad is what it says of a file that is not sound, said what it
// writes otherwise; the error is that it could not find out.
func (t Tester) Test(ctx context.Context, path string) (bad, said string, err error) {
	p, err := find(t.args[0])
	if err != nil {
		return "", "", err
	}
	// zstd passes over symbolic links.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", "", err
	}
	said, err = run(ctx, time.Hour, nil, p, append(slices.Clone(t.args[1:]), path)...)
	var exit *ExitError
	if errors.As(err, &exit) && slices.Contains(t.broken, exit.Code) &&
		!slices.ContainsFunc(inability, func(s string) bool { return strings.Contains(exit.Output, s) }) {
		return strings.TrimSpace(exit.Output), said, nil
	}
	return "", said, err
}
