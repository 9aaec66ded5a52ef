//go:build integration && fleet

package ansible

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"migimg/internal/child"
)

// network is a switch with the controller at it, in a network namespace of its own.
type network struct{ pid int }

const controllerIP = "10.77.0.1"

func startNetwork(t testing.TB) *network {
	t.Helper()
	b := start(t, exec.Command("unshare", "--net", "--kill-child", "sh", "-ec",
		"ip link set lo up; ip link add br0 type bridge; ip addr add "+controllerIP+"/24 dev br0; ip link set br0 up; echo up; exec sleep infinity"))
	b.says(t, "up")
	return &network{b.pid}
}

// background is a program that says on its stdout how far it is.
type background struct {
	pid    int
	stdout *bufio.Scanner
	stderr string // the file
}

func start(t testing.TB, cmd *exec.Cmd) *background {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	log, err := os.Create(filepath.Join(tempDir(t), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = w, log
	child.Start(t, cmd)
	_ = w.Close()
	return &background{cmd.Process.Pid, bufio.NewScanner(r), log.Name()}
}

// says waits for a line.
func (b *background) says(t testing.TB, line string) {
	t.Helper()
	for b.stdout.Scan() {
		if b.stdout.Text() == line {
			return
		}
	}
	out, _ := os.ReadFile(b.stderr)
	t.Fatalf("it has ended without %q: %s", line, out)
}

// command is a program on the controller. What it has started ends with it.
func (n *network) command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", n.pid), "--",
		"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--", name}, args...)...)
}

// host is a server: processes, network, mounts and files of its own. Its root is this
// machine's, with what it writes kept aside; its disks are loop devices.
type host struct {
	name, ip string
	disks    []string // files
	script   string   // what it does from its start on, in sh
	dir      string
	init     int // its process 1, as seen from outside
	before   []string
}

// bootScript makes the namespace a server. Written is everything that is written to
// its disk; /run, /tmp and /dev are in memory, as they are elsewhere.
const bootScript = `
echo here
mkdir -p "$DIR/disk"; mount -t tmpfs tmpfs "$DIR/disk"; mkdir "$DIR/disk/written" "$DIR/disk/work" "$DIR/disk/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$DIR/disk/written,workdir=$DIR/disk/work" "$DIR/disk/root"
cd "$DIR/disk/root"
mount -t proc proc proc; mount -t sysfs sysfs sys
for d in dev run tmp; do mount -t tmpfs -o mode=755 tmpfs $d; done; chmod 1777 tmp
mkdir dev/pts dev/shm run/sshd run/written; mount -t devpts devpts dev/pts
for x in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229; do IFS=: read -r n a b <<X
$x
X
mknod -m 666 dev/$n c $a $b; done; ln -s /proc/self/fd dev/fd
for x in $DISKS; do IFS== read -r n l <<X
$x
X
mknod -m 600 dev/$n b $(stat -c '0x%t 0x%T' $l)
for p in /sys/class/block/${l#/dev/}p*; do [ ! -e $p ] || mknod -m 600 dev/$n${p##*p} b $(tr : ' ' <$p/dev); done
# Nobody freezes a filesystem on a loop device whose file he cannot find.
f=$(cat /sys/class/block/${l#/dev/}/loop/backing_file); mkdir -p ".${f%/*}"; : >".$f"; mount --bind "$f" ".$f"; done
mount --bind "$DIR/disk/written" run/written
cp "$DIR/host_key" run/host_key; cp "$DIR/authorized_keys" run/authorized_keys; chmod 644 run/authorized_keys
hostname "$NAME"
pivot_root . .; umount -l .; cd /
echo "127.0.0.1 localhost $NAME" >/etc/hosts
chmod 755 /usr/local/bin # it is on the host's own disk from now on
useradd -m -s /bin/sh -p '*' ops; echo 'ops ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops
cat >/run/sshd_config <<X
ListenAddress $IP
HostKey /run/host_key
AuthorizedKeysFile /run/authorized_keys
PasswordAuthentication no
UsePAM no
PrintMotd no
PrintLastLog no
PidFile none
X
ip link set lo up
until ip addr show dev eth0 >/dev/null 2>&1; do sleep 0.05; done
ip addr add "$IP/24" dev eth0; ip link set eth0 up
eval "$SCRIPT"
echo up
exec /usr/sbin/sshd -D -e -f /run/sshd_config
`

// start boots the host at a switch. It is on until the end of t.
func (h *host) start(t testing.TB, n *network) {
	t.Helper()
	disks := ""
	for i, d := range h.disks {
		disks += fmt.Sprintf(" sd%c=%s", 'a'+i, d)
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-ec", bootScript)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DIR=" + h.dir, "NAME=" + h.name, "IP=" + h.ip, "DISKS=" + disks, "SCRIPT=" + h.script}
	b := start(t, cmd)
	b.says(t, "here")
	children := run(t, "cat", fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", b.pid))
	if _, err := fmt.Sscan(children, &h.init); err != nil {
		t.Fatalf("%s: process 1 of %q: %v", h.name, children, err)
	}
	run(t, "nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", n.pid), "sh", "-ec",
		// A card keeps its address: the neighbours know it.
		fmt.Sprintf("ip link add port%[1]d type veth peer name eth0 address 02:00:00:00:00:%[2]s netns %[1]d; ip link set port%[1]d master br0 up",
			h.init, h.ip[strings.LastIndex(h.ip, ".")+1:]))
	b.says(t, "up")
	h.before = h.traces(t)
}

// off is a power cut.
func (h *host) off(t testing.TB) {
	t.Helper()
	if err := syscall.Kill(h.init, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, h.name+"'s end", func() bool { return syscall.Kill(h.init, 0) == syscall.ESRCH })
}

// command is a program on the host, as root.
func (h *host) command(script string) *exec.Cmd {
	return exec.Command("nsenter", "-t", fmt.Sprint(h.init), "--mount", "--pid", "--net", "--uts", "--", "sh", "-ec", script)
}

func (h *host) run(t testing.TB, script string) string {
	t.Helper()
	out, err := child.Output(t, h.command(script))
	if err != nil {
		t.Fatalf("%s: %v", h.name, err)
	}
	return out
}

// traces are all that somebody can have left on the host: files on disk and in /run
// and /tmp, mounts, processes.
func (h *host) traces(t testing.TB) []string {
	t.Helper()
	// What sshd, sudo and ansible's logins write of each login is no trace of ours.
	out := h.run(t, `
find /run /tmp /dev/shm -not -path '/run/written/var/log/*' -not -path '/run/written/run/*' -not -path '*/sudo*' -printf 'file %p %y %l\n'
cut -d ' ' -f 4-5 /proc/self/mountinfo | sed 's/^/mount /'
for p in /proc/[0-9]*; do c=$(tr '\0' ' ' <$p/cmdline 2>/dev/null) || continue; case $c in ""|sh\ -ec*|find*|*sshd:*) ;; *) echo "process $c" ;; esac; done`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	return slices.Compact(lines)
}

// left are the traces since the host's start.
func (h *host) left(t testing.TB) (left []string) {
	t.Helper()
	for _, l := range h.traces(t) {
		if !slices.Contains(h.before, l) {
			left = append(left, l)
		}
	}
	return left
}
