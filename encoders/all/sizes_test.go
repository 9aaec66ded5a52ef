package all_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/all"
)

func up(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// law is what a format's files come to, in bytes, written down from the formats'
// documents: of a disk of size bytes of which data (all or nothing) is carried. Formats
// that are not here have a TestSize in their own package.
var laws = map[string]func(size, data int64) int64{
	"raw":       func(size, _ int64) int64 { return size },
	"vhd-fixed": func(size, _ int64) int64 { return up(size, 512) + 512 },
	"vmdk-sparse": func(size, data int64) int64 {
		tables := up(size, 32<<20) / (32 << 20) // of 512 grains of 64 KiB, four sectors each
		return up(512*(1+20+2*(4*tables+up(4*tables, 512)/512)), 64<<10) + up(data, 64<<10)
	},
	"vmdk-flat":        func(size, _ int64) int64 { return up(size, 512) },
	"vmdk-flat-hosted": func(size, _ int64) int64 { return up(size, 512) },
	"tar":              func(_, data int64) int64 { return 512 + up(data, 512) + 1024 },
	"tar.gz": func(_, data int64) int64 {
		return 10 + 5 + 512 + up(data, 512) + 5*blocks(data, 32<<10) + 5 + 1024 + 5 + 8
	},
	"raw.gz": func(size, data int64) int64 {
		if data == 0 {
			return -1 // what zeros come to is deflate's business
		}
		return 10 + size + 5*blocks(size, 32<<10) + 5 + 8
	},
	"raw.zst": func(size, data int64) int64 {
		if size == 0 {
			return 6 + 3
		}
		if data == 0 {
			return (6 + 3 + 1 + 3) * blocks(size, 64<<10)
		}
		return size + (6+3+3)*blocks(size, 64<<10)
	},
	"ova": func(size, data int64) int64 {
		grains, tables := blocks(size, 64<<10), blocks(size, 32<<20)
		if data == 0 {
			grains = 0
		}
		disk := 512 * (21 + blocks(4*tables, 512) + 4*tables + 129*grains + 1)
		return 3*512 + 4096 + 512 + disk + 1024 // the description has a little less than 4 KiB
	},
}

func blocks(n, unit int64) int64 { return up(n, unit) / unit }

// limits are the largest disks that formats hold: in bytes of the disk, and of a file.
var limits = map[string][2]int64{
	"vhd": {2040 << 30}, "vhd-fixed": {2040 << 30},
	"vmdk": {62 << 40, 2<<40 - 1}, "vmdk-sparse": {62 << 40, 2<<40 - 1}, "ova": {62 << 40, 2 << 40},
	"vmdk-flat": {62 << 40}, "vmdk-flat-hosted": {62 << 40},
	"vhdx": {64 << 40},
}

// holdsNothing are the formats in which a disk of no bytes can be.
var holdsNothing = []string{"raw", "qcow2", "raw.gz", "raw.zst", "tar", "tar.gz"}

// TestSizes: every format, at the sizes at which formats break.
func TestSizes(t *testing.T) {
	for _, size := range []int64{0, 512, 12345, 2<<30 - 1, 64 << 30, 1 << 40, 2040 << 30, 2 << 40, 64 << 40, 64<<40 + 512} {
		none, err := blockmap.FromRanges(size, 64<<10, slices.Values([]blockmap.Range{}))
		if err != nil {
			t.Fatal(err)
		}
		full, err := blockmap.NewMap(size, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all.Formats() {
			for data, m := range map[int64]*blockmap.Map{0: none, size: full} {
				sizeOf(t, e, m, size, data)
			}
		}
	}
}

func sizeOf(t *testing.T, e encoders.Encoder, m *blockmap.Map, size, data int64) {
	t.Helper()
	law, limit := laws[e.Name()], limits[e.Name()]
	want := int64(-1)
	if law != nil {
		want = law(size, data)
	}
	outs, err := e.Plan(encoders.Disk{Map: m}, encoders.Options{})
	if errors.Is(err, encoders.ErrLimit) {
		empty := size == 0 && !slices.Contains(holdsNothing, e.Name())
		// A stream-optimized VMDK takes 129 sectors for each 128.
		long := limit[1] > 0 && max(want, data/128*129) > limit[1]
		if !empty && !long && (limit[0] == 0 || size <= limit[0]) {
			t.Errorf("%s refuses a disk of %d, %d of them carried: %v", e.Name(), size, data, err)
		}
		if !strings.HasPrefix(err.Error(), strings.Split(e.Name(), "-")[0]+":") && e.Name() != "ova" {
			t.Errorf("%s does not say who refuses: %v", e.Name(), err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if size == 0 && !slices.Contains(holdsNothing, e.Name()) || limit[0] > 0 && size > limit[0] {
		t.Errorf("%s takes a disk of %d", e.Name(), size)
	}
	for _, o := range outs {
		if strings.HasPrefix(e.Name(), "vmdk-flat") && o.Path == "disk.vmdk" {
			if o.Layout.Size() > 512 {
				t.Errorf("%s: a descriptor of %d bytes", e.Name(), o.Layout.Size())
			}
			continue
		}
		if got := o.Layout.Size(); want >= 0 && got != want {
			t.Errorf("%s, disk of %d, %d of them carried: the file has %d bytes, the law says %d", e.Name(), size, data, got, want)
		}
	}
}
