//go:build integration

package main

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"migimg/verify"
)

// faultHead are functions for scripts: edit of ext4 and XFS, bytes at an offset, all
// copies of a block of btrfs by its logical address, the first block of a tree, and an inode's number.
const faultHead = `
ext() { debugfs -w -R "$*" $V; }
block() { debugfs -R "blocks $1" $V | awk '{print $1}'; }
xfs() { local a=(); for c; do a+=(-c "$c"); done; xfs_db -x "${a[@]}" $V; }
at() { printf "$2" | dd of=$V bs=1 seek=$1 conv=notrunc status=none; }
copies() { btrfs-map-logical -l $1 -b 16384 $V | sed -n 's/.* physical \([0-9]*\) .*/\1/p'; }
tree() { btrfs inspect-internal dump-tree -t $1 $V | sed -n 's/^\(leaf\|node\) \([0-9]*\) .*/\2/p' | head -n1; }
both() { for p in $(copies $(tree $1)); do at $((p+200)) XXXX; done; }
ino() { xfs_db -r -c "path $1" -c inode $V | sed -n 's/.* \([0-9]*\)$/\1/p'; }
`

const (
	onExt4  = "partition 2 (ext4)"
	onXFS   = "partition 3 (xfs)"
	onBtrfs = "partition 4 (btrfs)"
	onFAT   = "partition 5 (vfat)"
	onExFAT = "partition 6 (exfat)"
	onNTFS  = "partition 7 (ntfs)"
	onF2FS  = "partition 8 (f2fs)"
	onPV    = "partition 9 (LVM2_member)"
	onArray = "partition 10 (linux_raid_member)"
)

