//go:build integration && fleet

package ansible

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"migimg/internal/child"
)

// diskScript makes the hosts' disks in the current directory. Nothing was ever deleted
// on them, so that an image is the disk to the byte.
const diskScript = `
mkdir m files big system lvm
for i in $(seq 20); do head -c $((i * 40000)) /dev/urandom >files/f$i; done
head -c 30000000 /dev/urandom >big/f
mkdir system/etc system/usr; echo 'ID=debian' >system/etc/os-release; echo 'UUID=6d696769-6d67-4000-8000-00000000000f / ext4 defaults 0 1' >system/etc/fstab
L=; trap 'umount m 2>/dev/null || :; [ -z "$L" ] || losetup -d "$L"' EXIT
looped() { L=$(losetup -f --show "$1"); }
detached() { losetup -d "$L"; L=; }
# disk NAME: NAME.img, of the volume "volume"
disk() {
    truncate -s $(($(stat -c %s volume) + 2097152)) "$1.img"
    printf 'label: dos\nstart=2048, size=%d\n' $(($(stat -c %s volume) / 512)) | sfdisk -q "$1.img"
    dd if=volume of="$1.img" bs=1M seek=1 conv=notrunc,sparse status=none
    rm volume
}
for d in healthy:files blocked:system small:m dying:big two:files busy:files log:files; do
    truncate -s 64M volume; mkfs.ext4 -q -F -d ${d#*:} volume; disk ${d%:*}
done
truncate -s 310M volume; mkfs.xfs -q volume; looped volume; mount -t xfs $L m; cp files/* m; umount m; detached; disk second
truncate -s 100M volume; looped volume
cat >lvm/lvm.conf <<LVM
devices { use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" scan=["/dev"] filter=["a|^$L\$|","r|.*|"] }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
backup { backup=0 archive=0 }
global { use_lvmpolld=0 wait_for_locks=1 }
LVM
{ pvcreate -q $L; vgcreate -q vg $L; lvcreate -q --driverloaded n -an -Zn -Wn -L 64M -n root vg; } >lvm/log 2>&1; detached
truncate -s 64M lv; mkfs.ext4 -q -F -d files lv; dd if=lv of=volume bs=1M seek=1 conv=notrunc,sparse status=none; rm lv; disk lvm
`

// makeDisks makes them in a directory.
func makeDisks(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(tempDir(t), "disks")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euc", diskScript)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C", "LVM_SYSTEM_DIR="+dir+"/lvm", "LVM_SUPPRESS_FD_WARNINGS=1")
	if _, err := child.Output(t, cmd); err != nil {
		t.Fatal(err)
	}
	return dir
}

// loop is a loop device of a disk, with its partitions, until the test ends.
func loop(t testing.TB, file string) string {
	t.Helper()
	dev := strings.TrimSpace(run(t, "losetup", "-f", "--show", file))
	t.Cleanup(func() { detach(dev) })
	eventually(t, "partitions", func() bool {
		_, err := child.Output(t, exec.Command("sh", "-c", "partx -a $0 || partx -u $0", dev))
		return err == nil
	})
	return dev
}
