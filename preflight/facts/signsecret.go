package facts

import "regexp"

// secretSigns are files that hold secrets: where they are, never what is in
// them. Patterns of /home take the first maxGlobDirs homes.
var secretSigns = []sign{
	{name: "private SSH keys", files: []string{"root/.ssh/id_*", "home/*/.ssh/id_*", "root/.ssh/*.pem", "home/*/.ssh/*.pem"}, except: "*.pub"},
	{name: "SSH host keys", files: []string{"etc/ssh/ssh_host_*_key"}},
	{name: "credentials of clouds", files: []string{"root/.aws/credentials", "home/*/.aws/credentials", "root/.azure/*.json", "home/*/.azure/*.json",
		"root/.config/gcloud/*.db", "home/*/.config/gcloud/*.db", "root/.config/gcloud/*.json", "home/*/.config/gcloud/*.json", "root/.oci/config", "home/*/.oci/config", "root/.tccli/*.credential", "home/*/.tccli/*.credential", "root/.aliyun/config.json", "home/*/.aliyun/config.json",
		"root/.s3cfg", "home/*/.s3cfg", "root/.config/rclone/rclone.conf", "home/*/.config/rclone/rclone.conf"}},
	{name: "Kubernetes and container credentials", files: []string{"root/.kube/config", "home/*/.kube/config", "etc/kubernetes/admin.conf", "etc/kubernetes/pki/*.key", "etc/rancher/k3s/k3s.yaml", "root/.docker/config.json", "home/*/.docker/config.json"}},
	{name: "passwords for programs", files: []string{"root/.netrc", "home/*/.netrc", "root/.pgpass", "home/*/.pgpass", "root/.my.cnf", "home/*/.my.cnf", "root/.git-credentials", "home/*/.git-credentials", "root/.vault-token", "home/*/.vault-token", "etc/mysql/debian.cnf", "etc/ppp/chap-secrets", "etc/ppp/pap-secrets", "etc/cifs-credentials", "etc/smbcredentials", "etc/rsyncd.secrets"}},
	{name: "shell histories", files: []string{"root/.*_history", "home/*/.*_history"}},
	{name: "TLS private keys", files: []string{"etc/ssl/private/*.key", "etc/ssl/private/*.pem", "etc/pki/tls/private/*.key", "etc/letsencrypt/live/*/privkey.pem", "etc/nginx/ssl/*.key", "etc/apache2/ssl/*.key"}, except: "ssl-cert-snakeoil.key"},
	{name: "VPN keys", files: []string{"etc/wireguard/*.conf", "etc/wireguard/*.key", "etc/openvpn/*.key", "etc/openvpn/*/*.key", "etc/ipsec.secrets", "etc/swanctl/private/*", "etc/ipsec.d/private/*"}},
	{name: "Kerberos and domain secrets", files: []string{"etc/krb5.keytab", "var/lib/samba/private/secrets.tdb", "etc/sssd/*.keytab"}},
	{name: "disk keys", files: []string{"etc/cryptsetup-keys.d/*", "etc/luks/*", "crypto_keyfile.bin", "boot/crypto_keyfile.bin"}},
	{name: "network passwords", lines: []signLine{
		{"etc/NetworkManager/system-connections/*", rePSK}, {"etc/wpa_supplicant/*.conf", rePSK}, {"etc/netplan/*.yaml", regexp.MustCompile(`^password\s*:`)}}},
	{name: "cloud user data", files: []string{"var/lib/cloud/instances/*/user-data.txt", "var/lib/cloud/seed/*/user-data", "var/lib/waagent/ovf-env.xml", "var/lib/waagent/*.prv", "var/lib/waagent/CustomData"}},
	{name: "installers' answers", files: []string{"root/anaconda-ks.cfg", "root/original-ks.cfg", "root/autoinst.xml", "var/log/installer/autoinstall-user-data", "var/lib/autoinstall/*", "var/log/installer/cdebconf/questions.dat"}},
	{name: "core dumps", files: []string{"var/lib/systemd/coredump/*", "var/crash/*", "core", "core.[0-9]*"}},
	{name: "keys of configuration management", files: []string{"etc/salt/pki/minion/minion.pem", "etc/puppetlabs/puppet/ssl/private_keys/*", "var/lib/puppet/ssl/private_keys/*", "etc/chef/client.pem", "etc/chef/validation.pem", "etc/ansible/vault*"}},
}

var rePSK = regexp.MustCompile(`(?i)^(psk|password|wep-key[0-9]|leap-password|private-key-password|ca-password)\s*=\s*\S`)

