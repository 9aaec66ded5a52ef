//go:build integration

package dsidentify

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"migimg/internal/need"
	"migimg/preflight/guestfs"
)

// original is ds-identify of Debian's package cloud-init, or of the file that
// MIGIMG_DS_IDENTIFY names. The package is unpacked only: installed it would run
// at the next boot.
func original(t *testing.T) []byte {
	t.Helper()
	name := os.Getenv("MIGIMG_DS_IDENTIFY")
	if name == "" {
		need.Tool(t, "apt-get", "dpkg-deb")
		dir := t.TempDir()
		for _, argv := range [][]string{{"apt-get", "download", "cloud-init"}, {"sh", "-ec", "dpkg-deb -x *.deb ."}} {
			cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%q: %v: %s", argv, err, out)
			}
		}
		name = filepath.Join(dir, scripts[0])
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// guests are what of a guest matters; the key "cmdline" is the machine's.
var oracleGuests = []map[string]string{
	{},
	{configFile: "users: [default]\n"},
	{configFile: "datasource_list: [ NoCloud, ConfigDrive, None ]\n"},
	{configFile: "datasource_list: [ Ec2 ]\n"},
	{configFile: "datasource_list: [ Ec2, None ]\n"},
	{configFile: "datasource_list: ['Azure', \"Ec2\", GCE]\n"},
	{configFile: "datasource_list:\n  - Ec2\n  - None\n"},
	{configFile: "  datasource_list: [ GCE, Azure, None ] # comment\n"},
	{configFile: "#datasource_list: [ GCE ]\n"},
	{configFile: "datasource_list: [ None ]\n"},
	{configFile: "datasource_list : [ Ec2, ConfigDrive ]\n"},
	{configFile: "\"datasource_list\": [ Ec2, ConfigDrive ]\n"},
	{configFile: "x_datasource_list: [ Ec2, ConfigDrive ]\n"},
	{configFile: "datasource_list: [ Ec2, ConfigDrive ]\n", configDir + "/99.cfg": "datasource_list: [ OpenStack, NoCloud, None ]\n"},
	{configFile: "datasource_list: [ Ec2, ConfigDrive ]\n", configDir + "/99.txt": "datasource_list: [ OpenStack ]\n"},
	{configDir + "/10.cfg": "datasource_list: [ Ec2, OpenStack ]\n", configDir + "/90.cfg": "datasource_list: [ AliYun, GCE, None ]\n"},
	{configFile: "datasource_list: [ Ec2, OpenStack ]\n", configDir + "/90.cfg": "datasource_list:\n"},
	{configFile: "datasource_list: [ Unheard, Ec2, OpenStack ]\n"},
	{seedDir + "/nocloud/meta-data": "", seedDir + "/nocloud/user-data": ""},
	{seedDir + "/nocloud-net/meta-data": ""},
	{seedDir + "/nocloud-net/meta-data": "", seedDir + "/nocloud-net/user-data": "", configFile: "datasource_list: [ Ec2, NoCloud ]\n"},
	{seedDir + "/config_drive/openstack/latest/meta_data.json": "{}"},
	{seedDir + "/config_drive/openstack/2015-10-15/meta_data.json": "{}"},
	{seedDir + "/ec2/meta-data": "", seedDir + "/ec2/user-data": ""},
	{seedDir + "/azure/ovf-env.xml": ""}, {seedDir + "/ovf/ovf-env.xml": ""}, {seedDir + "/opennebula/meta-data": ""}, {seedDir + "/AliYun/meta-data": ""},
	{"etc/vultr": ""}, {"var/run/scaleway": ""}, {"var/lib/cloud/data/seed/bigstep/url": ""},
	{ownConfig: "datasource: Ec2\n"}, {ownConfig: "datasource: 'NoCloud' # x\npolicy: enabled\n"},
	{ownConfig: "policy: disabled\n"}, {ownConfig: "policy: enabled\n"}, {ownConfig: "policy: report\n"},
	{ownConfig: "policy: search,found=first,maybe=all,notfound=enabled\n"},
	{ownConfig: "policy: \"search,found=none,maybe=x,notfound=x\"\n"},
	{ownConfig: " policy : report,notfound=enabled\n#datasource: Ec2\n"},
	{ownConfig: "ci.datasource.ec2.strict_id: false\npolicy: search,maybe=all\n"},
	{configFile: "datasource:\n  Ec2:\n    strict_id: warn\n", ownConfig: "policy: search,maybe=all\n"},
	{configDir + "/50-Ec2.cfg": "datasource:\n  Ec2:\n    strict_id: false\n", ownConfig: "policy: search,maybe=all\n"},
	{configDir + "/50-x.cfg": "datasource:\n  Ec2:\n    strict_id: false\n", ownConfig: "policy: search,maybe=all\n"},
	{"cmdline": "root=/dev/vda1 ci.ds=Ec2"}, {"cmdline": "ds=nocloud;s=http://x/ quiet"}, {"cmdline": "ci.di.policy=disabled"}, {"cmdline": "ci.datasource=GCE ci.di.policy=report"},
	{"cmdline": "ci.di.policy=search,found=first", configFile: "datasource_list: [ NoCloud, ConfigDrive, Ec2 ]\n"},
	{"cmdline": "quiet scaleway"}, {"cmdline": "vultr quiet"}, {"cmdline": "ci.datasource.ec2.strict_id=false ci.di.policy=search,maybe=all"},
	{"cmdline": "cc:{'datasource_list':['Ec2','NoCloud']}end_cc"},
	{"var/lib/cloud/instance/manual-clean": ""},
	{configFile: "datasource:\n  NoCloud:\n    user-data: |\n      x\n    meta-data: |\n      y\n"},
	{configFile: "datasource:\n  NoCloud:\n    seedfrom: http://x/\n"},
	{configFile: "datasource:\n  MAAS:\n    metadata_url: x\n"},
}

func TestAgainstScript(t *testing.T) {
	b := original(t)
	machines := map[string]Machine{"kvm": {Virt: "kvm", Vendor: "QEMU"}, "metal": {Virt: "none", Vendor: "Dell Inc."}, "lxc": {Virt: "lxc", Vendor: "Amazon EC2"}, "xen": {Virt: "xen", XenUUID: "ec2c6e2f-5fac"},
		"arm": {Virt: "kvm", Arch: "aarch64"}, "config-2 on Nova": {Virt: "kvm", Product: "OpenStack Nova", Labels: []string{"CONFIG-2"}}, "HUAWEI": {Virt: "kvm", AssetTag: "HUAWEICLOUD"}, "cidata and Ec2": {Virt: "kvm", UUID: "ec2a", Serial: "ec2a", Labels: []string{"CIDATA"}}}
	for _, s := range Upstream().Default {
		// What VMware hands over comes from programs of the guest.
		if m, ok := Offering(s); ok && m.Virt != "vmware" {
			machines[s] = m
		}
	}
	cases, differ := 0, 0
	for i, files := range oracleGuests {
		root := t.TempDir()
		write := func(name, text string) {
			p := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write(scripts[0], string(b))
		for name, text := range files {
			if name != "cmdline" {
				write(name, text)
			}
		}
		tree, err := guestfs.Live(root)
		if err != nil {
			t.Fatal(err)
		}
		g := Read(guestfs.Compose(tree))
		for name, m := range machines {
			// Every machine for the first few guests, the telling ones for the rest.
			if i > 2 && !slices.Contains([]string{"ConfigDrive", "Ec2", "kvm", "arm", "lxc"}, name) {
				continue
			}
			m.Cmdline = files["cmdline"]
			rc, list, out := runScript(t, root, &m, write)
			d := g.Decide(m)
			cases++
			if d.Run != (rc == 0) || !slices.Equal(d.Sources, list) {
				differ++
				t.Errorf("guest %d %q on %s: %v %q (%s), the script says %d %q\n%s", i, files, name, d.Run, d.Sources, d.Why, rc, list, out)
			}
		}
		_ = tree.Close()
	}
	t.Logf("%d guests on %d machines, %d cases, %d differ; old %v", len(oracleGuests), len(machines), cases, differ, bytes.Contains(b, []byte("get_single_line_flow_sequence")) == false)
}

// runScript runs the script over a tree with the machine's answers in the place
// of the programs that it asks.
func runScript(t *testing.T, root string, m *Machine, write func(name, text string)) (rc int, list []string, out []byte) {
	t.Helper()
	for _, d := range []string{"sys", "run", "proc"} {
		if err := os.RemoveAll(filepath.Join(root, d)); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range map[string]string{"sys_vendor": m.Vendor, "board_name": m.Board, "product_name": m.Product, "product_serial": m.Serial, "product_uuid": m.UUID, "chassis_asset_tag": m.AssetTag} {
		write("sys/class/dmi/id/"+name, v+"\n")
	}
	if m.XenUUID != "" {
		write("sys/hypervisor/uuid", m.XenUUID+"\n")
	}
	for i, p := range m.Ports {
		write(fmt.Sprintf("sys/class/virtio-ports/vport0p%d/name", i), p+"\n")
	}
	write("proc/cmdline", m.Cmdline+"\n")
	write("proc/1/cmdline", m.Cmdline)
	var blkid strings.Builder
	blkid.WriteString("DEVNAME=/dev/vda1\nTYPE=ext4\n")
	for i, l := range m.Labels {
		fmt.Fprintf(&blkid, "\nDEVNAME=/dev/vd%c\nLABEL=%s\nTYPE=vfat\n", 'b'+i, l)
		if i < len(m.UUIDs) {
			fmt.Fprintf(&blkid, "UUID=%s\n", m.UUIDs[i])
		}
	}
	write("run/blkid", blkid.String())
	arch := m.Arch
	if arch == "" {
		arch = "x86_64"
	}
	const wrapper = `DI_MAIN=noop; . "$1"; virt=$2; arch=$3
detect_virt() { _RET=$virt; }
blkid() { cat "$PATH_ROOT/run/blkid"; }
uname() { case "$1" in -snrvmo) echo "Linux host 6.1.0 #1 SMP $arch GNU/Linux";; *) echo "Linux #1 SMP $arch";; esac; }
is_socket_file() { return 1; }
main --force`
	cmd := exec.CommandContext(t.Context(), "sh", "-c", wrapper, "sh", filepath.Join(root, scripts[0]), m.Virt, arch)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PATH_ROOT=" + root, "DI_LOG=stderr"}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() < 0 {
		t.Fatalf("%v: %s", err, out)
	}
	cfg, _ := os.ReadFile(filepath.Join(root, "run/cloud-init/cloud.cfg"))
	for line := range strings.Lines(string(cfg)) {
		if v, ok := strings.CutPrefix(line, "datasource_list: "); ok {
			list = flow(strings.TrimSpace(v))
		}
	}
	return cmd.ProcessState.ExitCode(), list, out
}
