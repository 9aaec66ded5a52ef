package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// QemuImg is an installed qemu-img.
type QemuImg struct {
	path string
	// Timeout of one run, an hour by default: large images take long.
	Timeout time.Duration
}

// FindQemuImg looks for the program.
func FindQemuImg() (QemuImg, error) {
	p, err := find("qemu-img")
	return QemuImg{path: p, Timeout: time.Hour}, err
}

func (q QemuImg) run(ctx context.Context, args ...string) (string, error) {
	return run(ctx, q.Timeout, nil, q.path, args...)
}

// driver is qemu-img's name for a format.
func driver(format string) string {
	if format == "vhd" {
		return "vpc"
	}
	return format
}

// CheckResult is what `qemu-img check` counts.
type CheckResult struct {
	Corruptions int64  `json:"corruptions"`
	Leaks       int64  `json:"leaks"`
	Errors      int64  `json:"check-errors"`
	Output      string `json:"-"`
}

// Check runs `qemu-img check` on qcow2, vmdk, vdi and others that have a check.
// An image with findings is not an error; one that could not be checked is.
func (q QemuImg) Check(ctx context.Context, format, path string) (CheckResult, error) {
	out, err := q.run(ctx, "check", "--output=json", "-f", driver(format), path)
	var r CheckResult
	var exit *ExitError
	if errors.As(err, &exit) && (exit.Code == 2 || exit.Code == 3) { // corruptions, leaks
		r.Output = exit.Output
		err = nil
	}
	if err != nil {
		return r, err
	}
	output := r.Output
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return r, fmt.Errorf("qemu-img check: its answer: %w", err)
	}
	if r.Output = output; exit != nil && r.Corruptions+r.Leaks+r.Errors == 0 {
		r.Errors = 1
	}
	return r, nil
}

// Compare runs `qemu-img compare`: whether the two disks hold the same bytes; a
// longer one must be zeros there. detail is the program's own sentence.
func (q QemuImg) Compare(ctx context.Context, aFormat, a, bFormat, b string) (same bool, detail string, err error) {
	out, err := q.run(ctx, "compare", "-f", driver(aFormat), "-F", driver(bFormat), a, b)
	var exit *ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return false, out, nil
	}
	return err == nil, out, err
}

// Convert runs `qemu-img convert`. options are of the target format
// ("subformat=dynamic,force_size=on"), empty for none.
func (q QemuImg) Convert(ctx context.Context, fromFormat, from, toFormat, to, options string) error {
	args := []string{"convert", "-f", driver(fromFormat), "-O", driver(toFormat)}
	if options != "" {
		args = append(args, "-o", options)
	}
	_, err := q.run(ctx, append(args, from, to)...)
	return err
}

// Info is part of what `qemu-img info` says.
type Info struct {
	Format      string `json:"format"`
	VirtualSize int64  `json:"virtual-size"`
	ActualSize  int64  `json:"actual-size"`
}

// Info runs `qemu-img info`. An empty format lets the program probe, as an
// importer does.
func (q QemuImg) Info(ctx context.Context, format, path string) (Info, error) {
	args := []string{"info", "--output=json"}
	if format != "" {
		args = append(args, "-f", driver(format))
	}
	out, err := q.run(ctx, append(args, path)...)
	var i Info
	if err == nil {
		err = json.Unmarshal([]byte(out), &i)
	}
	return i, err
}
