//go:build integration

package verify

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"migimg/internal/need"
)

// The largest disks of each format, almost empty, are checked in seconds and in
// little memory.
func TestLargeDisks(t *testing.T) {
	need.Tool(t, "qemu-img")
	for _, c := range []struct {
		format, options, size string
		bytes                 int64
	}{
		{QCOW2, "", "16T", 16 << 40},
		{QCOW2, "cluster_size=4k", "4T", 4 << 40},
		{VHD, "subformat=dynamic,force_size=on", "2040G", 2040 << 30},
		{VMDK, "subformat=monolithicSparse", "2T", 2 << 40},
		{VHDX, "", "64T", 64 << 40},
		{VHDX, "block_size=1M", "16T", 16 << 40},
		{VDI, "", "16T", 16 << 40},
		{Raw, "", "4T", 4 << 40},
	} {
		t.Run(c.format+c.size, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk."+c.format)
			driver := map[string]string{VHD: "vpc"}[c.format]
			if driver == "" {
				driver = c.format
			}
			args := []string{"create", "-f", driver}
			if c.options != "" {
				args = append(args, "-o", c.options)
			}
			command(t, "qemu-img", append(args, path, c.size)...)
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			src := &Source{R: blank{}, Size: c.bytes, Carried: func(func(Range) bool) {}}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			r, err := Check(t.Context(), Image{Name: path, Format: c.format, R: f, Size: st.Size()}, Options{Source: src})
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			mib := (after.TotalAlloc - before.TotalAlloc) >> 20
			if !r.OK() || r.Holes+r.Zeros != c.bytes || took > 20*time.Second || mib > 256 {
				t.Errorf("%v, %d MiB: %s", took, mib, table(r))
			}
			t.Logf("%v, %d MiB allocated", took, mib)
		})
	}
}

// blank is a device of zeros.
type blank struct{}

func (blank) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