var faults = []fault{
	{name: "an inode cleared, its name left", volume: onExt4, script: `ext clri /d/f5`, says: "has deleted/unused inode"},
	{name: "a file longer than its blocks", volume: onExt4, script: `ext sif /d/f5 size 1`, says: "i_size is 1"},
	{name: "a block in use marked free", volume: onExt4, script: `ext freeb $(block /d/f5)`, says: "Block bitmap differences"},
	{name: "free blocks marked as in use", volume: onExt4, script: `ext setb 60000 5`, says: "Block bitmap differences"},
	{name: "an inode in use marked free", volume: onExt4, script: `ext freei /d/f5`, says: "Inode bitmap differences"},
	{name: "a wrong count of links", volume: onExt4, script: `ext sif /d/f6 links_count 7`, says: "ref count is 7, should be 1"},
	{name: "a file without a name", volume: onExt4, script: `ext unlink /d/f7`, says: "Unattached inode"},
	{name: "a block of two files", volume: onExt4, script: `ext sif /d/f9 block[5] $(block /d/f5)`, says: "Multiply-claimed block"},
	{name: "a broken directory entry", volume: onExt4, script: `at $(($(block /d)*1024+30)) '\377'`, says: "directory corrupted"},
	{name: "a group's wrong count of free blocks", volume: onExt4, script: `ext set_bg 1 free_blocks_count 5; ext set_bg 1 checksum calc`, says: "Free blocks count wrong for group #1"},
	{name: "a group descriptor's checksum", volume: onExt4, script: `at $((2048+12)) '\377'`, says: "checksum"},
	{name: "the superblock's checksum", volume: onExt4, script: `at $((1024+120)) X`, says: "checksum does not match"},
	{name: "the root directory cleared", volume: onExt4, script: `ext 'clri <2>'`, says: "Root inode is not a directory"},
	{name: "the superblock's count of free blocks", volume: onExt4, script: `ext ssv free_blocks_count 1`, want: verify.Pass},
	{name: "the superblock zeroed", volume: "partition 2", script: `dd if=/dev/zero of=$V bs=1k seek=1 count=1 conv=notrunc status=none`, want: verify.Unknown, says: "backup of a superblock of ext4"},

	{name: "a wrong count of links", volume: onXFS, script: `xfs "inode $(ino /d/f5)" 'write -d core.nlinkv2 5'`, says: "nlinks from 5 to 1"},
	{name: "the superblock's count of inodes", volume: onXFS, script: `xfs 'sb 0' 'write -d icount 9999'`, says: "sb_icount 9999"},
	{name: "a group's count of free blocks", volume: onXFS, script: `xfs 'agf 0' 'write -d freeblks 1'`, says: "agf_freeblks 1"},
	{name: "a group's count of inodes", volume: onXFS, script: `xfs 'agi 0' 'write -d count 1'`, says: "agi_count 1"},
	{name: "a backup superblock's magic", volume: onXFS, script: `xfs 'sb 1' 'write -d magicnum 0'`, says: "bad magic number"},
	{name: "a free-space record", volume: onXFS, script: `xfs 'agf 0' 'addr bnoroot' 'write -d recs[1].blockcount 7'`},
	{name: "a block of an inode B+tree trashed", volume: onXFS, script: `xfs 'blockget -n' 'blocktrash -s 5 -n 2 -x 32 -y 64 -t btino'`},
	{name: "an extent on the superblock", volume: onXFS, script: `xfs "inode $(ino /d/f5)" 'write -d u3.bmx[0].startblock 0'`},
	{name: "an inode's checksum", volume: onXFS, script: `xfs "inode $(ino /d/f5)" 'write -c core.uid 77'`, says: "CRC"},
	{name: "a name of an inode that is none", volume: onXFS, script: `xfs "inode $(ino /d)" 'dblock 0' 'write -d bu[2].inumber 99999'`, says: "non-existent inode 99999"},
	{name: "a live inode on the unlinked list", volume: onXFS, script: `xfs 'agi 0' "write -d unlinked[3] $(ino /d/f5)"`},
	{name: "the superblock's magic", volume: "partition 3", script: `xfs 'sb 0' 'write -d magicnum 0'`, want: verify.Unknown, says: "backup of a superblock of xfs"},

	{name: "a block of the file tree, both copies", volume: onBtrfs, script: `both fs`, says: "checksum verify failed"},
	{name: "a block of the extent tree, both copies", volume: onBtrfs, script: `both extent`, says: "checksum verify failed"},
	{name: "a block of the chunk tree, both copies", volume: onBtrfs, script: `both chunk`, says: "cannot read chunk root"},
	{name: "a block of the checksum tree, both copies", volume: onBtrfs, script: `both csum`, says: "checksum verify failed"},
	{name: "a block of the file tree, one copy", volume: onBtrfs, script: `p=$(copies $(tree fs)); at $((${p%%[^0-9]*}+200)) XXXX`, want: verify.Pass, says: "checksum verify failed"},
	{name: "a wrong count of links, with right checksums", volume: onBtrfs, change: btrfsLinks, says: "errors 2000, link count wrong"},
	{name: "the superblock's checksum", volume: onBtrfs, script: `at $((65536+300)) XXXX`, says: "superblock checksum mismatch"},
	{name: "a file's contents", volume: onBtrfs, script: `p=$(copies $(btrfs inspect-internal dump-tree -t fs $V | sed -n 's/.*extent data disk byte \([1-9][0-9]*\) nr.*/\1/p' | tail -n1)); at $((p+50)) XXXX`, want: verify.Pass},

	{name: "two files share clusters", volume: onFAT, change: fat(func(v *fatVolume) { v.chain(v.first("F5"), v.first("F6")) }), says: "share clusters"},
	{name: "a chain that leaves the volume", volume: onFAT, change: fat(func(v *fatVolume) { v.chain(v.first("F5"), 0x0fff0000) }), says: "out of range"},
	{name: "two tables that differ", volume: onFAT, change: fat(func(v *fatVolume) { v.one(1, v.first("F5"), 0) }), says: "FATs differ"},
	{name: "a file longer than its chain", volume: onFAT, change: fat(func(v *fatVolume) { v.put(v.entry("F5")+28, 0, 0, 0, 1) }), says: "File size is"},
	{name: "a first cluster beyond the end", volume: onFAT, change: fat(func(v *fatVolume) { v.put(v.entry("F5")+20, 0xff, 0x0f) }), says: "Start cluster beyond limit"},
	{name: "clusters of no file", volume: onFAT, change: fat(func(v *fatVolume) { v.chain(100000, 0x0fffffff) }), says: "Reclaimed 1 unused cluster"},
	{name: "a wrong count of free clusters", volume: onFAT, change: fat(func(v *fatVolume) { v.put(512+488, 5, 0, 0, 0) }), says: "Free cluster summary wrong"},

	{name: "the boot region's checksum", volume: onExFAT, script: `at 100 '\011'`, says: "checksum of boot region"},
	{name: "a cluster in use marked free", volume: onExFAT, change: exfatFree, says: "is marked as free"},
	{name: "a file's checksum", volume: onExFAT, change: func(t *testing.T, f *os.File, b []byte) { poke(t, f, exfatEntry(t, b)+2, 0x55, 0x55) }, says: "the checksum of a file is wrong"},
	{name: "a free cluster marked as in use", volume: onExFAT, change: func(t *testing.T, f *os.File, b []byte) { poke(t, f, exfatHeap(b)+1500, 1) }, want: verify.Pass},

	{name: "a record of the MFT's mirror", volume: onNTFS, script: `m=$(od -An -td8 -j56 -N8 $V); at $((m*4096+1124)) UUU`, says: "$MFTMirr does not match $MFT"},
	{name: "a record of the MFT", volume: onNTFS, script: `m=$(od -An -td8 -j48 -N8 $V); at $((m*4096+5*1024)) BAAD`, says: "Record 5 has no FILE magic"},
	{name: "the backup boot sector", volume: onNTFS, script: `at $((32*1024*1024-412)) UUUU`, says: "alternate boot sector"},
	{name: "the bitmap", volume: onNTFS, script: `at $(($(ntfscluster -I 6 $V | awk '$1 == 0 && NF == 3 {print $2}')*4096)) '\000\000'`, want: verify.Pass},

	{name: "a checkpoint's checksum", volume: onF2FS, script: `at $((512*4096+64)) XXXX`, says: "Invalid CP CRC"},
	{name: "the superblock's checksum", volume: "partition 13 (erofs)", script: `at 1040 XXXX`, says: "checksum"},

	{name: "the metadata text", volume: onPV, change: func(t *testing.T, f *os.File, b []byte) { poke(t, f, find(t, b, "seqno = 2")+8, '7') }, says: "crc does not match"},
	{name: "the label's checksum", volume: onPV, script: `at $((512+40)) "~"`, says: "CHECK: label_header.crc"},
	{name: "an inode inside a logical volume", volume: "volume 9/vg-root (ext4)", script: `debugfs -w -R 'clri /d/f5' $V?offset=1048576`, says: "has deleted/unused inode"},
	{name: "the superblock of an array", volume: onArray, script: `at $((4096+40)) X`, says: "Checksum : "},
	{name: "an inode inside an array", volume: "volume 10/md (ext4)", script: `debugfs -w -R 'clri /d/f5' $V?offset=1048576`, says: "has deleted/unused inode"},
}

