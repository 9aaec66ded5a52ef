//go:build integration

package tool

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"migimg/internal/need"
)

func TestQemuImg(t *testing.T) {
	need.Tool(t, "qemu-img", "mkfs.ext4")
	ctx, dir := t.Context(), t.TempDir()
	q, err := FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	raw, img := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	disk := make([]byte, 4<<20)
	copy(disk[1<<20:], bytes.Repeat([]byte("migimg "), 100000))
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := q.Convert(ctx, "raw", raw, "qcow2", img, "cluster_size=4k"); err != nil {
		t.Fatal(err)
	}
	if i, err := q.Info(ctx, "", img); err != nil || i.Format != "qcow2" || i.VirtualSize != 4<<20 {
		t.Errorf("%+v, %v", i, err)
	}
	if r, err := q.Check(ctx, "qcow2", img); err != nil || r.Corruptions+r.Leaks+r.Errors != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if same, detail, err := q.Compare(ctx, "raw", raw, "qcow2", img); !same || err != nil {
		t.Errorf("%s, %v", detail, err)
	}
	disk[1<<20]++
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	if same, detail, err := q.Compare(ctx, "raw", raw, "qcow2", img); same || err != nil || detail == "" {
		t.Errorf("%s, %v", detail, err)
	}
	// A short copy.
	st, err := os.Stat(img)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, st.Size()-8192); err != nil {
		t.Fatal(err)
	}
	if r, err := q.Check(ctx, "qcow2", img); err != nil || r.Corruptions+r.Errors == 0 {
		t.Errorf("short: %+v, %v", r, err)
	}
	if _, err := q.Check(ctx, "qcow2", raw); err == nil {
		t.Error("a raw file passed as qcow2")
	}
}

func TestE2fsck(t *testing.T) {
	need.Tool(t, "e2fsck", "mkfs.ext4")
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	mkfs, err := find("mkfs.ext4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), time.Minute, nil, mkfs, "-q", "-E", "offset=1048576", path, "6M"); err != nil {
		t.Fatal(err)
	}
	if clean, out, err := E2fsck(t.Context(), path, 1<<20); !clean || err != nil {
		t.Errorf("%s, %v", out, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 64), 1<<20+2048); err != nil { // group descriptors
		t.Fatal(err)
	}
	if clean, out, err := E2fsck(t.Context(), path, 1<<20); clean || err != nil {
		t.Errorf("damaged: %v %s, %v", clean, out, err)
	}
	if _, _, err := E2fsck(t.Context(), path+".gone", 0); err == nil {
		t.Error("a missing file is no error")
	}
}

func TestOtherReaders(t *testing.T) {
	need.Root(t)
	need.Tool(t, "qemu-img", "7z", "vhdimount", "vmdkmount", "qcowmount", "vhdiinfo")
	ctx, dir := t.Context(), t.TempDir()
	q, err := FindQemuImg()
	if err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(dir, "disk.raw")
	disk := make([]byte, 4<<20)
	copy(disk[1<<20:], bytes.Repeat([]byte("migimg "), 100000))
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ format, options string }{
		{"qcow2", ""}, {"vhd", "subformat=dynamic,force_size=on"}, {"vmdk", "subformat=monolithicSparse"},
		{"vhdx", "block_size=1M"}, {"vdi", ""},
	} {
		t.Run(c.format, func(t *testing.T) {
			img := filepath.Join(dir, "disk."+c.format)
			if err := q.Convert(ctx, "raw", raw, c.format, img, c.options); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := Extract7z(ctx, c.format, img, &out); err != nil || !bytes.Equal(out.Bytes(), disk) {
				t.Errorf("7z: %d bytes, %v", out.Len(), err)
			}
			if c.format == "vdi" { // libyal has no reader of it
				return
			}
			if text, err := LibyalInfo(ctx, c.format, img); err != nil || text == "" {
				t.Errorf("info: %q, %v", text, err)
			}
			path, unmount, err := LibyalMount(ctx, c.format, img, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err := unmount(); err != nil {
				t.Error(err)
			}
			if err != nil || !bytes.Equal(got, disk) {
				t.Errorf("libyal: %d bytes, %v", len(got), err)
			}
		})
	}
}
