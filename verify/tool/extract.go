package tool

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Extract7z writes the disk inside an image ("qcow2", "vhd", "vmdk", "vhdx",
// "vdi") to w, as 7-Zip reads it: a reader that shares nothing with QEMU.
func Extract7z(ctx context.Context, format, path string, w io.Writer) error {
	kind, ok := map[string]string{"qcow2": "QCOW", "vhd": "VHD", "vmdk": "VMDK", "vhdx": "VHDX", "vdi": "VDI"}[format]
	if !ok {
		return fmt.Errorf("7z: format %q is not one it is used for", format)
	}
	p, err := find("7z")
	if err != nil {
		return err
	}
	_, err = run(ctx, time.Hour, w, p, "x", "-so", "-t"+kind, path)
	return err
}
