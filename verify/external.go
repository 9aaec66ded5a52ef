package verify

import (
	"context"
	"errors"
	"fmt"

	"migimg/verify/decoder"
	"migimg/verify/tool"
)

// QemuImgCheck is the name of the aspect that `qemu-img check` fills.
const QemuImgCheck = "qemu-img check"

// external lets qemu-img check the image. A missing program is not held against
// the image: the aspect is skipped and says so.
func external(ctx context.Context, im Image, format string) (Aspect, error) {
	a := Aspect{Name: QemuImgCheck, Status: Skip}
	switch {
	case im.Path == "":
		a.Summary = "not run: the image has no path"
		return a, nil
	case format == Raw || format == VHD:
		a.Summary = "not run: qemu-img has no check for " + format
		return a, nil
	}
	q, err := tool.FindQemuImg()
	if err != nil {
		a.Summary = "not run: " + err.Error()
		return a, nil
	}
	res, err := q.Check(ctx, format, im.Path)
	if ctx.Err() != nil {
		return a, ctx.Err()
	}
	ps := &decoder.Problems{}
	switch {
	case errors.Is(err, tool.ErrNotInstalled):
		a.Summary = "not run: " + err.Error()
		return a, nil
	case err != nil:
		ps.Unknownf(-1, "%v", err)
	case res.Corruptions > 0 || res.Errors > 0 || res.Leaks > 0:
		ps.Failf(-1, "%d corruptions, %d leaks, %d errors: %.500s", res.Corruptions, res.Leaks, res.Errors, res.Output)
	}
	return NewAspect(QemuImgCheck, fmt.Sprintf("-f %s, %d corruptions, %d leaks, %d errors", format, res.Corruptions, res.Leaks, res.Errors), ps), nil
}
