package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/preflight/checks"
	"migimg/preflight/targets"
	"migimg/verify"
	"migimg/verify/boot"
)

// TestBootChecks: what a failed start points to is there.
func TestBootChecks(t *testing.T) {
	var ids []string
	for _, c := range checks.All() {
		ids = append(ids, c.ID)
	}
	for _, k := range boot.Kinds() {
		for _, id := range k.Checks() {
			if !slices.Contains(ids, id) {
				t.Errorf("%s: there is no check %s", k, id)
			}
		}
	}
}

// TestBootTargets: every target has a machine, and one that QEMU has not says so.
func TestBootTargets(t *testing.T) {
	ts, err := targets.All()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"aws-import-image": "nvme e1000 *", "azure-gen1": "sata e1000 *", "digitalocean": "virtio-blk virtio-net", "gcp-images-create": "virtio-scsi virtio-net",
		"kvm": "virtio-blk virtio-net", "proxmox": "virtio-scsi virtio-net", "tencent": "virtio-blk virtio-net", "virtualbox": "sata e1000",
		"vsphere": "pvscsi vmxnet3", "xcp-ng": "ide rtl8139",
	}
	disk := make([]byte, 1<<20)
	for _, x := range ts {
		m, err := boot.Choose(bytes.NewReader(disk), int64(len(disk)), boot.Wish{Firmware: boot.BIOS, Target: bootTarget(x)})
		if err != nil {
			t.Errorf("%s: %v", x.ID, err)
			continue
		}
		got := m.Bus + " " + m.NIC
		if slices.ContainsFunc(m.Notes, func(s string) bool { return strings.Contains(s, "QEMU has no") }) {
			got += " *"
		}
		if w, ok := want[x.ID]; ok && got != w {
			t.Errorf("%s: %s, must be %s", x.ID, got, w)
		}
		delete(want, x.ID)
	}
	if len(want) > 0 {
		t.Errorf("no targets %v", want)
	}
}

func TestBootReport(t *testing.T) {
	mount := t.TempDir()
	err := os.WriteFile(filepath.Join(mount, "preflight.json"), []byte(`{"checks": [
		{"id": "boot.kernel-files", "status": "pass", "summary": "all there"},
		{"id": "driver.boot-disk", "status": "unknown", "summary": "for some", "status_by_target": {"kvm": "fail", "aws": "pass"}, "summary_by_target": {"kvm": "no virtio_blk"}},
		{"id": "net.firewall", "status": "fail", "summary": "another matter"}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f := &boot.Failure{Kind: boot.InitramfsSh, Title: boot.InitramfsSh.Title(), Seen: []string{"(initramfs)"}, Checks: boot.InitramfsSh.Checks()}
	for _, c := range []struct {
		name, target string
		result       boot.Result
		status       verify.Status
		say          []string // of the table
		not          string
	}{
		{"passed", "kvm", boot.Result{Verdict: boot.Pass, Reached: boot.Login}, verify.Pass, []string{"it starts"}, "preflight"},
		{"foretold", "kvm", boot.Result{Verdict: boot.Fail, Reached: boot.Kernel, Failure: f, Console: "/x/console.log"}, verify.Fail,
			[]string{"initramfs-shell", "it says: (initramfs)", "preflight: driver.boot-disk: fail: no virtio_blk", "/x/console.log"}, "net.firewall"},
		{"by the worst of all targets", "", boot.Result{Verdict: boot.Fail, Failure: f}, verify.Fail, []string{"driver.boot-disk: unknown: for some"}, "kernel-files"},
		{"not foretold", "aws", boot.Result{Verdict: boot.Fail, Failure: f}, verify.Fail, []string{"none of its checks foretold this: driver.boot-disk"}, "no virtio_blk"},
		{"undecided", "kvm", boot.Result{Verdict: boot.Unknown, Reason: "too early"}, verify.Unknown, []string{"too early"}, "preflight"},
	} {
		b := &booter{target: c.target}
		r := &verify.Report{Image: "x", Verdict: verify.Pass}
		r.Add(bootReport(&c.result, b.foretold(mount, c.result.Failure)))
		var out bytes.Buffer
		if err := verify.WriteTable(&out, r); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.say {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%s: no %q in\n%s", c.name, s, out.String())
			}
		}
		if r.Verdict != c.status || strings.Contains(out.String(), c.not) {
			t.Errorf("%s: %s, must be %s, without %q:\n%s", c.name, r.Verdict, c.status, c.not, out.String())
		}
	}
	r := &verify.Report{}
	r.Add(bootReport(&boot.Result{Verdict: boot.Fail, Failure: f}, nil))
	if p := r.Aspects[0].Problems; !strings.Contains(p[len(p)-2].What, "look at these checks of migimg preflight: driver.boot-disk") {
		t.Errorf("without a mount: %+v", p)
	}
}
