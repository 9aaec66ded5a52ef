//go:build integration

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/verify"
)

// volumeDisk is a disk with a volume of each kind that has a checker, and files with
// the volumes' bytes, from which it was put together.
type volumeDisk struct {
	dir, path string
	env       []string
	at        map[string]int64 // of each volume, on the disk
}

// volumeTools are what it takes to make one.
var volumeTools = []string{"sfdisk", "mkfs.ext4", "debugfs", "e2fsck", "mkfs.xfs", "xfs_db", "xfs_repair", "mkfs.btrfs", "btrfs", "btrfs-map-logical",
	"mkfs.vfat", "mcopy", "fsck.fat", "mkfs.exfat", "mount.exfat-fuse", "fsck.exfat", "mkfs.ntfs", "ntfsfix", "mkfs.f2fs", "fsck.f2fs", "pvcreate", "pvck", "mdadm", "mkswap", "mkfs.erofs", "fsck.erofs", "ntfscluster"}

// volumeScript makes the volumes' files and the disk in the current directory. Their
// names are those that reports have.
const volumeScript = `
mkdir -p files/d/e m lvm
for i in $(seq 40); do head -c $((i*3000)) /dev/urandom >files/d/f$i; done
cp files/d/f3 files/d/e/; ln -s d/f1 files/l
looped() { L=$(losetup -f --show $1); }
trap 'umount m 2>/dev/null || :; [ -z "$L" ] || losetup -d $L' EXIT

truncate -s 64M 2; mkfs.ext4 -q -F -d files 2
truncate -s 310M 3; mkfs.xfs -q 3; looped 3; mount -t xfs $L m; cp -a files/. m; umount m; losetup -d $L
truncate -s 128M 4; mkfs.btrfs -q -r files 4 2>mkfs.log
truncate -s 64M 5; mkfs.vfat -F 32 5 >mkfs.log; mcopy -s -i 5 files/d ::
truncate -s 64M 6; mkfs.exfat 6 >mkfs.log; looped 6; mount.exfat-fuse $L m >mkfs.log; cp -r files/d m; umount m; losetup -d $L
truncate -s 32M 7; mkfs.ntfs -q -Q -F 7 2>mkfs.log
truncate -s 100M 8; mkfs.f2fs -q 8
truncate -s 80M 9; looped 9
cat >lvm/lvm.conf <<LVM
devices { use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" scan=["/dev"] filter=["a|^$L\$|","r|.*|"] }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
backup { backup=0 archive=0 }
global { use_lvmpolld=0 wait_for_locks=1 }
LVM
{ pvcreate -q $L; vgcreate -q vg $L; lvcreate -q --driverloaded n -an -Zn -Wn -L 32M -n root vg; } >mkfs.log 2>&1; losetup -d $L; L=
truncate -s 32M lv; mkfs.ext4 -q -F -d files lv; dd if=lv of=9 bs=1M seek=1 conv=notrunc,sparse status=none
truncate -s 31M array; mkfs.ext4 -q -F -d files array; truncate -s 32M 10; dd if=array of=10 bs=1M seek=1 conv=notrunc,sparse status=none
truncate -s 8M 11; chmod 600 11; mkswap 11 >mkfs.log 2>&1; truncate -s 4M 12
mkfs.erofs 13 files >mkfs.log 2>&1

truncate -s 960M disk
sfdisk -q disk <<TABLE
label: gpt
start=2048, size=1M, type=21686148-6449-6E6F-744E-656564454649
$(for i in 2 3 4 5 6 7 8 9 10 11 12 13; do echo size=$(($(stat -c %s $i)/512)); done)
TABLE
sfdisk -d disk | sed -n 's/^disk\([0-9]*\) *: start= *\([0-9]*\),.*/\1 \2/p' >starts
`

