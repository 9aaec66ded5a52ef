package facts

import "regexp"

// moreAgents are further agents, and what older guest tools leave in the boot
// (virt-v2v's list of what it removes; the vendors' packages).
var moreAgents = []agentSign{
	{name: "VMware kernel modules (packages)", platform: "vmware", kernel: true, packages: []string{"kmod-vmware-tools*", "vmware-tools-*kmod*", "vmware-open-vm-tools-kmod*"}},
	{name: "VMware repository", platform: "vmware", lines: []signLine{{"etc/yum.repos.d/*.repo", regexp.MustCompile(`^baseurl\s*=.*packages\.vmware\.com/tools`)}}},
	{name: "VirtualBox kernel modules (packages)", platform: "virtualbox", kernel: true, packages: []string{"virtualbox-guest-dkms", "kmod-VirtualBox-guest*", "virtualbox-guest-kmp-*"}},
	{name: "Xen consoles in inittab", platform: "xen", kernel: true, lines: []signLine{{"etc/inittab", regexp.MustCompile(`(?i)(xvc0|hvc0.*(xen|xe-))`)}}},
	{name: "Xen drivers in SUSE's initrd", platform: "xen", kernel: true, lines: []signLine{{"etc/sysconfig/kernel", regexp.MustCompile(`^INITRD_MODULES=.*\b(xennet|xen-vnif|xenblk|xen-vbd)\b`)}}},
	{name: "Linux Integration Services (packages)", platform: "hyperv", kernel: true, packages: []string{"kmod-microsoft-hyper-v", "microsoft-hyper-v"}},
	{name: "oVirt guest agent", platform: "ovirt", packages: []string{"ovirt-guest-agent*", "rhev-guest-agent*"}, units: []string{"ovirt-guest-agent.service"}},
	{name: "Nutanix guest tools", platform: "nutanix", files: []string{"usr/local/nutanix/ngt"}, packages: []string{"nutanix-guest-agent", "nutanix-vm-mobility"}, units: []string{"ngt_guest_agent.service"}},
	{name: "ec2-net-utils", platform: "aws", packages: []string{"ec2-net-utils", "amazon-ec2-net-utils"}, files: []string{"usr/lib/udev/rules.d/53-ec2-network-interfaces.rules", "etc/udev/rules.d/53-ec2-network-interfaces.rules"}, units: []string{"policy-routes@.service"}},
	{name: "ec2-hibinit-agent", platform: "aws", packages: []string{"ec2-hibinit-agent"}, units: []string{"hibinit-agent.service"}},
	{name: "ec2-instance-connect", platform: "aws", packages: []string{"ec2-instance-connect"}},
	{name: "google-osconfig-agent", platform: "gcp", packages: []string{"google-osconfig-agent"}, units: []string{"google-osconfig-agent.service"}},
	{name: "google-compute-engine", platform: "gcp", packages: []string{"google-compute-engine", "google-compute-engine-oslogin", "gce-configs*"}, units: []string{"google-startup-scripts.service"}},
	{name: "Azure udev rules and VM utilities", platform: "azure", packages: []string{"azure-vm-utils", "WALinuxAgent-udev"}, files: []string{"etc/udev/rules.d/66-azure-storage.rules"}},
	{name: "Telescope", platform: "huawei", files: []string{"usr/local/telescope"}, units: []string{"telescoped.service"}},
	{name: "HostGuard", platform: "huawei", files: []string{"usr/local/hostguard"}, units: []string{"hostguard.service"}},
	{name: "Cloud Assistant of Volcengine", platform: "byteplus", files: []string{"usr/local/cloud-assistant-agent", "opt/cloud-assistant-agent"}, units: []string{"cloud-assistant-agent.service"}},
	{name: "DigitalOcean agent", platform: "digitalocean", packages: []string{"do-agent", "droplet-agent"}, units: []string{"do-agent.service", "droplet-agent.service"}},
	{name: "Vultr or Linode helpers", platform: "linode", packages: []string{"longview", "vultr-*"}},
}

// agentPackages are the packages of agents that are known by files.
var agentPackages = map[string][]string{
	"open-vm-tools":          {"open-vm-tools", "open-vm-tools-desktop"},
	"virtualbox-guest-utils": {"virtualbox-guest-utils", "virtualbox-guest-additions", "virtualbox-guest-additions-iso", "virtualbox-guest-tools"},
	"xe-guest-utilities":     {"xe-guest-utilities*"},
	"hyperv-daemons":         {"hyperv-daemons", "hyperv-tools", "hypervkvpd", "hypervvssd", "linux-cloud-tools-common", "hv-kvp-daemon-init"},
	"qemu-guest-agent":       {"qemu-guest-agent"},
	"walinuxagent":           {"walinuxagent", "WALinuxAgent", "waagent", "python-azure-agent"},
	"google-guest-agent":     {"google-guest-agent"},
	"amazon-ssm-agent":       {"amazon-ssm-agent"},
	"aliyun-service":         {"aliyun-assist", "aliyun_assist"},
	"oracle-cloud-agent":     {"oracle-cloud-agent"},
	"CloudResetPwdAgent":     {"cloudresetpwdagent"},
	"Parallels Tools":        {"parallels-tools"},
}
