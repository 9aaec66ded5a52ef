//go:build integration

package btrfs_test

import (
	"errors"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/blockmap/btrfs"
	"migimg/blockmap/scantest"
	"migimg/internal/shell"
)

// crashed is a disk copied while it was mounted, after fsyncs and before the
// next commit.
func crashed(d scantest.Disk, script string) scantest.Disk {
	d = then(d, ",commit=300", script+`; cp --sparse=always "$IMG" "$IMG.now"`)
	d.After = `(` + d.After + `); mv "$IMG.now" "$IMG"; btrfs inspect-internal dump-super "$IMG" | grep -q '^log_root[^_].*[1-9]'`
	d.Replay = `d=$(mktemp -d); mount -o loop "$IMG" $d; umount $d; rmdir $d`
	return d
}

// syncs ends with files that the log can hold: some of what comes before makes
// the kernel commit instead.
const syncs = `
	dd if=/dev/urandom of=sizes/300000 bs=4096 count=3 seek=7 conv=notrunc,fsync
	head -c 50000 /dev/urandom > later; ln later linked; mv sizes/65537 renamed; sync renamed later
	mkdir dir; sync -f .
	for i in $(seq 40); do head -c 200000 /dev/urandom > new-$i; sync new-$i; done
	for i in $(seq 300); do echo $i > dir/small-$i; sync dir/small-$i; done
	fallocate -l 3M prealloc; sync prealloc
	dd if=/dev/urandom of=sizes/65535 bs=4096 count=3 seek=7 conv=notrunc,fsync`

// TestLog has filesystems whose log tree must be replayed: what it holds is in
// no extent tree.
func TestLog(t *testing.T) {
	s := suite(
		crashed(disk("log", 112*mib, "--csum xxhash -n 4096", scantest.Light), `btrfs subvolume create sub; sync -f .; `+syncs+`; echo a > sub/a; sync sub/a`),
		crashed(disk("log-mixed-full", 64*mib, "--mixed", scantest.Half), syncs),
	)
	s.Disks[1].Granular = true // so full that nothing deleted is left
	s.Free = nil               // the replay allocates anew
	scantest.Run(t, s)
}

// TestMounted reads a device that is being written to: it must be carried whole,
// by Still's absence or because its superblock changes.
func TestMounted(t *testing.T) {
	img := t.TempDir() + "/disk.img"
	dir := t.TempDir()
	shell.Run(t, `truncate -s 160M $IMG; mkfs.btrfs -q $IMG; mount -o loop $IMG $DIR`, "IMG="+img, "DIR="+dir)
	t.Cleanup(func() {
		shell.Run(t, `umount $DIR; for i in $(seq 50); do test -z "$(losetup -j $IMG)" && exit; sleep 0.1; done; exit 1`, "IMG="+img, "DIR="+dir)
	})
	f, size := openImage(t, img)
	v := &committing{Volume: blockmap.Bytes(f, size, 512), commit: func() {}}
	k := &sink{}
	r, err := btrfs.Scanner{}.Scan(t.Context(), v, k)
	if err != nil || k.freed != 0 || !strings.Contains(r.Whole, "unmount") {
		t.Errorf("%+v, %v, %d bytes freed", r, err, k.freed)
	}
	v.reads, v.commit = 0, func() { shell.Run(t, `date > $DIR/now; sync -f $DIR`, "DIR="+dir) }
	r, err = btrfs.Scanner{Still: true}.Scan(t.Context(), v, k)
	if err != nil || !strings.Contains(r.Whole, "written to while it was read") {
		t.Errorf("%+v, %v", r, err)
	}
}

// sink counts.
type sink struct{ freed int64 }

func (k *sink) Free(_, n int64) error {
	k.freed += n
	return nil
}

func (*sink) Data(int64, int64, blockmap.FileID, int64) error { return errors.ErrUnsupported }

func (k *sink) Nested(string, blockmap.Volume) error { return nil }

// committing commits something at the third read.
type committing struct {
	blockmap.Volume
	reads  int
	commit func()
}

func (c *committing) ReadAt(p []byte, off int64) (int, error) {
	if c.reads++; c.reads == 3 {
		c.commit()
	}
	return c.Volume.ReadAt(p, off)
}
