//go:build integration

package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"migimg/internal/child"
	"migimg/internal/need"
)

// docsShell is a shell on a machine as the pages have it: /dev/sda, /dev/sdb, an empty
// /mnt/migimg, /mnt/sdb, no network but an S3 server where the page wants one. It is
// in namespaces of its own (mounts, processes, network), so that whatever a page does
// is gone when the shell is, and nobody else sees it.
type docsShell struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

// docsDisks are what /dev/sda can be. Each is a file that the page may change, or not
// writable.
var docsDisks = map[string]func(t *testing.T, dir string) (image string, setup string){
	// small is a system of some files, with a data partition and swap.
	"small": func(t *testing.T, dir string) (string, string) { return smallServer(t, dir), "" },
	// running is the same while the system runs on it, as far as it can here.
	"running": func(t *testing.T, dir string) (string, string) {
		return smallServer(t, dir), "mkdir -p /srv; mount -t tmpfs srv /srv; mkdir /srv/x; umount /srv; mount /dev/sda2 /srv"
	},
	// debian is the disk of make demo.
	"debian": func(t *testing.T, _ string) (string, string) {
		path, _ := demoDisk(t)
		return path, ""
	},
}

// smallServer makes a disk with a system on partition 1, data on 2, and swap on 3.
func smallServer(t *testing.T, dir string) string {
	t.Helper()
	need.Tool(t, "mkfs.ext4", "mkswap", "sfdisk", "dd")
	tree, disk := filepath.Join(dir, "tree"), filepath.Join(dir, "disk.img")
	for name, text := range map[string]string{
		"root/etc/os-release": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n",
		"root/etc/fstab":      "LABEL=root / ext4 defaults 0 1\nLABEL=data /srv ext4 defaults 0 2\nLABEL=swap none swap sw 0 0\n",
		"root/etc/hostname":   "web01\n", "root/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "root/usr/bin/true": "", "root/boot/x": "",
		"data/www/index.html": strings.Repeat("<p>hello</p>\n", 1000),
	} {
		p := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	garbage(t, filepath.Join(tree, "root/usr/lib.so"), 24<<20)
	garbage(t, filepath.Join(tree, "data/photos.tar"), 12<<20)
	run(t, "sh", "-ec", `cd "$1"
		truncate -s 64M root; mkfs.ext4 -q -L root -U 6d696769-0000-4000-8000-000000000001 -d tree/root root
		truncate -s 32M data; mkfs.ext4 -q -L data -U 6d696769-0000-4000-8000-000000000002 -d tree/data data
		truncate -s 16M swap; mkswap -q -L swap -U 6d696769-0000-4000-8000-000000000003 swap
		truncate -s 128M disk.img
		printf 'label: dos\nlabel-id: 0x6d696769\nstart=2048,size=131072,type=83,bootable\nsize=65536,type=83\nsize=32768,type=82\n' | sfdisk -q disk.img
		dd if=root of=disk.img bs=1M seek=1 conv=notrunc,sparse status=none
		dd if=data of=disk.img bs=1M seek=65 conv=notrunc,sparse status=none
		dd if=swap of=disk.img bs=1M seek=97 conv=notrunc,sparse status=none
		rm -r tree root data swap`, "sh", dir)
	return disk
}

// stageScript makes the machine of docsShell. /dev is a folder of its own: the nodes
// of the real one are everybody's.
const stageScript = `set -e
dev=$DIR/dev; mkdir $dev; mount -t tmpfs -o mode=755 dev $dev
mkdir $dev/pts $dev/shm
node() { mknod -m "$4" $dev/$1 $2 ${3%:*} ${3#*:}; }
for x in null=1:3 zero=1:5 full=1:7 random=1:8 urandom=1:9 tty=5:0 ptmx=5:2; do node ${x%=*} c ${x#*=} 666; done
node kmsg c 1:11 600; node fuse c 10:229 666; node loop-control c 10:237 660
for i in $(seq 0 255); do node loop$i b 7:$i 660; done
disk() { # disk NAME LOOP: the disk and its partitions under another name
	node $1 b $(cat /sys/block/$2/dev) 660
	for p in /sys/block/$2/$2p*; do
		[ ! -e $p ] || node $1${p##*/$2p} b $(cat $p/dev) 660
	done
}
disk sda $SDA; disk sdb $SDB
ln -s /proc/self/fd $dev/fd; ln -s fd/0 $dev/stdin; ln -s fd/1 $dev/stdout; ln -s fd/2 $dev/stderr
mount --bind /dev/pts $dev/pts; mount -t tmpfs shm $dev/shm
mount --move $dev /dev
mount -t tmpfs -o mode=755 mnt /mnt; mkdir /mnt/migimg /mnt/sdb; mkdir $DIR/sdb; mount --bind $DIR/sdb /mnt/sdb
mount -t tmpfs -o mode=755 bin /usr/local/bin; ln -s $DIR/bin/* /usr/local/bin/
mount -t tmpfs -o mode=755 srv /srv
ip link set lo up
set +e
`

// startShell begins a page.
func startShell(t *testing.T, p *page) *docsShell {
	t.Helper()
	need.Tool(t, "unshare", "ip", "losetup", "partx", "jq", "sudo")
	dir := tempDir(t)
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{bin, filepath.Join(dir, "home"), filepath.Join(dir, "tmp")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	programs := map[string]string{"migimg": program}
	for _, name := range []string{"aws", "rclone", "versitygw"} { // may be in /usr/local/bin, or in a folder of the user's
		if path, err := exec.LookPath(name); err == nil {
			programs[name], _ = filepath.Abs(path)
		}
	}
	for name, path := range programs {
		if path, err := filepath.EvalSymlinks(path); err != nil {
			t.Fatal(err)
		} else if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	make, ok := docsDisks[p.disk]
	if !ok {
		t.Fatalf("%s: there is no disk %s", p.name, p.disk)
	}
	image, setup := make(t, dir)
	other := filepath.Join(dir, "other.img")
	run(t, "truncate", "-s", "256M", other)
	sda, sdb := loop(t, image), loop(t, other)
	// The kernel may see the partitions by itself, or not.
	_, _ = try("partx", "-a", sda)
	t.Cleanup(func() { _ = exec.Command("partx", "-d", sda).Run() })

	alone, err := filepath.Abs("../../testdata/disks/alone.sh")
	if err != nil {
		t.Fatal(err)
	}
	s := &docsShell{t: t}
	s.cmd = exec.Command(alone, "unshare", "--mount", "--propagation", "unchanged", "--pid", "--net", "--fork", "--mount-proc", "--kill-child", "bash", "--norc", "--noprofile")
	s.cmd.Dir = docsTop
	s.cmd.Env = append(clean(os.Environ()), "LC_ALL=C.UTF-8", "COLUMNS=80", "DIR="+dir, "HOME="+filepath.Join(dir, "home"), "TMPDIR="+filepath.Join(dir, "tmp"),
		"SDA="+filepath.Base(sda), "SDB="+filepath.Base(sdb), "PATH=/usr/local/bin:"+os.Getenv("PATH"),
		"GOMODCACHE="+strings.TrimSpace(run(t, "go", "env", "GOMODCACHE")), "GOCACHE="+strings.TrimSpace(run(t, "go", "env", "GOCACHE")))
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr, s.out = w, w, bufio.NewReader(out)
	ended := child.Start(t, s.cmd)
	w.Close()
	t.Cleanup(func() { // before the loop devices go
		s.stdin.Close()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		}
		out.Close()
	})
	s.must(stageScript)
	s.must(setup)
	if p.s3 {
		s.startS3(dir)
	}
	return s
}

// startS3 starts a server, and makes the bucket that the pages upload to.
func (s *docsShell) startS3(dir string) {
	need.Tool(s.t, "versitygw", "rclone", "aws")
	s.must(fmt.Sprintf(`mkdir %[1]s/data %[1]s/sidecar; touch %[1]s/rclone.conf # rclone has a word to say where it is missing
export ROOT_ACCESS_KEY=migimg ROOT_SECRET_KEY=%[2]s AWS_ACCESS_KEY_ID=migimg AWS_SECRET_ACCESS_KEY=%[2]s AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true AWS_PAGER= RCLONE_CONFIG=%[1]s/rclone.conf
versitygw --port 127.0.0.1:17070 --health /health posix --sidecar %[1]s/sidecar %[1]s/data >%[1]s/s3.log 2>&1 &
bucket() { rclone --s3-provider Other --s3-env-auth --s3-endpoint http://127.0.0.1:17070 --low-level-retries 1 --retries 1 mkdir :s3:images; }
for i in $(seq 200); do bucket >/dev/null 2>&1 && break; sleep .1; done; bucket`, dir, rand.Text()))
}

// must runs what has to succeed.
func (s *docsShell) must(script string) string {
	s.t.Helper()
	out, code := s.run(script)
	if code != 0 {
		s.t.Fatalf("%s\nended with %d:\n%s", script, code, out)
	}
	return out
}

// run runs a command in the shell and returns what it printed, on either stream.
func (s *docsShell) run(script string) (out string, code int) {
	s.t.Helper()
	if strings.TrimSpace(script) == "" {
		return "", 0
	}
	const end = "\x01"
	quoted := "'" + strings.ReplaceAll(script, "'", `'\''`) + "'"
	if _, err := fmt.Fprintf(s.stdin, "eval %s </dev/null; printf '\\001%%d\\001' $?\n", quoted); err != nil {
		s.t.Fatal(err)
	}
	timer := time.AfterFunc(2*time.Minute, func() {
		s.t.Errorf("%s\nhas not ended in two minutes", script)
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	})
	defer timer.Stop()
	out, err := s.out.ReadString(end[0])
	if err == nil {
		var number string
		number, err = s.out.ReadString(end[0])
		code, _ = strconv.Atoi(strings.TrimSuffix(number, end))
	}
	if err != nil {
		s.t.Fatalf("%s\nended the shell: %v:\n%s", script, err, out)
	}
	return strings.TrimSuffix(out, end), code
}
