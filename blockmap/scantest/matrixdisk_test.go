//go:build integration

package scantest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"migimg/internal/shell"
)

// script runs one of the filesystem's scripts on dev and returns what it printed.
func (c *matrixCase) script(script, dev string, env ...string) string {
	c.t.Helper()
	if script == "" {
		return ""
	}
	return shell.Run(c.t, script, append(env, "DEV="+dev, "SECTOR="+strconv.FormatInt(c.out.sector, 10),
		"SIZE="+strconv.FormatInt(c.bytes(), 10), "TMP="+c.dir)...)
}

// bytes is the volume's size.
func (c *matrixCase) bytes() int64 {
	if c.variant.size > 0 {
		return c.variant.size
	}
	return c.filesystem.size
}

// attached calls f with the device that img is in: a loop device with the case's
// sectors, or img itself where no kernel takes part.
func (c *matrixCase) attached(img string, f func(dev string)) {
	c.t.Helper()
	if c.mount == "" {
		f(img)
		return
	}
	dev := strings.TrimSpace(shell.Run(c.t, `losetup --find --show --sector-size "$S" "$IMG"`, "S="+strconv.FormatInt(c.out.sector, 10), "IMG="+img))
	detach := func() error { return exec.Command("losetup", "-d", dev).Run() }
	t := c.t
	done := false
	t.Cleanup(func() {
		if !done { // after a Fatal in f
			_ = detach()
		}
	})
	f(dev)
	if done = true; detach() != nil {
		t.Errorf("losetup -d %s failed", dev)
	}
	released(t, img)
}

// make makes the filesystem in img and fills it.
func (c *matrixCase) make(img string, size int64) {
	c.t.Helper()
	src := filepath.Join(c.dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		c.t.Fatal(err)
	}
	staged := c.mount == "" && c.out.fill != Empty
	if staged {
		p := newFiller(c.t, src, c.out.fill)
		p.plain = c.plain
		p.fill(unfragmented(c.out.fill), size-c.overhead)
	}
	c.attached(img, func(dev string) {
		c.script(c.mkfs, dev, "SRC="+src)
		switch {
		case c.out.fill == Empty:
		case c.mount != "":
			c.mounted(dev, "rw", func(dir string) {
				if !c.plain {
					populate(c.t, dir, c.out.fill, c.out.fill != Full) // a full one has no room for what is deleted
					return
				}
				p := newFiller(c.t, dir, c.out.fill)
				p.plain = true
				p.fill(c.out.fill, size*9/10)
				if c.out.fill != Full {
					p.leave()
				}
			})
		case c.load != "":
			c.script(c.load, dev, "SRC="+src)
			if c.out.fill == Fragmented {
				c.fragment(dev, src)
			}
		}
	})
	if err := os.RemoveAll(src); err != nil {
		c.t.Fatal(err)
	}
	st, err := os.Stat(img)
	if err != nil {
		c.t.Fatal(err)
	}
	if st.Size() > size {
		c.t.Fatalf("the filesystem has %d bytes, the volume only %d", st.Size(), size)
	}
	if err := os.Truncate(img, size); err != nil {
		c.t.Fatal(err)
	}
}

// unfragmented is the fill of a folder: what is removed from it in the
// filesystem comes later.
func unfragmented(f Fill) Fill {
	if f == Fragmented {
		return Half
	}
	return f
}

// fragment removes every second file that was loaded from src, and loads one that
// does not fit into any hole.
func (c *matrixCase) fragment(dev, src string) {
	c.t.Helper()
	var list strings.Builder
	names, err := filepath.Glob(filepath.Join(src, "d*/f*"))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(names); i += 2 {
		list.WriteString(strings.TrimPrefix(names[i], src+"/") + "\n")
	}
	listed, more := filepath.Join(c.dir, "list"), filepath.Join(c.dir, "more")
	if err := os.WriteFile(listed, []byte(list.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.script(c.remove, dev, "LIST="+listed)
	newFiller(c.t, more, Fragmented).write("into-the-holes", int(c.bytes()/10))
	c.script(c.load, dev, "SRC="+more)
}

// mounted calls f with the folder at which dev is mounted.
func (c *matrixCase) mounted(dev, mode string, f func(dir string)) {
	c.t.Helper()
	dir := c.t.TempDir()
	c.script(c.mount, dev, "DIR="+dir, "RO="+mode)
	unmount := func() error { return exec.Command("umount", dir).Run() }
	unmounted := false
	c.t.Cleanup(func() {
		if !unmounted {
			_ = unmount()
		}
	})
	f(dir)
	unmounted = true
	if err := unmount(); err != nil {
		c.t.Fatalf("umount %s: %v", dir, err)
	}
}

// files lists the files in img.
func (c *matrixCase) files(img string) (m manifest) {
	c.t.Helper()
	dst := c.t.TempDir()
	c.attached(img, func(dev string) {
		switch {
		case c.mount != "":
			c.mounted(dev, "ro", func(dir string) { m = manifestOf(c.t, dir) })
		default:
			c.script(c.extract, dev, "DST="+dst)
			m = manifestOf(c.t, dst)
		}
	})
	_ = os.RemoveAll(dst)
	return m
}
