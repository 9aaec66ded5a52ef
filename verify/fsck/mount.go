package fsck

import (
	"context"
	"errors"
	"os"

	"migimg/verify/tool"
)

// mount mounts the volume's file, "ro" or "rw", until unmount is called.
func (v *Volume) mount(ctx context.Context, o Options, mode string) (point string, unmount func() error, err error) {
	if point, err = os.MkdirTemp(o.Dir, "mount"); err != nil {
		return "", nil, err
	}
	d := drivers[v.Type]
	if err := tool.Mount(ctx, d.name, v.Path, point, mode+d.options); err != nil {
		return "", nil, errors.Join(err, os.Remove(point))
	}
	return point, func() error {
		if err := tool.Unmount(point); err != nil {
			return err
		}
		return os.Remove(point)
	}, nil
}
