//go:build integration

package lvm_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/internal/need"
)

const mib = 1 << 20

// bench is a folder with images, loop devices and a configuration for lvm2 that
// sees no others. Device-mapper is not used: nothing is activated.
type bench struct {
	t     *testing.T
	dir   string
	loops []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	need.Root(t)
	need.Tool(t, "lvm", "losetup", "mke2fs", "e2fsck", "mkswap", "sfdisk", "sh")
	return &bench{t: t, dir: t.TempDir()}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// image makes a sparse file.
func (b *bench) image(name string, size int64) string {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), nil, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Truncate(b.path(name), size); err != nil {
		b.t.Fatal(err)
	}
	return b.path(name)
}

// loop is a loop device over [off, off+n) of an image, for lvm2 to see.
func (b *bench) loop(img string, off, n int64) string {
	b.t.Helper()
	dev := strings.TrimSpace(b.run("losetup", "-f", "--show", "-o", fmt.Sprint(off), "--sizelimit", fmt.Sprint(n), img))
	b.loops = append(b.loops, dev)
	b.t.Cleanup(func() { b.detach(dev) })
	var accept strings.Builder
	for _, l := range b.loops {
		fmt.Fprintf(&accept, `"a|^%s$|", `, l)
	}
	conf := `devices { use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" scan=["/dev"] filter=[` + accept.String() + `"r|.*|"] }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
backup { backup=0 archive=0 }
global { use_lvmpolld=0 wait_for_locks=1 }
`
	if err := os.WriteFile(b.path("lvm.conf"), []byte(conf), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return dev
}

func (b *bench) detach(dev string) {
	if i := slices.Index(b.loops, dev); i >= 0 {
		b.loops = slices.Delete(b.loops, i, i+1)
		if out, err := exec.Command("losetup", "-d", dev).CombinedOutput(); err != nil {
			b.t.Errorf("losetup -d %s: %v\n%s", dev, err, out)
		}
	}
}

func (b *bench) run(args ...string) string {
	b.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LVM_SYSTEM_DIR="+b.dir, "LVM_SUPPRESS_FD_WARNINGS=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%q: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// script runs shell commands, in which D0, D1 ... are the loop devices. lvcreate
// and its like are functions that leave device-mapper alone.
func (b *bench) script(s string) {
	b.t.Helper()
	head := "export PATH=$PATH:/sbin:/usr/sbin\nlvnew() { lvcreate -q --driverloaded n -an -Zn -Wn \"$@\"; }\n"
	for i, l := range b.loops {
		head += fmt.Sprintf("D%d=%s\n", i, l)
	}
	b.run("sh", "-ec", head+s)
}

// segment is a line of pvs --segments: where a part of a logical volume lies.
type segment struct {
	lv    string // empty: free
	first int64  // in the logical volume, bytes
	at, n int64  // in the physical volume, bytes
}

// segments asks lvm2.
func (b *bench) segments(dev string) (all []segment) {
	b.t.Helper()
	out := b.run("pvs", "--segments", "--noheadings", "--units", "b", "--nosuffix", "--separator", ",",
		"-o", "pe_start,vg_extent_size,pvseg_start,pvseg_size,seg_start_pe,lv_name", dev)
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) != 6 {
			b.t.Fatalf("pvs says %q", line)
		}
		n := make([]int64, 5)
		for i := range n {
			if f[i] != "" {
				var err error
				if n[i], err = strconv.ParseInt(f[i], 10, 64); err != nil {
					b.t.Fatal(err)
				}
			}
		}
		all = append(all, segment{strings.Trim(f[5], "[]"), n[4] * n[1], n[0] + n[2]*n[1], n[3] * n[1]})
	}
	return all
}

// scanFile scans [off, off+n) of an image.
func scanFile(t *testing.T, img string, off, n int64, scanners ...blockmap.Scanner) (*blockmap.Map, *blockmap.VolumeInfo) {
	t.Helper()
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	v, err := blockmap.Section(blockmap.Bytes(f, st.Size(), 512), off, n)
	if err != nil {
		t.Fatal(err)
	}
	m, info, err := blockmap.Scan(context.Background(), rebased{v}, scanners, blockmap.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, info
}

// rebased is a section as a device of its own.
type rebased struct{ blockmap.Volume }

func (r rebased) Ranges(off, n int64) iter.Seq[blockmap.Range] {
	return func(yield func(blockmap.Range) bool) { yield(blockmap.Range{Off: off, Len: n}) }
}

// freeOf is what a map does not carry.
func freeOf(m *blockmap.Map) (free []blockmap.Range) {
	at := int64(0)
	for r := range m.Ranges(0, m.Size()) {
		if r.Off > at {
			free = append(free, blockmap.Range{Off: at, Len: r.Off - at})
		}
		at = r.End()
	}
	if at < m.Size() {
		free = append(free, blockmap.Range{Off: at, Len: m.Size() - at})
	}
	return free
}

// joined sorts ranges and joins those that touch.
func joined(rs []blockmap.Range) (out []blockmap.Range) {
	slices.SortFunc(rs, func(a, b blockmap.Range) int { return int(a.Off>>9 - b.Off>>9) })
	for _, r := range rs {
		if k := len(out) - 1; k >= 0 && out[k].End() == r.Off {
			out[k].Len += r.Len
		} else if r.Len > 0 {
			out = append(out, r)
		}
	}
	return out
}
