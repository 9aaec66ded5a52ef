package tool

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// libyal names the programs and the file that the mounted image has.
var libyal = map[string]struct{ info, mount, file string }{
	"qcow2": {"qcowinfo", "qcowmount", "qcow1"},
	"vhd":   {"vhdiinfo", "vhdimount", "vhdi1"},
	"vmdk":  {"vmdkinfo", "vmdkmount", "vmdk1"},
	"vhdx":  {"vhdiinfo", "vhdimount", "vhdi1"},
}

// LibyalInfo runs qcowinfo, vhdiinfo or vmdkinfo and returns what it prints.
func LibyalInfo(ctx context.Context, format, path string) (string, error) {
	l, ok := libyal[format]
	if !ok {
		return "", fmt.Errorf("libyal: format %q is not one it is used for", format)
	}
	p, err := find(l.info)
	if err != nil {
		return "", err
	}
	return run(ctx, time.Minute, nil, p, path)
}

// LibyalMount mounts an image through libqcow, libvhdi or libvmdk in an empty
// folder and returns the raw file inside, a third reading of the image. unmount
// must be called.
func LibyalMount(ctx context.Context, format, path, folder string) (raw string, unmount func() error, err error) {
	l, ok := libyal[format]
	if !ok {
		return "", nil, fmt.Errorf("libyal: format %q is not one it is used for", format)
	}
	p, err := find(l.mount)
	if err != nil {
		return "", nil, err
	}
	fusermount, err := find("fusermount3")
	if err != nil {
		if fusermount, err = find("fusermount"); err != nil {
			return "", nil, err
		}
	}
	if _, err := run(ctx, time.Minute, nil, p, path, folder); err != nil {
		return "", nil, err
	}
	unmount = func() error {
		// A program that somebody else is about to start has a file of it for a moment:
		// what is open here is only closed in the child when that executes.
		for last := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if _, err := run(context.WithoutCancel(ctx), time.Minute, nil, fusermount, "-u", folder); err == nil || time.Now().After(last) {
				return err
			}
		}
	}
	return filepath.Join(folder, l.file), unmount, nil
}
