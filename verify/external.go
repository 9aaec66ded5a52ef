package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"migimg/verify/decoder"
	"migimg/verify/tool"
	"migimg/verify/vmdk"
)

// QemuImgCheck is the name of the aspect that `qemu-img check` fills.
const QemuImgCheck = "qemu-img check"

// external lets another program check the image: qemu-img, or for what it does not
// know the program that people unpack it with. A missing program is not held against
// the image: the aspect is skipped and says so.
func external(ctx context.Context, im Image, format string) (Aspect, error) {
	name, run := QemuImgCheck, qemuImg
	if t, ok := tool.TesterOf(format); ok {
		name = t.Name
		run = func(ctx context.Context, path, _ string, ps *decoder.Problems) (string, error) {
			return tested(ctx, t, path, ps)
		}
	}
	a := Aspect{Name: name, Status: Skip}
	switch {
	case im.Path == "":
		a.Summary = "not run: the image has no path"
		return a, nil
	case format == Raw || format == VHD:
		a.Summary = "not run: qemu-img has no check for " + format
		return a, nil
	case format == VMDK && vmdk.IsText(decoder.File{R: im.R, Size: im.Size}):
		a.Summary = "not run: qemu-img has no check for a flat vmdk"
		return a, nil
	}
	ps := &decoder.Problems{}
	summary, err := run(ctx, im.Path, format, ps)
	switch {
	case ctx.Err() != nil:
		return a, ctx.Err()
	case errors.Is(err, tool.ErrNotInstalled):
		a.Summary = "not run: " + err.Error()
		return a, nil
	case err != nil:
		ps.Unknownf(-1, "%v", err)
	}
	return NewAspect(name, summary, ps), nil
}

// qemuImg runs `qemu-img check`.
func qemuImg(ctx context.Context, path, format string, ps *decoder.Problems) (string, error) {
	q, err := tool.FindQemuImg()
	if err != nil {
		return "", err
	}
	res, err := q.Check(ctx, format, path)
	if err == nil && (res.Corruptions > 0 || res.Errors > 0 || res.Leaks > 0) {
		ps.Failf(-1, "%d corruptions, %d leaks, %d errors: %.500s", res.Corruptions, res.Leaks, res.Errors, res.Output)
	}
	return fmt.Sprintf("-f %s, %d corruptions, %d leaks, %d errors", format, res.Corruptions, res.Leaks, res.Errors), err
}

// tested runs a program that reads the whole file.
func tested(ctx context.Context, t tool.Tester, path string, ps *decoder.Problems) (string, error) {
	bad, said, err := t.Test(ctx, path)
	if err != nil {
		return "", err
	}
	if bad != "" {
		ps.Failf(-1, "%.500s", bad)
		return "it refuses the file", nil
	}
	if members := strings.Count(said, "\n"); members > 0 {
		return fmt.Sprintf("the file is sound, %d members", members), nil
	}
	return "the file is sound", nil
}
