//go:build integration && fleet

package ansible

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fleet is the controller with its hosts and the storage.
type fleet struct {
	net      *network
	store    *store
	hosts    map[string]*host
	disks    string // the folder of what was put on them
	dir      string
	playbook string
	env      []string // of ansible-playbook
	limit    string   // what the host "dying" sends at most, so that there is time to disturb it

	mu   sync.Mutex
	told []string // the programs that had the storage's key in their arguments
}

// writer keeps two filesystems busy: it overwrites in place, it appends, and it counts in
// the name of a file, on the one and then on the other, once the first is on its disk.
const writer = `mkdir /mnt/a /mnt/b; mount /dev/sda1 /mnt/a; mount /dev/sdb1 /mnt/b
python3 -c '
import os, time
f = os.open("/mnt/a/written", os.O_CREAT | os.O_RDWR)
folders = [os.open("/mnt/" + x, os.O_RDONLY) for x in "ab"]
n = 0
for d in folders:
    os.mknod("count-0", dir_fd=d)
while True:
    n += 1
    os.pwrite(f, b"%08d" % n * 512, n % 500 * 4096)
    os.fsync(f)
    for d in folders:
        os.rename("count-%d" % (n - 1), "count-%d" % n, src_dir_fd=d, dst_dir_fd=d)
        os.fsync(d)
    time.sleep(0.02)
' </dev/null >/dev/null 2>&1 &`

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{disks: makeDisks(t), dir: tempDir(t), hosts: map[string]*host{}}
	f.net = startNetwork(t)
	f.store = startStore(t, f.net)
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(f.dir, "key"))
	known, inventory := "", ""
	for i, h := range []struct{ name, disks, script, vars string }{
		{"healthy", "healthy", "", "migimg_export_digest: true, migimg_export_fresh: 0"},
		{"blocked", "blocked", "", ""},
		{"lvm", "lvm", "", "migimg_export_verify: full, migimg_export_fresh: 0"},
		{"two", "two second", "", "migimg_export_verify: checksum"},
		{"busy", "busy log", writer, ""},
		{"dying", "small dying", "", `migimg_export_bwlimit: "{{ lookup('ansible.builtin.env', 'FLEET_LIMIT') }}"`},
	} {
		x := &host{name: h.name, ip: fmt.Sprintf("10.77.0.%d", 11+i), dir: filepath.Join(f.dir, h.name), script: h.script}
		f.hosts[h.name] = x
		if err := os.Mkdir(x.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(x.dir, "host_key"))
		run(t, "cp", filepath.Join(f.dir, "key.pub"), filepath.Join(x.dir, "authorized_keys"))
		known += x.ip + " " + run(t, "cat", filepath.Join(x.dir, "host_key.pub"))
		list := ""
		for n, d := range strings.Fields(h.disks) {
			x.disks = append(x.disks, loop(t, filepath.Join(f.disks, d+".img")))
			list += fmt.Sprintf("{device: /dev/sd%c}, ", 'a'+n)
		}
		inventory += fmt.Sprintf("    %s: {ansible_host: %s, migimg_disks: [%s], %s}\n", h.name, x.ip, list, h.vars)
		x.start(t, f.net)
	}
	write(t, filepath.Join(f.dir, "known_hosts"), known)
	write(t, filepath.Join(f.dir, "inventory.yml"), `all:
  vars:
    ansible_user: ops
    ansible_ssh_private_key_file: `+filepath.Join(f.dir, "key")+`
    ansible_python_interpreter: /usr/bin/python3
    migimg_targets: [kvm]
    migimg_install_binary: `+program+`
    migimg_preflight_dir: `+filepath.Join(f.dir, "preflight")+`
    migimg_preflight_report: `+filepath.Join(f.dir, "report")+`
    migimg_export_remote: ":s3:images/wave-1"
    migimg_export_environment: {RCLONE_S3_PROVIDER: Other, RCLONE_S3_ENDPOINT: "`+storeURL+`", RCLONE_S3_REGION: us-east-1}
    migimg_export_secrets:
      RCLONE_S3_ACCESS_KEY_ID: "{{ lookup('ansible.builtin.env', 'FLEET_KEY_ID') }}"
      RCLONE_S3_SECRET_ACCESS_KEY: "{{ lookup('ansible.builtin.env', 'FLEET_SECRET_KEY') }}"
    migimg_export_rclone_options: [--s3-upload-cutoff, 5Mi, --s3-chunk-size, 5Mi]
  hosts:
`+inventory)
	f.setup(t)
	go f.watch(t.Context().Done())
	return f
}

// setup is the controller's side: the collection where Ansible looks for it, and the
// example's settings.
func (f *fleet) setup(t testing.TB) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	collections := filepath.Join(f.dir, "collections", "ansible_collections", "migimg")
	if err := os.MkdirAll(collections, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(here, filepath.Join(collections, "migimg")); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(f.dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	f.playbook = filepath.Join(here, "example", "site.yml")
	f.env = []string{"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + home, "TMPDIR=" + home, "PYTHONDONTWRITEBYTECODE=1",
		"ANSIBLE_CONFIG=" + filepath.Join(here, "example", "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH=" + filepath.Join(f.dir, "collections"), "ANSIBLE_NOCOLOR=1",
		"ANSIBLE_SSH_ARGS=-F /dev/null -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=2 -o ServerAliveCountMax=3 -o UserKnownHostsFile=" + filepath.Join(f.dir, "known_hosts"),
		"FLEET_KEY_ID=migimg", "FLEET_SECRET_KEY=" + f.store.secret}
}

// uploading says whether parts of a disk's image in a host's folder are in the storage,
// and not all.
func (f *fleet) uploading(t testing.TB, folder, disk string) bool {
	for _, key := range f.store.begun(t) {
		if strings.HasPrefix(key, folder+"/") && strings.Contains(key, "-"+disk+"-") {
			return true
		}
	}
	return false
}

// watch looks into the arguments of all programs, on the controller and on the hosts,
// for the storage's key.
func (f *fleet) watch(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(20 * time.Millisecond):
		}
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range files {
			if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(f.store.secret)) {
				f.mu.Lock()
				if arguments := string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})); !slices.Contains(f.told, arguments) {
					f.told = append(f.told, arguments)
				}
				f.mu.Unlock()
			}
		}
	}
}

func (f *fleet) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}
