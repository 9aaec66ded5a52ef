package ext4_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/ext4"
	"migimg/internal/need"
)

// variants are filesystems that mke2fs makes without root.
var variants = []struct{ name, opts, size string }{
	{"ext2", "-t ext2 -L label", "4M"},
	{"ext2 rev 0", "-t ext2 -r 0 -O none", "4M"},
	{"ext2 with the hash of ext3", "-t ext2 -O dir_index", "4M"},
	{"ext3", "-t ext3 -L sixteen-letters!", "8M"},
	{"ext4", "-t ext4", "16M"},
	{"ext4 4 KiB", "-t ext4 -b 4096 -U 01234567-89ab-cdef-0123-456789abcdef", "40M"},
	{"ext4 64 KiB", "-t ext4 -b 65536", "200M"},
	{"ext4 without a journal", "-t ext4 -O ^has_journal", "8M"},
	{"ext4 of 2010", "-t ext4 -O ^64bit,^metadata_csum,uninit_bg", "40M"},
	{"bigalloc", "-t ext4 -O bigalloc -C 16384", "40M"},
	{"bigalloc 64 KiB of 1 KiB", "-t ext4 -b 1024 -O bigalloc -C 65536", "70M"},
	{"bigalloc, a short last cluster", "-t ext4 -b 1024 -O bigalloc -C 16384", "40967K"},
	{"meta_bg", "-t ext4 -b 1024 -g 256 -O meta_bg,^resize_inode", "40M"},
	{"meta_bg without flex_bg", "-t ext4 -b 1024 -g 256 -O meta_bg,^resize_inode,^flex_bg -N 2000", "40M"},
	{"sparse_super2", "-t ext4 -b 1024 -O sparse_super2", "40M"},
	{"no sparse_super", "-t ext2 -b 1024 -O ^sparse_super,^resize_inode", "40M"},
	{"everything", "-t ext4 -O quota,project,inline_data,mmp,casefold,orphan_file,metadata_csum_seed,ea_inode,large_dir,encrypt,verity,fast_commit,stable_inodes", "16M"},
	{"groups of 256 blocks", "-t ext4 -b 4096 -g 256 -N 2000 -G 32", "100M"},
	{"a last group of one block", "-t ext4 -b 1024 -O ^resize_inode", "16386K"},
	{"packed metadata", "-t ext4 -b 1024 -E packed_meta_blocks=1", "64M"},
	{"many groups", "-t ext4 -b 4096", "200G"},
	{"bigalloc, many groups of 1 KiB blocks", "-t ext4 -b 1024 -O bigalloc -C 2048", "200M"},
	{"bigalloc, many groups", "-t ext4 -b 4096 -O bigalloc -C 65536", "40G"},
	{"bigalloc, many groups, no flex_bg", "-t ext4 -b 1024 -O bigalloc,^flex_bg -C 4096", "300M"},
	{"bigalloc, many groups, no 64bit, meta_bg", "-t ext4 -b 1024 -O bigalloc,meta_bg,^resize_inode,^64bit -C 4096", "700M"},
	{"bigalloc, many groups, uninit_bg", "-t ext4 -b 1024 -O bigalloc,^metadata_csum,uninit_bg -C 16384", "1000001K"},
	{"no flex_bg", "-t ext4 -b 1024 -O ^flex_bg", "64M"},
}

// Map and report against dumpe2fs and blkid.
func TestVariants(t *testing.T) {
	need.Tool(t, "mke2fs", "dumpe2fs", "debugfs", "blkid")
	src := t.TempDir()
	for name, n := range map[string]int{"small": 10, "medium": 5000, "large": 700_000} {
		if err := os.WriteFile(filepath.Join(src, name), bytes.Repeat([]byte("x"), n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range variants {
		t.Run(c.name, func(t *testing.T) {
			img := filepath.Join(t.TempDir(), "fs.img")
			args := append(append([]string{"-q", "-F", "-d", src}, strings.Fields(c.opts)...), img, c.size)
			if out, err := exec.Command("mke2fs", args...).CombinedOutput(); err != nil {
				t.Fatalf("mke2fs: %v\n%s", err, out)
			}
			f, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			m, info, err := blockmap.Scan(context.Background(), blockmap.Bytes(f, st.Size(), 512), []blockmap.Scanner{ext4.Scanner{}}, blockmap.ScanOptions{})
			if err != nil || info.Whole != "" || len(info.Warnings) > 0 {
				t.Fatalf("%+v, %v", info, err)
			}
			d := runDumpe2fs(t, img)
			var free []blockmap.Range
			at := int64(0)
			for r := range m.Ranges(0, st.Size()) {
				if r.Off > at {
					free = append(free, blockmap.Range{Off: at, Len: r.Off - at})
				}
				at = r.End()
			}
			if at < st.Size() {
				free = append(free, blockmap.Range{Off: at, Len: st.Size() - at})
			}
			if !slices.Equal(free, d.free) {
				t.Errorf("free: %v\ndumpe2fs: %v", free, d.free)
			}
			if want := strings.Fields(d.head["Filesystem features"]); !slices.Equal(info.Features, want) && len(want) > 0 && want[0] != "(none)" {
				t.Errorf("features %v\ndumpe2fs %v", info.Features, want)
			}
			out, err := exec.Command("blkid", "-p", "-o", "export", img).Output()
			if err != nil {
				t.Fatal(err)
			}
			said := map[string]string{}
			for line := range strings.Lines(string(out)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
				said[k] = strings.ReplaceAll(v, `\`, "")
			}
			if info.UUID != said["UUID"] || info.Label != said["LABEL"] || info.Type != said["TYPE"] {
				t.Errorf("%s %q %q; blkid says %v", info.Type, info.UUID, info.Label, said)
			}
			unit := d.head["Block size"]
			if u, ok := d.head["Cluster size"]; ok {
				unit = u
			}
			if info.BlockSize != number(t, unit) {
				t.Errorf("unit %d, must be %s", info.BlockSize, unit)
			}
		})
	}
}
