//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/blockmap/device"
	"migimg/internal/need"
	"migimg/preflight"
)

// machineScript makes two disks of a machine in the current directory: a/disk.img, with
// boot code, /boot and a physical volume, and b/disk.img, with a filesystem for /srv and
// another physical volume. The root is a logical volume that begins on the first disk and
// goes on on the second.
const machineScript = `
mkdir -p tree/etc tree/usr/bin tree/boot tree/srv tree/var/log boot a b lvm
printf 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n' >tree/etc/os-release
printf 'UUID=11111111-1111-4111-8111-111111111111 / ext4 defaults 0 1\nUUID=22222222-2222-4222-8222-222222222222 /boot ext4 defaults 0 2\nUUID=33333333-3333-4333-8333-333333333333 /srv xfs defaults 0 2\n' >tree/etc/fstab
printf 'root:x:0:0::/root:/bin/sh\n' >tree/etc/passwd; echo web01 >tree/etc/hostname; : >tree/usr/bin/true
for i in $(seq 60); do head -c $((i*7000)) /dev/urandom >tree/var/log/f$i; done
echo kernel >boot/vmlinuz

truncate -s 48M lv; mkfs.ext4 -q -F -U 11111111-1111-4111-8111-111111111111 -d tree lv
truncate -s 16M bootfs; mkfs.ext4 -q -F -U 22222222-2222-4222-8222-222222222222 -d boot bootfs
truncate -s 310M srv; mkfs.xfs -q -m uuid=33333333-3333-4333-8333-333333333333 srv
truncate -s 64M a/disk.img; sfdisk -q a/disk.img <<TABLE
label: dos
start=2048, size=16M, type=83, bootable
size=40M, type=8e
TABLE
printf 'GRUB ' | dd of=a/disk.img bs=1 seek=384 conv=notrunc status=none
truncate -s 400M b/disk.img; sfdisk -q b/disk.img <<TABLE
label: gpt
start=2048, size=310M
size=60M, type=lvm
TABLE
dd if=bootfs of=a/disk.img bs=1M seek=1 conv=notrunc,sparse status=none
dd if=srv of=b/disk.img bs=1M seek=1 conv=notrunc,sparse status=none
trap '[ -z "$D0" ] || losetup -d $D0; [ -z "$D1" ] || losetup -d $D1' EXIT
D0=$(losetup -f --show -o 17M --sizelimit 40M a/disk.img); D1=$(losetup -f --show -o 311M --sizelimit 60M b/disk.img)
cat >lvm/lvm.conf <<LVM
devices { use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" scan=["/dev"] filter=["a|^$D0\$|","a|^$D1\$|","r|.*|"] }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
backup { backup=0 archive=0 }
global { use_lvmpolld=0 wait_for_locks=1 }
LVM
{ pvcreate -q $D0 $D1; vgcreate -q -s 1M vg0 $D0 $D1; lvcreate -q --driverloaded n -an -Zn -Wn -L 20M -n root vg0 $D0; lvextend -q --driverloaded n -L +28M vg0/root $D1; } >lvm.log 2>&1
lvs --noheadings -o devices vg0 | tr -d ' ' >devices
[ "$(cat devices)" = "$D0(0)
$D1(0)" ]
`

// partsOfRoot are where the root lies, by what lvm2 says: from extent 0 of each physical
// volume, which begin at 1 MiB; in MiB.
var partsOfRoot = []struct {
	disk              string
	from, to, howMuch int64
}{{"a/disk.img", 18, 0, 20}, {"b/disk.img", 312, 20, 28}}

func dd(t *testing.T, from, to string, skip, seek, count int64) {
	t.Helper()
	run(t, "dd", "if="+from, "of="+to, "bs=1M", fmt.Sprint("skip=", skip), fmt.Sprint("seek=", seek), fmt.Sprint("count=", count), "conv=notrunc", "status=none")
}

// newMachine makes the disks, and returns their folder.
func newMachine(t *testing.T) string {
	t.Helper()
	need.Root(t)
	need.Tool(t, "sfdisk", "mkfs.ext4", "mkfs.xfs", "xfs_repair", "e2fsck", "debugfs", "pvcreate", "losetup", "qemu-img", "tar", "sha256sum", "diff")
	dir := tempDir(t)
	cmd := exec.Command("bash", "-ec", machineScript)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin", "LVM_SYSTEM_DIR="+filepath.Join(dir, "lvm"), "LVM_SUPPRESS_FD_WARNINGS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, p := range partsOfRoot {
		dd(t, filepath.Join(dir, "lv"), filepath.Join(dir, p.disk), p.to, p.from, p.howMuch)
	}
	return dir
}

