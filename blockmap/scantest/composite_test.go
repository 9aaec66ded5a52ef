//go:build integration

package scantest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/ptable"
	"migimg/internal/need"
	"migimg/internal/shell"
)

// composite is a disk of several volumes, inside of each other.
type composite struct {
	name, variant string
	size, sector  int64
	fills         []Fill
	tools         []string
	contents      []content
	// lay makes the partition tables, RAID members and volume groups on the disk,
	// and says where the contents belong.
	lay func(d *compositeCase)
}

// content is what a volume of a composite holds.
type content struct {
	// volume is its name in the tree that a scan finds.
	volume string
	// fs and variant are those of a filesystem of the matrix, or fs is one of
	// opaque().
	fs, variant string
	size        int64
}

// opaque are contents that are carried whole: a script makes them in DEV, and one
// checks them; SIZE is the volume's.
func opaque() map[string]struct{ make, check string } {
	const encrypt = `printf secret | cryptsetup reencrypt -q --encrypt --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
		--reduce-device-size 16M --force-offline-reencrypt --key-file - "$DEV"`
	const opens = `printf secret | cryptsetup open --test-passphrase --key-file - "$DEV"`
	return map[string]struct{ make, check string }{
		"unknown": {make: `head -c "$SIZE" /dev/urandom >"$DEV"`},
		"zeros":   {},
		"LUKS":    {make: `mke2fs -q -t ext4 "$DEV" $(((SIZE >> 10) - (16 << 10)))k; ` + encrypt, check: opens},
		"LVM on LUKS": {make: lvmScript + `D=$(losetup --find --show --sizelimit $((SIZE - (16 << 20))) "$DEV"); trap 'losetup -d "$D"; rm -r "$LVM_SYSTEM_DIR"' EXIT
			lvmsee "$D"; pvcreate -q "$D"; vgcreate -q vg0 "$D"; lvnew -l100%FREE -n root vg0
			mke2fs -q -t ext4 -E offset=1048576 "$D" 8m; losetup -d "$D"; trap 'rm -r "$LVM_SYSTEM_DIR"' EXIT; ` + encrypt, check: opens},
	}
}

// place is where [first, first+n) of a content lies on the disk.
type place struct{ first, at, n int64 }

// inside is a content of the case's disk, made by itself.
type inside struct {
	content
	made   *matrixCase // nil for what is opaque
	img    string
	places []place
	files  manifest
	sum    [sha256.Size]byte // of what is opaque
}

// compositeCase is one composite disk being made and checked.
type compositeCase struct {
	*composite
	t      *testing.T
	dir    string
	img    string
	out    *row
	places map[string][]place
	// copies are the places of further copies that a kernel would read from, too, as
	// those of a RAID1.
	copies map[string][]place
	// followed says of copies that they are not carried whole.
	followed map[string]bool
}

func (c *composite) run(t *testing.T, scanners []blockmap.Scanner, short bool) (rows []*row) {
	need.Tool(t, append([]string{"losetup", "sfdisk", "mount", "sh", "cp"}, c.tools...)...)
	for _, fill := range c.fills {
		if short && len(rows) > 0 {
			return rows
		}
		r := &row{name: c.name, variant: c.variant, sector: c.sector, fill: fill, punch: "not run", restore: "not run"}
		rows = append(rows, r)
		t.Run(fmt.Sprintf("%s/%s/%d/%s", c.name, c.variant, c.sector, fillNames[fill]), func(t *testing.T) {
			d := &compositeCase{composite: c, t: t, dir: t.TempDir(), out: r, places: map[string][]place{}, copies: map[string][]place{}, followed: map[string]bool{}}
			d.run(scanners)
		})
	}
	return rows
}

