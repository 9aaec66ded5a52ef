package tool

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	ctx := t.Context()
	_, err := FindQemuImg()
	for name, err := range map[string]error{
		"qemu-img": err,
		"7z":       Extract7z(ctx, "vhd", "x", io.Discard),
		"vhdiinfo": func() error { _, err := LibyalInfo(ctx, "vhd", "x"); return err }(),
		"vhdimount": func() error {
			_, _, err := LibyalMount(ctx, "vhd", "x", "y")
			return err
		}(),
	} {
		if !errors.Is(err, ErrNotInstalled) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Extract7z(ctx, "raw", "x", io.Discard); err == nil || errors.Is(err, ErrNotInstalled) {
		t.Errorf("format raw: %v", err)
	}
}

func TestRun(t *testing.T) {
	ctx := t.Context()
	out, err := run(ctx, time.Minute, nil, "/bin/sh", "-c", "echo out; echo err >&2")
	if out != "out\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	_, err = run(ctx, time.Minute, nil, "/bin/sh", "-c", "echo out; echo the reason >&2; exit 3")
	var e *ExitError
	if !errors.As(err, &e) || e.Code != 3 || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("%v", err)
	}
	_, err = run(ctx, 50*time.Millisecond, nil, "/bin/sleep", "20")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timeout: %v", err)
	}
	if _, err = run(ctx, time.Minute, nil, "/nonexistent"); !errors.As(err, &e) || e.Code != -1 {
		t.Errorf("not there: %v", err)
	}
}