// fatVolume is a FAT32 being damaged (Microsoft FAT specification).
type fatVolume struct {
	t *testing.T
	f *os.File
	b []byte
}

func fat(change func(v *fatVolume)) func(*testing.T, *os.File, []byte) {
	return func(t *testing.T, f *os.File, b []byte) { change(&fatVolume{t, f, b}) }
}

func (v *fatVolume) entry(name string) int64 { return find(v.t, v.b, (name + "           ")[:11]) }

func (v *fatVolume) first(name string) uint32 {
	e := v.b[v.entry(name):]
	return uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))
}

func (v *fatVolume) put(off int64, b ...byte) { poke(v.t, v.f, off, b...) }

// one sets an entry of one of the tables, chain of both.
func (v *fatVolume) one(table int64, cluster, value uint32) {
	le := binary.LittleEndian
	at := (int64(le.Uint16(v.b[14:])) + table*int64(le.Uint32(v.b[36:]))) * 512
	v.put(at+4*int64(cluster), le.AppendUint32(nil, value)...)
}

func (v *fatVolume) chain(cluster, value uint32) {
	v.one(0, cluster, value)
	v.one(1, cluster, value)
}

// exfatHeap is where clusters begin, of which the first holds the allocation bitmap
// (Microsoft exFAT specification).
func exfatHeap(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b[88:])) * 512 }

// exfatEntry is the directory entry set of the file f5.
func exfatEntry(t *testing.T, b []byte) int64 { return find(t, b, "\xc1\x00f\x005\x00\x00\x00") - 64 }

func exfatFree(t *testing.T, f *os.File, b []byte) {
	cluster := int64(binary.LittleEndian.Uint32(b[exfatEntry(t, b)+32+20:])) - 2
	at := exfatHeap(b) + cluster/8
	poke(t, f, at, b[at]&^(1<<(cluster%8)))
}

// btrfsLinks makes the count of links of a file wrong in all copies of its block, and
// their checksums right (btrfs on-disk format: header 101 bytes, items 25 bytes).
func btrfsLinks(t *testing.T, f *os.File, _ []byte) {
	le := binary.LittleEndian
	cmd := exec.Command("bash", "-ec", faultHead+`copies $(btrfs inspect-internal dump-tree -t fs $V | sed -n 's/^leaf \([0-9]*\) .*/\1/p' | head -n1)`)
	cmd.Env = append(os.Environ(), "V="+f.Name())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range regexp.MustCompile(`\d+`).FindAllString(string(out), -1) {
		at, _ := strconv.ParseInt(p, 10, 64)
		leaf := make([]byte, 16384)
		if _, err := f.ReadAt(leaf, at); err != nil {
			t.Fatal(err)
		}
		done := false
		for i := range int(le.Uint32(leaf[96:])) {
			item := leaf[101+25*i:]
			if id := le.Uint64(item); item[8] == 1 && id > 257 { // an INODE_ITEM
				le.PutUint32(leaf[101+le.Uint32(item[17:])+40:], 9)
				done = true
			}
		}
		if !done {
			t.Fatal("no inode in the block")
		}
		le.PutUint32(leaf, crc32.Checksum(leaf[32:], crc32.MakeTable(crc32.Castagnoli)))
		poke(t, f, at, leaf...)
	}
}
