//go:build integration

package ext4_test

import (
	"testing"

	"migimg/blockmap/ext4"
	"migimg/blockmap/scantest"
)

// crash works on the mounted filesystem, makes the kernel commit (fsync of
// files, which leaves what is not the journal alone) and takes the image as it
// is then. What is done after the last fsync is in no commit.
const crash = `
d=$(mktemp -d)
mount -o "loop$OPT" "$IMG" $d
trap 'umount $d; rmdir $d' EXIT
work() {
	mkdir -p $d/w$1/a $d/w$1/b
	for i in $(seq 1 $2); do
		head -c $((i * 977 % 20000 + 4096)) /dev/urandom >$d/w$1/a/$i
		ln -s $(printf '%0200d' $i) $d/w$1/b/$i
	done
	sync $d/w$1/a/*
}
for r in $(seq 1 $ROUNDS); do
	work $r 40
	if [ $((r % 2)) = 0 ]; then rm -r $d/w$((r - 1)); fi
	head -c 300000 /dev/urandom >$d/large$r
	sync $d/large$r
done
head -c 100000 /dev/urandom >$d/not-synced
rm -r $d/w$ROUNDS/b
cp --sparse=always "$IMG" "$IMG.dirty"
mv "$IMG.dirty" "$IMG"
`

const replay = `d=$(mktemp -d); trap 'rmdir $d' EXIT; mount -o loop "$IMG" $d; umount $d`

func TestDirtyJournal(t *testing.T) {
	var disks []scantest.Disk
	for _, c := range []struct{ name, mkfs, opt, rounds string }{
		{"default", "mke2fs -q -t ext4", "", "3"},
		{"many-rounds", "mke2fs -q -t ext4", "", "8"},
		{"4k-blocks", "mke2fs -q -t ext4 -b 4096", "", "6"},
		{"ring-wraps", "mke2fs -q -t ext4 -b 1024 -J size=1", "", "14"},
		{"no-metadata_csum", "mke2fs -q -t ext4 -O ^metadata_csum", "", "5"},
		{"no-csum-no-64bit", "mke2fs -q -t ext4 -O ^metadata_csum,^uninit_bg,^64bit", "", "5"},
		{"no-64bit", "mke2fs -q -t ext4 -O ^64bit", "", "5"},
		{"ext3", "mke2fs -q -t ext3", "", "5"},
		{"ext3-4k-wraps", "mke2fs -q -t ext3 -b 4096 -J size=4", "", "8"},
		{"data-journal", "mke2fs -q -t ext4", ",data=journal", "4"},
		{"bigalloc", "mke2fs -q -t ext4 -O bigalloc -C 16384", "", "4"},
		{"meta_bg", "mke2fs -q -t ext4 -b 1024 -g 512 -O meta_bg,^resize_inode", "", "4"},
		{"no-flex_bg", "mke2fs -q -t ext4 -b 1024 -O ^flex_bg", "", "4"},
		{"orphan_file", "mke2fs -q -t ext4 -O orphan_file", "", "3"},
	} {
		d := disk(c.name, 80*mib, c.mkfs, scantest.Light)
		d.After = "OPT=" + c.opt + "\nROUNDS=" + c.rounds + crash
		d.Replay = replay
		disks = append(disks, d)
	}
	refused := disk("fast_commit", 64*mib, "mke2fs -q -t ext4 -O fast_commit", scantest.Light)
	refused.After, refused.Whole = "OPT=\nROUNDS=2"+crash, true
	scantest.Run(t, scantest.Suite{
		Scanner: ext4.Scanner{Replay: true},
		Mount:   "ext4",
		Check:   `e2fsck -fn "$IMG"`,
		Free:    freeOf,
		Tools:   []string{"mke2fs", "e2fsck", "dumpe2fs"},
		Disks:   append(disks, refused),
	})
}

// frozen takes the image while the kernel holds the filesystem still, as on a
// running server. What was written just before needs no sync.
const frozen = `
d=$(mktemp -d)
mount -o loop "$IMG" $d
trap 'fsfreeze -u $d 2>/dev/null || true; umount $d; rmdir $d' EXIT
mkdir $d/work
for i in $(seq 1 300); do head -c $((i * 977 % 20000 + 1)) /dev/urandom >$d/work/$i; done
rm $d/work/*7
if [ -n "$UNLINKED" ]; then
	head -c 3000000 /dev/urandom >$d/unlinked
	exec 9<$d/unlinked
	rm $d/unlinked
fi
fsfreeze -f $d
cp --sparse=always "$IMG" "$IMG.frozen"
fsfreeze -u $d
exec 9<&-
mv "$IMG.frozen" "$IMG"
`

func TestFrozen(t *testing.T) {
	var disks []scantest.Disk
	for _, c := range []struct {
		name, mkfs string
		unlinked   string
		whole      bool
	}{
		{"default", "mke2fs -q -t ext4", "", false},
		{"4k-blocks", "mke2fs -q -t ext4 -b 4096", "", false},
		{"ext3", "mke2fs -q -t ext3", "", false},
		{"unlinked-but-open", "mke2fs -q -t ext4", "yes", false},
		{"unlinked-but-open-orphan_file", "mke2fs -q -t ext4 -O orphan_file", "yes", false},
		{"no-journal", "mke2fs -q -t ext4 -O ^has_journal", "", true}, // marked as not clean
	} {
		d := disk(c.name, 80*mib, c.mkfs, scantest.Light)
		d.After, d.Whole = "UNLINKED="+c.unlinked+frozen, c.whole
		if c.unlinked != "" {
			d.Replay = replay // which deletes it; e2fsck -n would only complain
		}
		disks = append(disks, d)
	}
	scantest.Run(t, scantest.Suite{
		Scanner: ext4.Scanner{},
		Mount:   "ext4",
		Check:   `e2fsck -fn "$IMG"`,
		Free:    freeOf,
		Tools:   []string{"mke2fs", "e2fsck", "dumpe2fs", "fsfreeze"},
		Disks:   disks,
	})
}
