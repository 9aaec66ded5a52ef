//go:build integration && fleet

// Package ansible is an Ansible collection. Its test runs it on a fleet.
package ansible

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"migimg/internal/child"
	"migimg/internal/need"
)

// tools are what the test needs.
var tools = []string{"ansible-playbook", "sshd", "ssh", "ssh-keygen", "sudo", "ip", "nsenter", "unshare", "versitygw", "rclone", "fusermount",
	"qemu-img", "sfdisk", "losetup", "partx", "mkfs.ext4", "mkfs.xfs", "pvcreate", "e2fsck"}

// TestFleet exports six servers to an object storage, at once, as an administrator
// would: with the example's playbook. One is blocked, one is written to, one loses its
// power in the middle of its upload, of the second of its disks.
func TestFleet(t *testing.T) {
	need.Root(t)
	need.Tool(t, tools...)
	f, all := newFleet(t), t

	t.Run("the first run", func(t *testing.T) {
		f.limit = "500k"
		over, cut := make(chan bool), make(chan bool)
		go func() {
			defer close(cut)
			for !f.uploading(t, "wave-1/dying", "sdb") {
				select {
				case <-over:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
			f.hosts["dying"].off(t)
		}()
		r := f.play(t)
		f.limit = ""
		close(over)
		<-cut
		r.check(t, map[string]string{"healthy": "exported", "blocked": "blocked", "lvm": "exported", "two": "exported exported", "busy": "exported exported", "dying": "unreachable"})
		if got := f.store.receipts(t, "dying"); len(got) != 1 || got[0].Disk != "sda" || len(got[0].Machine) != 2 {
			t.Errorf("of a host that died there is %+v", got)
		}
		f.checkReport(t)
		for _, h := range []string{"healthy", "lvm", "two", "busy"} {
			f.checkExports(t, h)
		}
		if got := f.store.objects(t, "blocked"); len(got) > 0 {
			t.Errorf("of a disk that is blocked there is %v", got)
		}
	})
	t.Run("the merged report", func(t *testing.T) { f.checkReport(t) })
	t.Run("the second run does what was not done", func(t *testing.T) {
		f.hosts["dying"].start(all, f.net)
		if !f.uploading(t, "wave-1/dying", "sdb") {
			t.Error("no parts are left of the upload that was cut")
		}
		r := f.play(t)
		r.check(t, map[string]string{"healthy": "unchanged", "blocked": "blocked", "lvm": "unchanged", "two": "fresh fresh", "busy": "fresh fresh", "dying": "unchanged exported"})
		for h, n := range r.changed {
			if h != "dying" && n > 0 {
				t.Errorf("%s has %d changes", h, n)
			}
		}
		f.checkExports(t, "dying")
		if left := f.store.begun(t); len(left) > 0 {
			t.Errorf("parts are left of %v", left)
		}
	})
	t.Run("the third run changes nothing", func(t *testing.T) {
		before := f.store.rclone(t, "lsf", "-R", ":s3:images")
		r := f.play(t)
		// Its disks are of two mounts, and belong together all the same.
		r.check(t, map[string]string{"dying": "fresh fresh"})
		for h, n := range r.changed {
			if n > 0 {
				t.Errorf("%s has %d changes:\n%s", h, n, r.said)
			}
		}
		if after := f.store.rclone(t, "lsf", "-R", ":s3:images"); after != before {
			t.Errorf("the storage has %s, it had %s", after, before)
		}
	})
	t.Run("other bytes of the same plan", func(t *testing.T) { f.overwritten(t) })
	t.Run("killed on the host", func(t *testing.T) { f.killed(t) })
	t.Run("clean", func(t *testing.T) { f.clean(t) })
	for _, seen := range f.seen() {
		t.Errorf("the key of the storage was in the arguments of %s", seen)
	}
}

// checkReport: all hosts are in it, with the disks that they have.
func (f *fleet) checkReport(t *testing.T) {
	t.Helper()
	file, err := os.Open(filepath.Join(f.dir, "report", "fleet.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	host, disks, verdict := slices.Index(rows[0], "host"), slices.Index(rows[0], "devices"), slices.Index(rows[0], "verdict")
	if min(host, disks, verdict) < 0 || len(rows) != 1+len(f.hosts) {
		t.Fatalf("the report of %d hosts: %q", len(f.hosts), rows)
	}
	for _, r := range rows[1:] {
		h := f.hosts[r[host]]
		if h == nil || len(strings.Fields(r[disks])) != len(h.disks) || (r[verdict] == "blocked") != (r[host] == "blocked") {
			t.Errorf("the report has %q for %q", r, rows[0])
		}
	}
}

// checkExports: each disk of a host is in the storage as it is, all of them of one moment.
func (f *fleet) checkExports(t *testing.T, host string) {
	t.Helper()
	h := f.hosts[host]
	receipts := f.store.receipts(t, host)
	if len(receipts) != len(h.disks) {
		t.Fatalf("%s: %d exports of %d disks", host, len(receipts), len(h.disks))
	}
	objects, machine, counts := f.store.objects(t, host), map[string]string{}, []int{}
	for _, r := range receipts {
		machine[r.Disk] = r.Image
		// What had been sent when the host died is proven not to have changed.
		if r.T0 != receipts[0].T0 && host != "dying" {
			t.Errorf("%s: %s is of %s, and %s of %s", host, r.Disk, r.T0, receipts[0].Disk, receipts[0].T0)
		}
		var report struct {
			Source struct{ Disks []struct{ Device string } }
		}
		if err := json.Unmarshal([]byte(f.store.rclone(t, "cat", ":s3:images/wave-1/"+host+"/"+r.Preflight)), &report); err != nil || max(1, len(report.Source.Disks)) != len(h.disks) {
			t.Errorf("%s: %s is of %+v, %v", host, r.Preflight, report, err)
		}
		at := slices.IndexFunc(objects, func(o object) bool { return o.Path == r.Image })
		if at < 0 {
			t.Fatalf("%s: there is no %s", host, r.Image)
		}
		o := objects[at]
		want := map[string]string{"migimg.plan-digest": r.PlanDigest, "migimg.t0": r.T0, "migimg.consistency": r.Consistency.Level, "migimg.host": host, "migimg.disk": r.Disk, "migimg.sha256": r.SHA256}
		for k, v := range want {
			if o.Metadata[k] != v {
				t.Errorf("%s: %s has the attribute %s %q, want %q", host, r.Image, k, o.Metadata[k], v)
			}
		}
		if o.Size != r.Size || len(r.PlanDigest) != 64 || r.Verified.Verdict != "pass" && host != "busy" {
			t.Errorf("%s: %+v of %+v", host, r, o)
		}
		image, manifest := f.store.fetched(t, host, r.Image), f.store.fetched(t, host, r.Manifest)
		run(t, "qemu-img", "check", "-f", "qcow2", image)
		if host == "busy" {
			if r.Consistency.Level != "pinned" {
				t.Errorf("%s: %s is %s", host, r.Image, r.Consistency.Level)
			}
			counts = append(counts, f.checkBusy(t, image))
			continue
		}
		run(t, program, "verify", "--manifest", manifest, image)
		run(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", h.disks[r.Disk[2]-'a'], image)
	}
	if newest := receipts[len(receipts)-1]; !maps.Equal(newest.Machine, machine) {
		t.Errorf("%s: %s belongs to %v, and there are %v", host, newest.Image, newest.Machine, machine)
	}
	// It counts on the first disk first.
	if host == "busy" && counts[0] != counts[1] && counts[0] != counts[1]+1 {
		t.Errorf("%s had counted to %d when one image was made, and to %d when the other was", host, counts[0], counts[1])
	}
}

// checkBusy: the filesystem is in order, and what nobody wrote to is in it. How far its
// writer had counted is in a folder, and so as it was at T0.
func (f *fleet) checkBusy(t *testing.T, image string) int {
	t.Helper()
	raw := filepath.Join(tempDir(t), "raw")
	run(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
	run(t, "sh", "-ec", `dd if="$0" of="$0.1" bs=1M skip=1 status=none; e2fsck -fn "$0.1"`, raw)
	run(t, "sh", "-ec", `for i in $(seq 20); do debugfs -R "cat f$i" "$0.1" 2>/dev/null | cmp - "$1/files/f$i"; done`, raw, f.disks)
	names := countName.FindAllStringSubmatch(run(t, "debugfs", "-R", "ls -p /", raw+".1"), -1)
	if len(names) != 1 {
		t.Fatalf("%s has the counts %v", image, names)
	}
	n, err := strconv.Atoi(names[0][1])
	if err != nil || n == 0 {
		t.Fatalf("%s: nothing was counted: %q, %v", image, names, err)
	}
	return n
}

var countName = regexp.MustCompile(`/count-(\d+)/`)

// overwritten: a disk that has the plan of an export, and other bytes, is another one.
func (f *fleet) overwritten(t *testing.T) {
	disk, err := os.ReadFile(filepath.Join(f.disks, "healthy.img"))
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(f.disks, "files", "f20"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(disk, content[:4096])
	if at < 0 {
		t.Fatal("the file is not on the disk")
	}
	file, err := os.OpenFile(f.hosts["healthy"].disks[0], os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte("other bytes"), int64(at))
	if err2 := file.Close(); err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	before := f.store.receipts(t, "healthy")
	if r := f.play(t, "--tags", "export", "--limit", "healthy", "--check"); r.did["healthy"] != "undecided" || len(f.store.receipts(t, "healthy")) != len(before) {
		t.Errorf("check mode: %s", r.said)
	}
	r := f.play(t, "--tags", "export", "--limit", "healthy")
	after := f.store.receipts(t, "healthy")
	if r.did["healthy"] != "exported" || len(r.did) != 1 || len(after) != 2 || after[1].PlanDigest != before[0].PlanDigest {
		t.Fatalf("%v, exports %+v", r.did, after)
	}
	run(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", f.hosts["healthy"].disks[0], f.store.fetched(t, "healthy", after[1].Image))
}

// killed: what an export left that was killed on its host is removed by the next one;
// one that still goes on is waited for, and ended by clean.
func (f *fleet) killed(t *testing.T) {
	h := f.hosts["dying"]
	exportOf := func(wave string) []string {
		return []string{"--tags", "install,export", "--limit", "dying", "-e", "migimg_export_remote=:s3:images/" + wave}
	}
	export := func(wave string) <-chan result {
		c := make(chan result, 1)
		go func() { c <- f.play(t, exportOf(wave)...) }()
		return c
	}
	begun := func(wave string) {
		t.Helper()
		eventually(t, "the upload of "+wave, func() bool { return f.uploading(t, wave+"/dying", "sdb") })
	}
	f.limit = "1M"
	first := export("wave-2")
	begun("wave-2")
	h.run(t, `p=$(cat /run/migimg-fleet/lock); kill -9 $p $(cat /proc/$p/task/$p/children)`)
	if r := <-first; r.did["dying"] != "failed" {
		t.Errorf("killed: %s", r.said)
	}
	if left := strings.Join(h.left(t), "\n"); !strings.Contains(left, "mount / /run/migimg-fleet/mnt") {
		t.Errorf("what was killed left %s", left)
	}
	// The controller of the second one dies, and it goes on all the same.
	ctx, kill := context.WithCancel(t.Context())
	second := make(chan error)
	go func() {
		_, err := child.Output(t, f.playbookCommand(ctx, t, exportOf("wave-2")...))
		second <- err
	}()
	eventually(t, "the second upload", func() bool {
		return strings.Contains(strings.Join(h.left(t), "\n"), "process rclone copyto") && f.uploading(t, "wave-2/dying", "sdb")
	})
	kill()
	if err := <-second; err == nil {
		t.Error("the controller was not killed")
	}
	if r := <-export("wave-2"); r.did["dying"] != "fresh fresh" {
		t.Errorf("while another export went on: %s", r.said)
	}

	f.limit = "200k"
	third := export("wave-3")
	begun("wave-3")
	if r := f.play(t, "--tags", "clean", "--limit", "dying"); r.changed["dying"] != 1 {
		t.Errorf("clean while an export goes on: %s", r.said)
	}
	if r := <-third; r.did["dying"] != "failed" || !strings.Contains(r.said, "ended by signal") {
		t.Errorf("ended by clean: %s", r.said)
	}
	if left := f.store.begun(t); len(left) > 0 {
		t.Errorf("parts are left of %v", left)
	}
}

// clean: nothing is left, not even of a run that was killed.
func (f *fleet) clean(t *testing.T) {
	lvm := f.hosts["lvm"]
	lvm.run(t, `mkdir -p /run/migimg-fleet/mnt; migimg mount /dev/sda /run/migimg-fleet/mnt
sleep 1000 </run/migimg-fleet/mnt/disk.raw >/dev/null 2>&1 &`)
	if left := lvm.left(t); len(left) < 4 {
		t.Fatalf("the leftovers are %v", left)
	}
	extra := `{"migimg_clean_binaries": ["migimg"]}`
	if r := f.play(t, "--tags", "clean", "--limit", "lvm", "--check", "-e", extra); r.changed["lvm"] == 0 || len(lvm.left(t)) < 4 {
		t.Errorf("check mode: %s", r.said)
	}
	f.play(t, "--tags", "clean", "-e", extra)
	for name, h := range f.hosts {
		grep := h.command("grep -rlFf - /run/written /tmp || [ $? = 1 ]")
		grep.Stdin = strings.NewReader(f.store.secret)
		if out, err := child.Output(t, grep); out != "" || err != nil {
			t.Errorf("%s: the key of the storage is in %s (%v)", name, out, err)
		}
		if left := h.left(t); len(left) > 0 {
			t.Errorf("%s: left are %s", name, strings.Join(left, "\n"))
		}
	}
	if r := f.play(t, "--tags", "clean", "--limit", "lvm", "-e", extra); r.changed["lvm"] > 0 {
		t.Errorf("again: %s", r.said)
	}
}

// result is what a run of the playbook came to.
type result struct {
	said    string
	changed map[string]int
	did     map[string]string // by host: what was done with its disks, or how it failed
}

var (
	recapLine  = regexp.MustCompile(`(?m)^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)`)
	actionLine = regexp.MustCompile(`(?m)^ok: \[(\S+)\] => \(item=\S+\) => \{\n\s+"msg": "\S+: ([a-z]+)`)
)

// play runs the playbook of the example on the fleet.
func (f *fleet) play(t testing.TB, args ...string) result {
	t.Helper()
	begun := time.Now()
	out, err := child.Output(t, f.playbookCommand(t.Context(), t, args...))
	r := result{said: out, changed: map[string]int{}, did: map[string]string{}}
	for _, m := range actionLine.FindAllStringSubmatch(out, -1) {
		r.did[m[1]] = strings.TrimSpace(r.did[m[1]] + " " + m[2])
	}
	for _, m := range recapLine.FindAllStringSubmatch(out, -1) {
		r.changed[m[1]], _ = strconv.Atoi(m[2])
		if m[3] != "0" {
			r.did[m[1]] = "unreachable"
		}
		if m[4] != "0" {
			r.did[m[1]] = "failed"
		}
	}
	if len(r.changed) == 0 {
		t.Fatalf("ansible-playbook: %v\n%s", err, out)
	}
	t.Logf("ansible-playbook %s: %.1f s", strings.Join(args, " "), time.Since(begun).Seconds())
	return r
}

// playbookCommand runs it with connections of its own.
func (f *fleet) playbookCommand(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{"-i", filepath.Join(f.dir, "inventory.yml"), f.playbook}, args...)
	cmd := f.net.command("ansible-playbook", args...)
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Env = append([]string{"ANSIBLE_SSH_CONTROL_PATH_DIR=" + tempDir(t), "FLEET_LIMIT=" + f.limit}, f.env...)
	return c
}

func (r result) check(t *testing.T, want map[string]string) {
	t.Helper()
	for h, w := range want {
		if r.did[h] != w {
			t.Errorf("%s: %q, want %q", h, r.did[h], w)
		}
	}
	if t.Failed() {
		t.Log(r.said)
	}
}
