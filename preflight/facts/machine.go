package facts

import (
	"os"
	"path"
	"slices"
	"strings"
)

// Machine is what the running system runs on.
type Machine struct {
	// Known says whether Virtual is: it is for the system that migimg runs on, and for no
	// disk of another.
	Known, Virtual bool
	// Name is the maker's and the product's ("Dell Inc. PowerEdge R640"), as the firmware
	// has them; empty where it has none.
	Name string
}

// virtualMakers are the system vendors of virtual machines by their firmware (systemd,
// src/basic/virt.c, and what instances of the clouds show). Processors other than x86 have no
// flag that tells.
var virtualMakers = []string{"QEMU", "KVM", "VMware", "VMW", "innotek GmbH", "VirtualBox", "Oracle Corporation", "Xen", "Bochs", "Parallels", "BHYVE",
	"Microsoft Corporation Virtual Machine", "Amazon EC2", "Google", "Alibaba Cloud", "Tencent Cloud", "Huawei Cloud", "OpenStack", "DigitalOcean", "Hetzner vServer", "Nutanix", "Red Hat", "oVirt", "Scaleway"}

// machine asks the processor and the firmware, if the system on the disk is the one that
// runs: that of another disk, mounted, may have come from anywhere.
func (g *gatherer) machine() {
	if !g.f.Guest.Live || g.f.Guest.RootPath != "/" {
		return
	}
	m := &g.f.Machine
	dmi := path.Join(g.src.sys(), "class/dmi/id")
	vendor, product := oneLine(path.Join(dmi, "sys_vendor")), oneLine(path.Join(dmi, "product_name"))
	m.Name = strings.TrimSpace(vendor + " " + product)
	cpu, err := os.ReadFile(path.Join(g.src.proc(), "cpuinfo"))
	flags, x86 := "", false
	for line := range strings.Lines(string(cpu)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "flags" {
			flags, x86 = v, true
			break
		}
	}
	switch {
	case slices.Contains(strings.Fields(flags), "hypervisor"), oneLine(path.Join(g.src.sys(), "hypervisor/type")) != "":
		m.Known, m.Virtual = true, true
	case slices.ContainsFunc(virtualMakers, func(v string) bool { return strings.HasPrefix(m.Name, v) }):
		m.Known, m.Virtual = true, true
	case err == nil && x86: // every hypervisor sets the flag but those that hide on purpose
		m.Known = true
	}
}

// oneLine is a small file of the kernel's; empty where it cannot be read.
func oneLine(name string) string {
	b, err := os.ReadFile(name)
	if err != nil || len(b) > 4096 {
		return ""
	}
	return strings.TrimSpace(string(b))
}