// soundRoot checks the root filesystem in a file, and all that is in it.
func soundRoot(t *testing.T, dir, file string) {
	t.Helper()
	run(t, "e2fsck", "-fn", file)
	out := filepath.Join(tempDir(t), "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "debugfs", "-R", "rdump / "+out, file)
	run(t, "diff", "-r", "--exclude=lost+found", filepath.Join(dir, "tree"), out)
}

func preflightOf(t *testing.T, args ...string) (*preflight.Report, map[string]preflight.CheckResult) {
	t.Helper()
	_, out := exitStatus(t, append([]string{"preflight", "--format", "json", "--target", "vsphere", "--fail-on", "never"}, args...)...)
	var r preflight.Report
	if err := json.Unmarshal([]byte(out[strings.IndexByte(out, '{'):]), &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	byID := map[string]preflight.CheckResult{}
	for _, c := range r.Checks {
		byID[c.ID] = c
	}
	return &r, byID
}

// TestMachine exports a machine whose root lies on both of its disks. They are given the
// other way round, and have one name.
func TestMachine(t *testing.T) {
	dir := newMachine(t)
	a, b := filepath.Join(dir, "a/disk.img"), filepath.Join(dir, "b/disk.img")
	folders := map[string]string{"disk.img": b, "disk.img-2": a}

	t.Run("punch", func(t *testing.T) {
		kept := map[string][][2]int64{}
		for line := range strings.Lines(run(t, program, "map", "--format", "ranges", b, a)) {
			name, rest, _ := strings.Cut(line, "\t")
			var off, n int64
			scan(t, rest, &off, &n)
			kept[folders[name]] = append(kept[folders[name]], [2]int64{off, n})
		}
		root := filepath.Join(dir, "punched.root")
		run(t, "truncate", "-s", "48M", root)
		for _, p := range partsOfRoot {
			disk := filepath.Join(dir, p.disk)
			punched := disk + ".punched"
			garbage(t, punched, size(t, disk))
			carried := int64(0)
			for _, r := range kept[disk] {
				run(t, "dd", "if="+disk, "of="+punched, "bs=64K", "iflag=skip_bytes,count_bytes", "oflag=seek_bytes", "conv=notrunc", "status=none",
					fmt.Sprint("skip=", r[0]), fmt.Sprint("seek=", r[0]), fmt.Sprint("count=", r[1]))
				carried += r[1]
			}
			if carried > size(t, disk)/2 {
				t.Errorf("%s: %d of %d bytes are carried", p.disk, carried, size(t, disk))
			}
			dd(t, punched, root, p.from, p.to, p.howMuch)
		}
		soundRoot(t, dir, root)
		part := filepath.Join(dir, "part")
		run(t, "truncate", "-s", "0", part)
		dd(t, a+".punched", part, 1, 0, 16)
		run(t, "e2fsck", "-fn", part)
		run(t, "truncate", "-s", "0", part)
		dd(t, b+".punched", part, 1, 0, 310)
		run(t, "xfs_repair", "-n", part)
	})

	t.Run("preflight", func(t *testing.T) {
		r, checks := preflightOf(t, b, a)
		if len(r.Source.Disks) != 2 || r.Source.Disks[0].Device != a || r.Source.Device != a || r.Source.Root == nil || r.Source.Root.Volume != "vg0-root" {
			t.Errorf("%+v", r.Source)
		}
		for _, id := range []string{"disk.required-mounts", "disk.stack", "disk.partition-table"} {
			if c := checks[id]; c.Status != "pass" {
				t.Errorf("%s: %s: %s", id, c.Status, c.Summary)
			}
		}
		if _, alone := preflightOf(t, a); alone["disk.required-mounts"].Status == "pass" {
			t.Error("of one disk alone, nothing is missing")
		}
	})

	t.Run("mount", func(t *testing.T) {
		point := mountMigimg(t, a, "--target", "vsphere", b)
		st := statusOf(t, point)
		if len(st.Disks) != 2 || st.Source.Size != size(t, a)+size(t, b) {
			t.Fatalf("%+v", st)
		}
		for folder, disk := range folders {
			own := filepath.Join(point, folder)
			if s := statusOf(t, own); s.Source.Device != disk || len(s.Disks) > 0 || len(s.Files) != 4 {
				t.Errorf("%s: %+v", folder, s)
			}
			run(t, "qemu-img", "check", "-q", filepath.Join(own, "disk.qcow2"))
			for _, f := range []string{"qcow2", "vhd", "vmdk"} {
				kind := map[string]string{"vhd": "vpc"}[f]
				run(t, "qemu-img", "compare", "-f", or(kind, f), "-F", "raw", filepath.Join(own, "disk."+f), filepath.Join(own, "disk.raw"))
			}
			if code, out := exitStatus(t, "umount", own); code != exitFailed || !strings.Contains(out, "is a disk's folder of the mount "+point) {
				t.Errorf("umount of a folder: %d, %s", code, out)
			}
		}
		soundRoot(t, dir, filepath.Join(point, "partitions/vg0-root.raw"))
		text := string(readAll(t, filepath.Join(point, "targets/vsphere/UPLOAD.md")))
		if !strings.Contains(text, "in this order, the first to start from: disk.img-2, disk.img.") || !strings.Contains(text, "govc import.vmdk -ds DATASTORE disk.img/disk.vmdk") {
			t.Error(text)
		}
		machineOVA(t, point, filepath.Join(point, "targets/vsphere/machine.ova"))
		if code, out := exitStatus(t, "verify", point); code != exitOK || strings.Count(out, ": PASS") != 11 {
			t.Errorf("verify: exit %d\n%s", code, out)
		}
		if code, out := exitStatus(t, "verify", "--source", point+"/disk.img", filepath.Join(point, "disk.img/disk.qcow2")); code != exitOK {
			t.Errorf("verify of one: exit %d\n%s", code, out)
		}
		if code, out := exitStatus(t, "verify", "--source", b+","+a, filepath.Join(point, "disk.img/disk.qcow2")); code != exitOK {
			t.Errorf("verify by the devices: exit %d\n%s", code, out)
		}
		if r, _ := preflightOf(t, filepath.Join(point, "disk.img")); len(r.Source.Disks) != 2 {
			t.Error("a folder's report is not the machine's")
		}
		run(t, program, "manifest", filepath.Join(point, "disk.img-2"))
		if code, out := exitStatus(t, "sync", filepath.Join(point, "disk.img"), filepath.Join(dir, "lv")); code != exitFailed || !strings.Contains(out, "volume vg0-root lies on disk.img and on other disks") {
			t.Errorf("sync: exit %d, %s", code, out)
		}
		exported := filepath.Join(dir, "server.ova")
		run(t, program, "export", a, b, exported)
		machineOVA(t, point, exported)
	})
}

// machineOVA takes an archive apart with other programs, and compares its disks with the
// mount's, in the order in which the machine starts.
func machineOVA(t *testing.T, point, file string) {
	t.Helper()
	out := tempDir(t)
	run(t, "tar", "-xf", file, "-C", out)
	run(t, "sh", "-c", `cd "$0" && sha256sum --strict --quiet -c machine.mf`, out)
	for i, folder := range []string{"disk.img-2", "disk.img"} {
		vmdk := filepath.Join(out, fmt.Sprintf("disk%d.vmdk", i+1))
		run(t, "qemu-img", "check", "-q", "-f", "vmdk", vmdk)
		run(t, "qemu-img", "compare", "-f", "vmdk", "-F", "raw", vmdk, filepath.Join(point, folder, "disk.raw"))
	}
}

// TestOneDiskTwice has what is no machine.
func TestOneDiskTwice(t *testing.T) {
	need.Root(t)
	dir := tempDir(t)
	file := filepath.Join(dir, "disk")
	garbage(t, file, 1<<20)
	dev := loop(t, file)
	link := filepath.Join(dir, "by-id")
	if err := os.Symlink(dev, link); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][]string{{dev, dev}, {dev, link}, {file, file}, {file, dev}, {dev, file}} {
		if code, out := exitStatus(t, append([]string{"map"}, pair...)...); code != exitFailed || !strings.Contains(out, "give it once") {
			t.Errorf("%v: exit %d, %s", pair, code, out)
		}
	}
	other := filepath.Join(dir, "other")
	garbage(t, other, 1<<20)
	if code, out := exitStatus(t, "map", "--partitions", "1", dev, other); code != exitFailed || !strings.Contains(out, "go with one disk") {
		t.Errorf("partitions of two disks: exit %d, %s", code, out)
	}
	if code, out := exitStatus(t, "export", dev, other, filepath.Join(dir, "x.qcow2")); code != exitFailed || !strings.Contains(out, "has one disk in it") {
		t.Errorf("two disks into a qcow2: exit %d, %s", code, out)
	}
}

// TestOneMoment writes a file to one disk and then its namesake to the other, over and
// over, while both are mounted at T0: the images have the files of one moment, so that at
// most one is without the other. The second disk has sectors of 4 KiB.
func TestOneMoment(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "debugfs", "e2fsck", "losetup")
	dir := tempDir(t)
	var devs, points []string
	for i, args := range [][]string{nil, {"--sector-size", "4096"}} {
		file := filepath.Join(dir, fmt.Sprint("disk", i))
		run(t, "truncate", "-s", "200M", file)
		dev := loop(t, file, args...)
		run(t, "mkfs.ext4", "-q", "-b", "4096", dev)
		point, _ := mountFS(t, dev, "rw")
		devs, points = append(devs, dev), append(points, point)
	}
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			for _, p := range points {
				f, err := os.Create(filepath.Join(p, fmt.Sprint("n", n)))
				if err == nil {
					_, _ = f.WriteString(strings.Repeat("x", 5000))
					err = f.Sync()
					_ = f.Close()
				}
				if err != nil {
					done <- -1
					return
				}
			}
			select {
			case <-stop:
				done <- n
				return
			default:
			}
		}
	}()
	rng := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	moments := 3
	for range moments {
		point := mountMigimg(t, devs[0], devs[1])
		st := statusOf(t, point)
		if st.Consistency.Level != levelPinned || !st.Consistency.Tracked || len(st.Consistency.Filesystems) != 2 {
			t.Fatalf("%+v", st.Consistency)
		}
		var names [2]map[string]bool
		order := []int{0, 1}
		rng.Shuffle(2, func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			own := filepath.Join(point, filepath.Base(devs[i]))
			image := filepath.Join(dir, "image")
			run(t, "cp", filepath.Join(own, "disk.raw"), image)
			run(t, "e2fsck", "-fn", image)
			names[i] = map[string]bool{}
			for _, f := range strings.Fields(run(t, "debugfs", "-R", "ls -p /", image)) {
				if f := strings.Split(f, "/"); len(f) > 5 && strings.HasPrefix(f[5], "n") {
					names[i][f[5]] = true
				}
			}
			if s := statusOf(t, own); s.Consistency.Level != levelPinned || s.Source.Device != devs[i] {
				t.Errorf("%+v", s)
			}
		}
		ahead := 0
		for n := range names[0] {
			if !names[1][n] {
				ahead++
			}
		}
		behind := 0
		for n := range names[1] {
			if !names[0][n] {
				behind++
			}
		}
		t.Logf("%d and %d files", len(names[0]), len(names[1]))
		if len(names[1]) < 2 || ahead > 1 || behind > 0 {
			t.Errorf("%d files are on the first disk alone, %d on the second: not of one moment", ahead, behind)
		}
		run(t, program, "umount", point)
	}
	close(stop)
	if n := <-done; n < 10 {
		t.Errorf("the writer got to %d", n)
	}
}

