//go:build integration

package xfs_test

import (
	"testing"

	"migimg/blockmap/scantest"
)

// settle is what the first mount of a frozen filesystem's image does: it replays
// the log, in which there is the superblock, and deletes what was deleted while it
// was open.
const settle = `d=$(mktemp -d); mount -o loop,nouuid "$IMG" $d; umount $d; rmdir $d`

// withFiles runs a script in the mounted filesystem.
func withFiles(script string) string {
	return `(d=$(mktemp -d); mount -o loop "$IMG" $d; trap 'cd /; umount $d; rmdir $d' EXIT; cd $d
` + script + `)
`
}

// TestFrozenDisks has what is special in where files' data lie, and TestLive freezes
// filesystems that are being written.
func TestFrozenDisks(t *testing.T) {
	granular := func(name string, size int64, options, script string) scantest.Disk {
		d := disk(name, size, options, scantest.Light)
		d.After = withFiles(script)
		d.Granular = true // what is allocated and not written holds what was there before
		return d
	}
	// Of what is free, no 8 blocks lie together, as 64 inodes would need.
	sparse := granular("sparse-inodes", 48*mib, "-d agcount=1", `
n=$(($(df --output=avail -B64k . | tail -1) * 65536 - 200000))
xfs_io -f -c "falloc 0 $n" holes
seq 0 32768 $n | sed 's/.*/fpunch & 28672/' | xfs_io holes >/dev/null
for i in $(seq 50); do xfs_io -f -c "falloc 0 64k" fill$i; done
mkdir many; cd many; seq -f f%g 1500 | xargs touch
for i in $(seq 7 7 1500); do echo $i >f$i; done; rm f*00`)
	sparse.After += `xfs_db -r -c 'agi 0' -c 'addr root' -c btdump "$IMG" | grep -q ':\[[0-9]*,0x'`
	s := suite(
		sparse,
		granular("shared-extents", 64*mib, "-m reflink=1", `
head -c 3000000 /dev/urandom >a; cp --reflink=always a b; cp --reflink=always a c
xfs_io -c "pwrite -q 100k 50k" -c "pwrite -q 1m 4k" b
xfs_io -f -c "reflink a 64k 8k 256k" d
xfs_io -c "cowextsize 1m" -c "pwrite -q 2m 4k" c
xfs_io -f -c "pwrite -q 0 10k" -c "falloc -k 64k 1m" prealloc
xfs_io -f -c "falloc 0 1m" -c "pwrite -q 300k 8k" unwritten
xfs_io -f -c "extsize 1m" -c "pwrite -q 5k 1k" extsize
xfs_io -f -c "pwrite -q 200m 4k" far`),
		granular("trees", 80*mib, "-b size=1024 -i nrext64=1,size=512", `
for f in a b; do
	xfs_io -f -c "falloc 0 8m" $f
	seq 0 2048 8380000 | sed 's/.*/fpunch & 1024/' | xfs_io $f >/dev/null
done
for i in $(seq 100); do setfattr -n user.x$i -v "$(seq 100)" a; done
xfs_io -r -c stat a | grep 'fsxattr.nextents = 4[0-9][0-9][0-9]'`),
		granular("large-directories", 80*mib, "-n size=16k -b size=1024 -i size=512", `
mkdir dirs; cd dirs; mkdir short block leaf node
touch short/a; for i in $(seq 30); do echo $i >block/a-name-of-some-length-$i; done
for i in $(seq 300); do echo $i >leaf/a-name-of-some-length-$i; done
for i in $(seq 5000); do echo $i >node/a-name-of-some-length-that-is-longer-$i; done
rm -f node/*7 node/*55*
mkdir -p $(seq -s / 60); echo x >$(seq -s / 60)/deep`),
		granular("64k-inodes-2048", 300*mib, "-b size=65536 -i size=2048 -d agcount=2", `
for i in $(seq 300); do echo $i >f$i; done
xfs_io -f -c "falloc 0 100m" t
seq 0 131072 100000000 | sed 's/.*/fpunch & 65536/' | xfs_io t >/dev/null`),
	)
	s.Frozen.Settle = settle
	s.Tools = append(s.Tools, "setfattr", "seq")
	scantest.Run(t, s)
}

func TestLive(t *testing.T) {
	live := func(name string, size int64, options string) scantest.Disk {
		d := disk(name, size, options, scantest.Light)
		d.Live = true
		return d
	}
	s := suite(
		live("default", 300*mib, ""),
		live("rmapbt-1k", 80*mib, "-b size=1024 -m rmapbt=1,reflink=1 -n size=8k"),
		live("before-2020", 80*mib, "-m bigtime=0,inobtcount=0,reflink=0,finobt=0 -i sparse=0"),
	)
	s.Frozen.Settle = settle
	s.Tools = append(s.Tools, "fsfreeze")
	scantest.Run(t, s)
}
