package dsidentify

import (
	"slices"
	"strings"
)

// answer is what a look for a data source comes to.
type answer uint8

const (
	notFound answer = iota
	found
	maybe
)

func when(b bool) answer {
	if b {
		return found
	}
	return notFound
}

// look answers for one data source. The order of the questions is the script's
// where it matters. What a container has of DMI is its host's and does not
// count.
func (d *decider) look(source string) answer {
	g, m := d.g, d.m
	if slices.Contains(g.Found, source) && (source != "MAAS" || !m.container()) {
		return found
	}
	host := !m.container()
	switch source {
	case "NoCloud":
		return when(strings.Contains(" "+m.Serial+" ", " ds=nocloud") || m.label("cidata", "CIDATA") || g.Rules.Old && strings.Contains(" "+m.Cmdline, " ds=nocloud"))
	case "MAAS":
		const iqn = "iqn.2004-05.com.ubuntu:maas"
		return when(host && strings.Contains(m.Cmdline, "cloud-config-url=") && strings.Contains(m.Cmdline, iqn))
	case "ConfigDrive":
		return when(d.configDrive())
	case "OpenStack":
		return d.openStack()
	case "Ec2":
		return d.ec2()
	case "Azure":
		return when(host && m.AssetTag == azureChassis)
	case "GCE":
		return when(host && (m.Product == "Google Compute Engine" || strings.HasPrefix(m.Serial, "GoogleCloud-")))
	case "AliYun":
		return when(host && m.Product == "Alibaba Cloud ECS")
	case "Oracle":
		return when(host && m.AssetTag == "OracleCloud.com")
	case "CloudStack", "Exoscale":
		return when(host && strings.HasPrefix(m.Product, source))
	case "CloudSigma", "CloudCIX":
		return when(host && m.Product == source)
	case "DigitalOcean", "UpCloud", "Hetzner", "NWCS":
		return when(host && m.Vendor == source)
	case "Akamai":
		return when(host && (m.Vendor == "Linode" || m.Vendor == "Akamai"))
	case "Scaleway":
		return when(m.Vendor == source || d.argument("scaleway"))
	case "Vultr":
		return when(host && m.Vendor == source || d.argument("vultr"))
	case "OpenNebula":
		return when(m.label("CONTEXT", "CDROM"))
	case "RbxCloud":
		return when(m.label("CLOUDMD", "cloudmd"))
	case "SmartOS":
		return when(host && strings.HasPrefix(m.Product, "SmartDC") || m.Version == "BrandZ virtual linux" && m.SmartSocket)
	case "IBMCloud":
		return when(!g.IBMProvisioning && m.ibm(g))
	case "LXD":
		kvm := m.Virt == "kvm" || m.Virt == "qemu"
		port := slices.Contains(m.Ports, "com.canonical.lxd") || slices.Contains(m.Ports, "org.linuxcontainers.lxd")
		return when(m.LXDSocket || kvm && (port && !g.Rules.Old || m.Board == "LXD" && g.Rules.Old))
	case "OVF":
		if m.Virt == "none" || host && m.AssetTag == azureChassis {
			return notFound
		}
		// Up to 23 the customization by VMware was OVF's.
		return when(m.Virt == "vmware" && m.OVFInfo && g.VMwareTools || host && m.OVF || g.Rules.Old && d.customized())
	case "VMware":
		return when(m.EnvInfo || m.Virt == "vmware" && g.VMwareTools && (m.GuestInfo || !g.Rules.Old && d.customized()))
	}
	// AltCloud needs a floppy disk or a CD-ROM of platforms that are gone, and WSL
	// is no machine that takes an image.
	return notFound
}

func (d *decider) argument(word string) bool {
	return slices.Contains(strings.Fields(d.m.Cmdline), word)
}

func (d *decider) customized() bool {
	return d.m.Virt == "vmware" && d.g.VMwarePlugin && d.g.CustomizationOn
}

func (d *decider) configDrive() bool {
	if slices.Contains(d.g.Found, "ConfigDrive") {
		return true
	}
	if slices.Contains(d.list, "IBMCloud") && d.m.ibm(d.g) {
		return false
	}
	return d.m.label("CONFIG-2", "config-2")
}

// openStackTags are asset tags of clouds that are OpenStack.
var openStackTags = []string{"OpenTelekomCloud", "SAP CCloud VM", "HUAWEICLOUD", "OpenStack Nova", "OpenStack Compute"}

func (d *decider) openStack() answer {
	m := d.m
	if d.configDrive() {
		return notFound
	}
	host := !m.container()
	switch {
	case host && (m.Product == "OpenStack Nova" || m.Product == "OpenStack Compute"), m.PID1Product == "OpenStack Nova",
		host && slices.Contains(openStackTags, m.AssetTag), host && m.AssetTag == "Samsung Cloud Platform" && !d.g.Rules.Old:
		return found
	case !m.x86():
		return maybe
	}
	return notFound
}

func (d *decider) ec2() answer {
	g, m := d.g, d.m
	if m.container() {
		return notFound
	}
	uuid, serial := strings.ToLower(m.UUID), strings.ToLower(m.Serial)
	octet, _, _ := strings.Cut(uuid, "-")
	aws := strings.HasPrefix(octet, "ec2") || swapped(octet)
	if g.Rules.Old {
		aws = strings.HasPrefix(uuid, "ec2") && uuid == serial
	}
	switch {
	case strings.HasSuffix(m.Serial, ".brightbox.com"), strings.HasSuffix(m.AssetTag, ".zstack.io"), m.Vendor == "e24cloud", m.Vendor == "Tilaa" && !g.Rules.Old,
		m.Product == "3DS Outscale VM" && m.Vendor == "3DS Outscale", strings.HasPrefix(m.XenUUID, "ec2"), aws:
		return found
	}
	strict := g.Ec2
	for w := range strings.FieldsSeq(m.Cmdline) {
		if v, ok := strings.CutPrefix(w, "ci.datasource.ec2.strict_id="); ok {
			strict = v
		}
	}
	if strict == "false" || strict == "warn" || strings.HasPrefix(strict, "warn,") {
		return maybe
	}
	return notFound
}

// swapped is the first part of an AWS uuid with its bytes in the other order:
// xx2xxxEC, where the last but two is any digit.
func swapped(octet string) bool {
	n := len(octet)
	return n >= 4 && octet[n-2:] == "ec" && octet[n-4] == '2' && strings.ContainsRune("0123456789abcdef", rune(octet[n-3]))
}
