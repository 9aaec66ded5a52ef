package dsidentify

import (
	"slices"
	"strings"
)

// Machine is what ds-identify asks of the machine that it runs on.
type Machine struct {
	// Virt is systemd-detect-virt's word ("kvm", "xen", "none", "lxc"); Arch the
	// processor as uname says it, "" for x86_64; Version the kernel's version
	// text, which SmartOS is known by.
	Virt, Arch, Version string
	// The DMI strings.
	Vendor, Board, Product, Serial, UUID, AssetTag string
	// Labels and UUIDs are those of the filesystems, OVF that an ISO 9660 disc
	// holds an OVF environment.
	Labels, UUIDs []string
	OVF           bool
	// Cmdline is the kernel's command line.
	Cmdline string
	// XenUUID is /sys/hypervisor/uuid, Ports the names of the virtio serial
	// ports, PID1Product the variable product_name of process 1.
	XenUUID     string
	Ports       []string
	PID1Product string
	// LXDSocket and SmartSocket are the sockets of LXD and SmartOS.
	LXDSocket, SmartSocket bool
	// OVFInfo, GuestInfo and EnvInfo are data that VMware hands over: the OVF
	// environment, metadata or user data, the same in cloud-init's environment.
	OVFInfo, GuestInfo, EnvInfo bool
}

// containers are the words of systemd-detect-virt for containers.
var containers = []string{"container-other", "lxc", "lxc-libvirt", "systemd-nspawn", "docker", "rkt", "jail"}

func (m *Machine) container() bool { return slices.Contains(containers, m.Virt) }

func (m *Machine) label(names ...string) bool {
	return !m.container() && slices.ContainsFunc(m.Labels, func(l string) bool { return slices.Contains(names, l) })
}

func (m *Machine) x86() bool {
	a := m.Arch
	return a == "" || a == "x86_64" || len(a) == 4 && a[0] == 'i' && strings.HasSuffix(a, "86")
}

func (m *Machine) ibm(g *Guest) bool {
	return m.Virt == "xen" && (g.IBMProvisioning || m.label("METADATA", "metadata") || slices.Contains(m.UUIDs, "9796-932E") && m.label("CONFIG-2", "config-2"))
}

const azureChassis = "7783-7084-3265-9085-8269-3286-77"

// Offering is a machine on which a data source is offered: what the platforms
// that it is for look like. ok is false for a data source whose machines are not
// known.
func Offering(source string) (m Machine, ok bool) {
	m = Machine{Virt: "kvm", Vendor: "QEMU"}
	switch source {
	case "NoCloud":
		m.Labels = []string{"cidata"}
	case "ConfigDrive":
		m.Labels = []string{"config-2"}
	case "OpenNebula":
		m.Labels = []string{"CONTEXT"}
	case "RbxCloud":
		m.Labels = []string{"CLOUDMD"}
	case "OpenStack":
		m.Vendor, m.Product = "OpenStack Foundation", "OpenStack Nova"
	case "Ec2":
		m.Vendor, m.UUID, m.Serial = "Amazon EC2", "ec2e1916-9099-7caf-fd21-012345abcdef", "ec2e1916-9099-7caf-fd21-012345abcdef"
	case "Azure":
		m.Virt, m.Vendor, m.Product, m.AssetTag = "microsoft", "Microsoft Corporation", "Virtual Machine", azureChassis
	case "GCE":
		m.Vendor, m.Product = "Google", "Google Compute Engine"
	case "AliYun":
		m.Vendor, m.Product = "Alibaba Cloud", "Alibaba Cloud ECS"
	case "Oracle":
		m.AssetTag = "OracleCloud.com"
	case "CloudStack":
		m.Product = "CloudStack KVM Hypervisor"
	case "CloudSigma", "CloudCIX":
		m.Product = source
	case "Exoscale":
		m.Product = "Exoscale Compute Platform"
	case "DigitalOcean", "Hetzner", "Vultr", "UpCloud", "Scaleway", "NWCS", "Akamai":
		m.Vendor = source
	case "SmartOS":
		m.Product = "SmartDC HVM"
	case "IBMCloud":
		m.Virt, m.Labels, m.UUIDs = "xen", []string{"config-2"}, []string{"9796-932E"}
	case "OVF":
		m.Virt, m.OVF, m.OVFInfo = "vmware", true, true
	case "VMware":
		m.Virt, m.GuestInfo = "vmware", true
	case "LXD":
		m.Ports, m.Board = []string{"com.canonical.lxd"}, "LXD"
	default:
		return Machine{}, false
	}
	return m, true
}
