package checks

import (
	"strings"
	"testing"

	"migimg/preflight/facts"
	"migimg/preflight/facts/kmod"
	"migimg/preflight/targets"
)

// What is missing is named in the words of the distribution, with the target's
// modules and no others.
func TestFixInitramfs(t *testing.T) {
	azure := &targets.Target{ID: "a", Title: "A", Sources: []targets.Source{{Ref: "https://example.org/a", Title: "drivers"}},
		Disk:  targets.Groups{AnyOf: [][]string{{"hv_vmbus", "hv_storvsc"}, {"nvme"}}},
		NIC:   targets.Groups{AnyOf: [][]string{{"hv_vmbus", "hv_netvsc"}}},
		Extra: []targets.Extra{{Any: []string{"nvme"}, Why: "newer sizes", Early: true, Severity: "low"}}}
	kvm := &targets.Target{ID: "k", Title: "K", Disk: targets.Groups{AnyOf: [][]string{{"virtio_pci", "virtio_blk"}}}}
	for _, c := range []struct {
		os     string
		target *targets.Target
		check  *Check
		status Status
		want   string
	}{
		{"debian", azure, &driverBootDisk, Fail, "/etc/initramfs-tools/modules: hv_vmbus hv_storvsc hv_netvsc"},
		{"debian", azure, &driverTargetExtra, Warn, "/etc/initramfs-tools/modules: nvme"},
		{"fedora", azure, &driverBootDisk, Fail, `add_drivers+=" hv_vmbus hv_storvsc hv_netvsc "`},
		{"arch", azure, &driverBootDisk, Fail, "MODULES=(hv_vmbus hv_storvsc hv_netvsc)"},
		{"alpine", azure, &driverBootDisk, Fail, "features.d/target.modules"},
		{"alpine", kvm, &driverBootDisk, Fail, "Add virtio to features"},
		{"gentoo", azure, &driverBootDisk, Fail, "with the modules hv_vmbus hv_storvsc hv_netvsc"},
	} {
		f := &facts.Facts{OS: facts.OS{ID: c.os}, Disk: facts.Disk{}, Drivers: facts.Drivers{Kernel: "6.1", Initrds: []facts.Initrd{{Path: "/boot/initrd"}}, Modules: map[string]facts.ModuleState{}}}
		for _, m := range append(azure.Modules(), kvm.Modules()...) {
			f.Drivers.Modules[m] = facts.ModuleState{Status: kmod.StatusModule, Available: kmod.Yes}
		}
		f.Boot.Default = -1
		r := c.check.Judge(f, c.target)
		var text []string
		for _, m := range r.Remediation {
			text = append(text, m.Text, m.URL)
		}
		if all := strings.Join(text, " "); r.Status != c.status || !strings.Contains(all, c.want) || c.target == azure && !strings.Contains(all, "https://example.org/a") {
			t.Errorf("%s, %s: %s %q, want %q", c.os, c.check.ID, r.Status, all, c.want)
		}
	}
}