// identitySigns are what each machine has of its own: two that run from one
// template must not share it.
var identitySigns = []sign{
	{name: "SSH host keys", files: []string{"etc/ssh/ssh_host_*_key"}},
	{name: "D-Bus id", files: []string{"var/lib/dbus/machine-id"}},
	{name: "random seed", files: []string{"var/lib/systemd/random-seed", "var/lib/random-seed", "var/lib/urandom/random-seed", "var/lib/seedrng/seed.credit", "var/lib/misc/random-seed"}},
	{name: "DHCP leases and ids", files: []string{"var/lib/dhcp/*.lease*", "var/lib/dhclient/*.lease*", "var/lib/NetworkManager/*.lease", "var/lib/dhcpcd/duid", "etc/dhcpcd.duid", "var/lib/dhcpcd/*.lease", "var/lib/NetworkManager/secret_key", "var/lib/wicked/duid.xml", "var/lib/wicked/lease-*"}},
	{name: "Red Hat registration", files: []string{"etc/pki/consumer/cert.pem", "etc/pki/entitlement/*.pem", "etc/sysconfig/rhn/systemid"}},
	{name: "Katello consumer certificates", files: []string{"etc/rhsm/ca/katello-server-ca.pem"}, packages: []string{"katello-ca-consumer-*"}},
	{name: "SUSE registration", files: []string{"etc/zypp/credentials.d/SCCcredentials", "etc/zypp/credentials.d/NCCcredentials", "var/lib/zypp/AnonymousUniqueId"}},
	{name: "Ubuntu Pro and Landscape", files: []string{"var/lib/ubuntu-advantage/private/machine-token.json", "var/lib/landscape/client/broker.bpickle"}},
	{name: "Salt minion key", files: []string{"etc/salt/pki/minion/minion.pem", "etc/salt/minion_id"}},
	{name: "Puppet certificate", files: []string{"etc/puppetlabs/puppet/ssl/certs/*.pem", "var/lib/puppet/ssl/certs/*.pem"}},
	{name: "Chef client key", files: []string{"etc/chef/client.pem"}},
	{name: "domain membership", files: []string{"etc/krb5.keytab", "var/lib/samba/private/secrets.tdb"}},
	{name: "iSCSI and NVMe names", files: []string{"etc/iscsi/initiatorname.iscsi", "etc/nvme/hostid", "etc/nvme/hostnqn"}},
	{name: "cloud-init instance", files: []string{"var/lib/cloud/instance", "var/lib/cloud/data/instance-id"}},
	{name: "network names bound to cards", files: []string{"etc/udev/rules.d/70-persistent-net.rules"}},
	{name: "mail queue", files: []string{"var/spool/postfix/deferred/*/*", "var/spool/postfix/active/*", "var/spool/exim4/input/*", "var/spool/mqueue/*"}},
	{name: "logs of logins", files: []string{"var/log/wtmp", "var/log/lastlog"}},
}

// applianceSigns are systems that nobody keeps by editing files, or that are no
// general Linux: the class says which kind.
var applianceSigns = []sign{
	{name: "Flatcar or CoreOS Container Linux", class: "ignition", lines: []signLine{{"usr/lib/os-release", regexp.MustCompile(`^ID="?(coreos|flatcar)\b`)}}, files: []string{"usr/share/oem/grub.cfg"}},
	{name: "Fedora or Red Hat CoreOS", class: "ignition", lines: []signLine{{"usr/lib/os-release", regexp.MustCompile(`^(VARIANT_ID="?coreos\b|ID="?rhcos\b)`)}}},
	{name: "an ostree system", class: "image", files: []string{"ostree/deploy", "sysroot/ostree/deploy"}},
	{name: "NixOS", class: "generated", files: []string{"etc/NIXOS"}, lines: []signLine{{"etc/os-release", regexp.MustCompile(`^ID="?nixos\b`)}}},
	{name: "Guix System", class: "generated", lines: []signLine{{"etc/os-release", regexp.MustCompile(`^ID="?guix\b`)}}},
	{name: "openSUSE MicroOS or SLE Micro", class: "image", lines: []signLine{{"usr/lib/os-release", regexp.MustCompile(`^ID="?(opensuse-microos|opensuse-leap-micro|sle-micro|sl-micro|suse-microos)\b`)}}},
	{name: "Talos Linux", class: "image", lines: []signLine{{"etc/os-release", regexp.MustCompile(`^ID="?talos\b`)}}},
	{name: "Bottlerocket", class: "image", lines: []signLine{{"etc/os-release", regexp.MustCompile(`^ID="?bottlerocket\b`)}}},
	{name: "RancherOS or k3OS", class: "image", lines: []signLine{{"etc/os-release", regexp.MustCompile(`^ID="?(rancheros|k3os)\b`)}}},
	{name: "Ubuntu Core", class: "image", lines: []signLine{{"etc/os-release", regexp.MustCompile(`^ID="?ubuntu-core\b`)}}},
	{name: "a VMware appliance", class: "appliance", files: []string{"opt/vmware/share/vami", "etc/vmware-vpx/version", "usr/lib/vmware-vpx"}},
	{name: "an ESXi host", class: "foreign", files: []string{"etc/vmware/esx.conf"}},
	{name: "FreeBSD", class: "foreign", files: []string{"etc/freebsd-update.conf", "boot/kernel/kernel"}},
	{name: "a network appliance (VyOS, OPNsense)", class: "appliance", files: []string{"opt/vyatta/etc/config", "usr/local/opnsense"}},
	{name: "a NAS system (TrueNAS, Synology, QNAP)", class: "appliance", files: []string{"etc/synoinfo.conf", "etc/config/qpkg.conf", "data/freenas-v1.db"}},
	{name: "a container's root", class: "container", files: []string{".dockerenv", "run/.containerenv"}},
}