// TestOfflineBeside has a disk in use beside one that is not: the latter's journal is
// replayed in its map, and the former is pinned.
func TestOfflineBeside(t *testing.T) {
	need.Root(t)
	need.Tool(t, "mkfs.ext4", "e2fsck", "losetup", "cmp")
	dir := tempDir(t)
	var devs []string
	for i := range 2 {
		file := filepath.Join(dir, fmt.Sprint("disk", i))
		run(t, "truncate", "-s", "100M", file)
		dev := loop(t, file)
		run(t, "mkfs.ext4", "-q", dev)
		devs = append(devs, dev)
	}
	fs, _ := mountFS(t, devs[0], "rw")
	if err := os.WriteFile(filepath.Join(fs, "f"), bytes.Repeat([]byte("f"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	point := mountMigimg(t, devs[1], "--consistency", "auto", devs[0])
	st := statusOf(t, point)
	if f := st.Consistency.Filesystems; st.Consistency.Level != levelPinned || len(f) != 1 || f[0].Volume != filepath.Base(devs[0]) || f[0].Device != devs[0] {
		t.Fatalf("%+v", st.Consistency)
	}
	for _, d := range devs {
		image := filepath.Join(dir, "image")
		run(t, "cp", filepath.Join(point, filepath.Base(d), "disk.raw"), image)
		run(t, "e2fsck", "-fn", image)
	}
	var x drift
	if err := readJSON(filepath.Join(point, filepath.Base(devs[1])), driftPath, &x); err != nil || x.State != "tracked" || len(x.Files) > 0 {
		t.Errorf("%+v, %v", x, err)
	}
	if !slices.ContainsFunc(st.Source.Uses, func(u device.Use) bool { return u.Point == fs }) {
		t.Errorf("uses %+v", st.Source.Uses)
	}
}