func (d *compositeCase) run(scanners []blockmap.Scanner) {
	d.img = filepath.Join(d.dir, "composite.img")
	with(d.t, d.img, func(f *os.File) { d.must(f.Truncate(d.size)) })
	d.lay(d)
	var all []*inside
	for _, c := range d.contents {
		x := d.make(c)
		with(d.t, d.img, func(disk *os.File) {
			x.copyTo(d.t, disk, x.places)
			if p := d.copies[c.volume]; p != nil {
				x.copyTo(d.t, disk, p)
			}
		})
		all = append(all, x)
	}
	file, err := os.Open(d.img)
	d.must(err)
	defer func() { _ = file.Close() }()
	v := blockmap.Bytes(file, d.size, d.sector)
	m, info, err := blockmap.Scan(context.Background(), v, scanners, blockmap.ScanOptions{Still: func(string) bool { return true }})
	d.must(err)
	d.tree(info, all)
	m = d.withoutGaps(v, m)
	d.out.carried = m.Bytes()
	d.out.mustBeLean(d.t)
	again := func(name string, write func(t *testing.T, f *os.File)) string {
		copied := filepath.Join(d.dir, name+".img")
		if !d.t.Run(name, func(t *testing.T) {
			with(t, copied, func(f *os.File) {
				write(t, f)
				for _, x := range all {
					x.mustBeSound(t, f, x.places)
					if p := d.copies[x.volume]; p != nil {
						x.mustBeSound(t, f, p)
						x.mustBeSound(t, f, mixed(x.places, p))
					}
				}
			})
		}) {
			return "FAILED"
		}
		_ = os.Remove(copied)
		return "ok"
	}
	d.out.punch = again("punch", func(t *testing.T, f *os.File) {
		shell.Run(t, `cp --sparse=always "$A" "$B"`, "A="+d.img, "B="+f.Name())
		for _, r := range freeRanges(m, d.size) {
			garbage(t, f, r)
		}
	})
	view := blockmap.NewView(file, m)
	d.out.restore = again("restore", func(t *testing.T, f *os.File) {
		garbage(t, f, blockmap.Range{Len: d.size})
		for r := range m.Ranges(0, d.size) {
			if _, err := io.Copy(io.NewOffsetWriter(f, r.Off), io.NewSectionReader(view, r.Off, r.Len)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// withoutGaps is the map of an image that nothing was asked for.
func (d *compositeCase) withoutGaps(v blockmap.Volume, m *blockmap.Map) *blockmap.Map {
	d.t.Helper()
	table, err := ptable.Read(v)
	d.must(err)
	edit, err := table.Scope(v, ptable.Scope{})
	d.must(err)
	if len(edit.Patches) > 0 || edit.Size != d.size {
		d.t.Fatalf("another table for an image of everything: %+v", edit)
	}
	d.t.Logf("%q", edit.Notes)
	m, err = edit.Map(m)
	d.must(err)
	return m
}

func (d *compositeCase) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// make makes a content in a file of its own and adds what is used of it.
func (d *compositeCase) make(c content) *inside {
	d.t.Helper()
	x := &inside{content: c, places: d.places[c.volume]}
	if n := total(ranges(x.places)); n != c.size {
		d.t.Fatalf("%s has %d bytes and %d bytes of place", c.volume, c.size, n)
	}
	dir := filepath.Join(d.dir, strings.ReplaceAll(c.volume, "/", "_"))
	d.must(os.Mkdir(dir, 0o755))
	x.img = filepath.Join(dir, "volume.img")
	with(d.t, x.img, func(f *os.File) { d.must(f.Truncate(c.size)) })
	if o, ok := opaque()[c.fs]; ok {
		shell.Run(d.t, o.make, "DEV="+x.img, "SIZE="+strconv.FormatInt(c.size, 10))
		d.must(os.Truncate(x.img, c.size))
		x.sum = sum(d.t, x.img)
		d.out.used += c.size
		return x
	}
	f, v := kind(d.t, c.fs, c.variant)
	v.size = c.size
	r := &row{sector: d.sector, fill: d.out.fill}
	if !slices.Contains(f.fills, r.fill) {
		r.fill = f.fills[0] // swap
	}
	x.made = &matrixCase{filesystem: f, variant: v, out: r, t: d.t, dir: dir}
	x.made.make(x.img, c.size)
	x.made.attached(x.img, func(dev string) {
		x.made.script(x.made.check, dev)
		used, err := strconv.ParseInt(strings.TrimSpace(x.made.script(x.made.used, dev)), 10, 64)
		d.must(err)
		d.out.used += used
		if d.followed[c.volume] {
			d.out.used += used
		}
	})
	x.files = x.made.files(x.img)
	if len(x.files) < 10 && r.fill != Empty {
		d.t.Fatalf("%s: only %d files", c.volume, len(x.files))
	}
	return x
}

// kind is a filesystem of the matrix and its variant of that name, or its first.
func kind(t *testing.T, name, variantName string) (*filesystem, variant) {
	t.Helper()
	for _, f := range filesystems() {
		if f.name != name {
			continue
		}
		need.Tool(t, f.tools...)
		for _, v := range f.variants {
			if v.name == variantName || variantName == "" {
				return f, v
			}
		}
	}
	t.Fatalf("no filesystem %s, %s", name, variantName)
	return nil, variant{}
}

// tree holds the volumes that were found against what was made.
func (d *compositeCase) tree(info *blockmap.VolumeInfo, all []*inside) {
	d.t.Helper()
	found := map[string]*blockmap.VolumeInfo{}
	for v := range info.All() {
		found[v.Name] = v
		d.t.Logf("%-16s %-18s from %10d, %7d of %7d KiB %s %q", v.Name, v.Type, v.Start, v.Carried>>10, v.Size>>10, v.Whole, v.Warnings)
	}
	for _, x := range all {
		v := found[x.volume]
		switch {
		case v == nil || v.Size != x.size:
			d.t.Errorf("%s of %d bytes was not found: %+v", x.volume, x.size, v)
		case (v.Whole != "") != (x.made == nil):
			d.t.Errorf("%s: whole %q", x.volume, v.Whole)
		case v.Whole != "" && v.Carried != v.Size:
			d.t.Errorf("%s: %d of %d bytes carried", x.volume, v.Carried, v.Size)
		}
	}
}

// copyTo copies the content to its places on the disk.
func (x *inside) copyTo(t *testing.T, disk *os.File, to []place) {
	t.Helper()
	f, err := os.Open(x.img)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range to {
		if _, err := io.Copy(io.NewOffsetWriter(disk, p.at), io.NewSectionReader(f, p.first, p.n)); err != nil {
			t.Fatal(err)
		}
	}
}

// mustBeSound takes the content from its places on the disk and checks it.
func (x *inside) mustBeSound(t *testing.T, disk *os.File, from []place) {
	t.Helper()
	img := x.img + ".back"
	defer func() { _ = os.Remove(img) }()
	with(t, img, func(f *os.File) {
		if err := f.Truncate(x.size); err != nil {
			t.Fatal(err)
		}
		for _, p := range from {
			if _, err := io.Copy(io.NewOffsetWriter(f, p.first), io.NewSectionReader(disk, p.at, p.n)); err != nil {
				t.Fatal(err)
			}
		}
	})
	if x.made == nil {
		shell.Run(t, opaque()[x.fs].check, "DEV="+img)
		if got := sum(t, img); !bytes.Equal(got[:], x.sum[:]) {
			t.Errorf("%s is another one", x.volume)
		}
		return
	}
	in := *x.made
	in.t = t
	in.attached(img, func(dev string) { in.script(in.check, dev) })
	x.files.mustEqual(t, in.files(img))
}

// mixed takes every other 64 KiB from b instead of from a, as reading from both
// copies of a RAID1 does.
func mixed(a, b []place) (out []place) {
	const step = 64 << 10
	for i, from := range [][]place{a, b} {
		for _, p := range from {
			for off := int64(0); off < p.n; off += step {
				n := step - (p.first+off)%step
				if (p.first+off)/step%2 == int64(i) {
					out = append(out, place{p.first + off, p.at + off, min(n, p.n-off)})
				}
			}
		}
	}
	return out
}

func ranges(p []place) (r []blockmap.Range) {
	for _, x := range p {
		r = append(r, blockmap.Range{Off: x.at, Len: x.n})
	}
	return r
}

func sum(t *testing.T, path string) (s [sha256.Size]byte) {
	t.Helper()
	h, err := hash(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(s[:], h)
	return s
}