func newVolumeDisk(t *testing.T) *volumeDisk {
	t.Helper()
	need.Root(t)
	need.Tool(t, volumeTools...)
	d := &volumeDisk{dir: tempDir(t), at: map[string]int64{}}
	d.path = filepath.Join(d.dir, "disk")
	d.env = append(os.Environ(), "LC_ALL=C", "LVM_SYSTEM_DIR="+filepath.Join(d.dir, "lvm"), "LVM_SUPPRESS_FD_WARNINGS=1")
	d.script(t, volumeScript)
	d.array(t, filepath.Join(d.dir, "10"))
	for line := range strings.Lines(string(readAll(t, filepath.Join(d.dir, "starts")))) {
		var name string
		var sector int64
		if _, err := fmt.Sscan(line, &name, &sector); err != nil {
			t.Fatal(err)
		}
		d.at[name] = sector * 512
	}
	for name := range d.at {
		if name != "1" {
			d.put(t, name, filepath.Join(d.dir, name), d.path)
		}
	}
	return d
}

func (d *volumeDisk) script(t *testing.T, s string) {
	t.Helper()
	cmd := exec.Command("bash", "-ec", s)
	cmd.Dir, cmd.Env = d.dir, d.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// put writes a volume's file to its place on a disk.
func (d *volumeDisk) put(t *testing.T, volume, file, disk string) {
	t.Helper()
	run(t, "dd", "if="+file, "of="+disk, "bs=1M", "conv=notrunc,sparse", "oflag=seek_bytes", fmt.Sprint("seek=", d.at[volume]), "status=none")
}

// array writes the superblock of a RAID1 of which the file is one of two members, since
// making one takes a kernel that has md (kernel, include/uapi/linux/raid/md_p.h, version
// 1.2).
func (d *volumeDisk) array(t *testing.T, file string) {
	t.Helper()
	le := binary.LittleEndian
	b := make([]byte, 256+4)
	le.PutUint32(b, 0xa92b4efc)
	b[4] = 1
	copy(b[16:], "0123456789abcdef") // set_uuid
	copy(b[32:], "host:array")
	le.PutUint32(b[72:], 1)           // level
	le.PutUint64(b[80:], 31<<20/512)  // size
	le.PutUint32(b[92:], 2)           // raid_disks
	le.PutUint64(b[128:], 1<<20/512)  // data_offset
	le.PutUint64(b[136:], 31<<20/512) // data_size
	le.PutUint64(b[144:], 8)          // super_offset
	copy(b[168:], "fedcba9876543210")
	le.PutUint64(b[200:], 17)         // events
	le.PutUint64(b[208:], ^uint64(0)) // resync_offset: in sync
	le.PutUint32(b[220:], 2)          // max_dev
	le.PutUint16(b[256:], 0)
	le.PutUint16(b[258:], 1)
	sum := uint64(0)
	for i := 0; i < len(b); i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum+sum>>32))
	edit(t, file, func(f *os.File, _ []byte) { poke(t, f, 4096, b...) })
}

// edit opens a file for a change, with its bytes as they are.
func edit(t *testing.T, file string, change func(f *os.File, b []byte)) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	change(f, contents(t, file))
}

func poke(t *testing.T, f *os.File, off int64, b ...byte) {
	t.Helper()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// find is where the only copy of some bytes lies.
func find(t *testing.T, b []byte, what string) int64 {
	t.Helper()
	at := bytes.Index(b, []byte(what))
	if at < 0 {
		t.Fatalf("%q is not there", what)
	}
	return int64(at)
}

// verified runs migimg verify and returns its exit code and the aspects by name.
func verified(t *testing.T, args ...string) (code int, aspects map[string]verify.Aspect) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"verify", "--format", "json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var ee *exec.ExitError
	if err != nil && !asExit(err, &ee) {
		t.Fatal(err)
	}
	var doc struct{ Images []*verify.Report }
	if err := json.Unmarshal(out, &doc); err != nil || len(doc.Images) == 0 {
		t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.String())
	}
	aspects = map[string]verify.Aspect{}
	for _, a := range doc.Images[0].Aspects {
		aspects[a.Name] = a
	}
	return cmd.ProcessState.ExitCode(), aspects
}
