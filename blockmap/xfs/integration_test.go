//go:build integration

package xfs_test

import (
	"testing"

	"migimg/blockmap/scantest"
	"migimg/blockmap/xfs"
)

const mib = 1 << 20

// small lets mkfs.xfs make filesystems of less than 300 MiB, as xfsprogs' own
// tests do.
const small = "export TEST_DIR=x TEST_DEV=x QA_CHECK_FS=x; "

const check = `xfs_repair -n -o force_geometry "$IMG"`

func disk(name string, size int64, options string, fill scantest.Fill) scantest.Disk {
	return scantest.Disk{Name: name, Size: size, Mkfs: small + "mkfs.xfs -q -f " + options + ` "$IMG"`, Fill: fill}
}

func suite(disks ...scantest.Disk) scantest.Suite {
	return scantest.Suite{
		Scanner: xfs.Scanner{Still: true},
		Mount:   "xfs",
		Check:   check,
		Free:    freeOf,
		Tools:   []string{"mkfs.xfs", "xfs_db", "xfs_repair", "xfs_admin", "xfs_growfs", "xfs_io"},
		Disks:   disks,
	}
}

func TestDisks(t *testing.T) {
	after := func(d scantest.Disk, script string) scantest.Disk {
		d.After = script
		return d
	}
	recovered := after(disk("after-recovery", 48*mib, "", scantest.Light), crash+replay)
	recovered.Granular = true // blocks that a file was given, but not its data, hold what was there before
	holes := after(disk("three-levels", 64*mib, "-b size=1024 -d agcount=1", scantest.Light), `d=$(mktemp -d)
mount -o loop "$IMG" $d; trap 'umount $d || true; rmdir $d' EXIT
xfs_io -f -c "falloc 0 48m" $d/holes
seq 0 2048 50000000 | sed 's/.*/fpunch & 1024/' | xfs_io $d/holes >/dev/null
umount $d
xfs_db -r -c 'agf 0' -c 'print bnolevel' "$IMG" | grep 'bnolevel = 3'
trap 'rmdir $d' EXIT`)
	holes.Granular = true // what is allocated and never written holds what was there before
	scantest.Run(t, suite(
		recovered,
		holes,
		disk("default", 300*mib, "", scantest.Light),
		disk("empty", 48*mib, "", scantest.Empty),
		disk("full", 120*mib, "", scantest.Full),
		disk("fragmented", 64*mib, "", scantest.Fragmented),
		disk("1k-before-2020", 48*mib, "-b size=1024 -m bigtime=0,inobtcount=0,reflink=0,finobt=0 -i sparse=0", scantest.Fragmented),
		disk("2k-2k-sectors", 48*mib, "-b size=2048 -s size=2048", scantest.Half),
		disk("4k-sectors-1-group", 48*mib, "-s size=4096 -d agcount=1", scantest.Light),
		disk("rmapbt", 64*mib, "-b size=1024 -m rmapbt=1,reflink=1", scantest.Fragmented),
		disk("nrext64", 64*mib, "-i nrext64=1,size=2048", scantest.Half),
		disk("stripes-log-stripe-256k", 80*mib, "-d su=64k,sw=4 -l su=256k", scantest.Half),
		disk("odd-size-short-last-group", 70*mib+5000, "-d agsize=20m", scantest.Light),
		after(disk("grown", 48*mib, "", scantest.Light),
			`truncate -s 100M "$IMG"; d=$(mktemp -d); mount -o loop "$IMG" $d; trap 'umount $d; rmdir $d' EXIT; xfs_growfs $d`),
		after(disk("new-uuid", 48*mib, "", scantest.Light), `xfs_admin -U generate "$IMG"`),
		after(disk("log-zeroed", 48*mib, "", scantest.Light), crash+`xfs_repair -L "$IMG"`),
	))
}

// What must be carried whole.
func TestWhole(t *testing.T) {
	var disks []scantest.Disk
	for _, c := range []struct{ name, options, after string }{
		{"needs-repair", "", `xfs_db -x -c 'sb 0' -c 'write -d features_incompat 0x1b' "$IMG"`},
		{"in-progress", "", `xfs_db -x -c 'sb 0' -c 'write -d inprogress 1' "$IMG"`},
		{"unknown-incompat", "", `xfs_db -x -c 'sb 0' -c 'write -d features_incompat 0x80000b' "$IMG"`},
		{"unknown-ro_compat", "", `xfs_db -x -c 'sb 0' -c 'write -d features_ro_compat 0x8d' "$IMG"`},
		{"free-count-of-superblock", "", `xfs_db -x -c 'sb 0' -c 'write -d fdblocks 1234' "$IMG"`},
		{"free-count-of-group", "", `xfs_db -x -c 'agf 1' -c 'write -d freeblks 1234' "$IMG"`},
		{"longest-of-group-v4", "-m crc=0", `xfs_db -x -c 'agf 1' -c 'write longest 1234' "$IMG"`},
		{"record", "", `xfs_db -x -c 'agf 1' -c 'addr bnoroot' -c 'write -d recs[1].startblock 2' "$IMG"`},
		{"record-checksum", "", `xfs_db -x -c 'agf 1' -c 'addr bnoroot' -c 'write -c recs[1].blockcount 2' "$IMG"`},
		{"agfl", "", `xfs_db -x -c 'agfl 1' -c 'write -d bno[2] 2000' "$IMG"`},
		{"external-log", `-l logdev="$IMG.log",size=10m`, ""},
		{"realtime-device", `-r rtdev="$IMG.rt"`, ""},
		{"mounted", "", crash},
		{"frozen", "", `d=$(mktemp -d); mount -o loop "$IMG" $d; trap 'umount $d; rmdir $d' EXIT
echo x >$d/x; fsfreeze -f $d; cp --sparse=always "$IMG" "$IMG.copy"; fsfreeze -u $d; mv "$IMG.copy" "$IMG"`},
	} {
		d := disk(c.name, 64*mib, c.options, scantest.Empty)
		d.Mkfs = `truncate -s 64M "$IMG.log" "$IMG.rt"; ` + d.Mkfs
		d.After, d.Whole = c.after, true
		disks = append(disks, d)
	}
	s := suite(disks...)
	s.Tools = append(s.Tools, "fsfreeze")
	scantest.Run(t, s)
}
