package dsidentify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"migimg/internal/need"
	"migimg/preflight/guestfs"
)

type mock struct {
	Name, Out, RET string
	Ret            int
}

// UnmarshalJSON tells RET and ret apart, which encoding/json does not.
func (m *mock) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	for k, to := range map[string]any{"name": &m.Name, "out": &m.Out, "RET": &m.RET, "ret": &m.Ret} {
		if v, ok := raw[k]; ok {
			if err := json.Unmarshal(v, to); err != nil {
				return err
			}
		}
	}
	return nil
}

type scenario struct {
	Test, Config  string
	UpstreamXfail any `json:"upstream_xfail"`
	Input         struct {
		Files          map[string]string
		Mocks          []mock
		NoMocks        []string `json:"no_mocks"`
		Policy         string   `json:"policy_dmi"`
		PolicyNoDMI    string   `json:"policy_no_dmi"`
		Env            map[string]string
		Ec2StrictIDDef string `json:"ec2_strict_id"`
	}
	Result struct {
		RC   int
		List []string `json:"datasource_list"`
	}
}

type corpusFile struct {
	DefaultCfg   string `json:"default_cloud_cfg"`
	DefaultMocks []mock `json:"default_mocks"`
	Cases        []scenario
}

// The recorded answers of upstream's own unit tests.
func TestCorpus(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(need.Corpora(t, "cloud-init-ds-identify"), "ds_identify.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c corpusFile
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	agree := 0
	for _, x := range c.Cases {
		g, m := c.setUp(&x)
		d := g.Decide(m)
		if d.Run == (x.Result.RC == 0) && slices.Equal(d.Sources, x.Result.List) {
			agree++
			continue
		}
		t.Errorf("%s %s: %v %v (%s), want rc %d %v", x.Test, x.Config, d.Run, d.Sources, d.Why, x.Result.RC, x.Result.List)
	}
	t.Logf("%d cases, %d agree", len(c.Cases), agree)
}

func (c *corpusFile) setUp(x *scenario) (Guest, Machine) {
	files := fstest.MapFS{"etc/cloud/cloud.cfg": {Data: []byte(c.DefaultCfg)}}
	for name, text := range x.Input.Files {
		files[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(text)}
	}
	mocks := map[string]mock{}
	for _, list := range [][]mock{c.DefaultMocks, x.Input.Mocks} {
		for _, k := range list {
			if !slices.Contains(x.Input.NoMocks, k.Name) || slices.ContainsFunc(x.Input.Mocks, func(o mock) bool { return o.Name == k.Name }) {
				mocks[k.Name] = k
			}
		}
	}
	yes := func(name string) bool { k, ok := mocks[name]; return ok && k.Ret == 0 }
	m := Machine{Virt: mocks["detect_virt"].RET}
	if v := x.Input.Env["SYSTEMD_VIRTUALIZATION"]; v != "" {
		_, m.Virt, _ = strings.Cut(v, ":")
	}
	if k, ok := mocks["detect_virt_env"]; ok {
		_, m.Virt, _ = strings.Cut(k.RET, ":")
	}
	words := strings.Fields(mocks["uname"].Out)
	m.Arch = words[len(words)-1]
	bsd := words[0] != "Linux"
	if bsd && m.Arch == "amd64" {
		m.Arch = "x86_64"
	}
	m.Version = strings.Join(words[1:len(words)-1], " ")
	dmi := func(name string) string {
		const dir = "sys/class/dmi/id/"
		for _, program := range []string{"get_kenv_field", "get_sysctl_field"} {
			if bsd && yes(program) {
				return mocks[program].RET
			}
		}
		for f := range files {
			if strings.HasPrefix(f, dir) {
				if f, ok := files[dir+name]; ok {
					return strings.TrimSpace(string(f.Data))
				}
				return ""
			}
		}
		if yes("dmi_decode") {
			return mocks["dmi_decode"].RET
		}
		return ""
	}
	m.Vendor, m.Board, m.Product, m.Serial, m.UUID, m.AssetTag = dmi("sys_vendor"), dmi("board_name"), dmi("product_name"), dmi("product_serial"), dmi("product_uuid"), dmi("chassis_asset_tag")
	c.disks(&m, mocks, files)
	if f, ok := files["sys/hypervisor/uuid"]; ok {
		m.XenUUID = string(f.Data)
	}
	for name, f := range files {
		if strings.HasPrefix(name, "sys/class/virtio-ports/") && strings.HasSuffix(name, "/name") {
			m.Ports = append(m.Ports, strings.TrimSpace(string(f.Data)))
		}
	}
	if f, ok := files["ds-identify-env"]; ok {
		m.Cmdline = strings.Trim(strings.TrimPrefix(string(f.Data), "DI_KERNEL_CMDLINE="), "\"")
	}
	if f, ok := files["proc/cmdline"]; ok {
		m.Cmdline = strings.TrimSpace(string(f.Data))
	}
	m.LXDSocket = yes("is_socket_file")
	_, m.SmartSocket = files["native/.zonecontrol/metadata.sock"]
	m.OVFInfo = yes("ovf_vmware_transport_guestinfo")
	m.GuestInfo = yes("vmware_guestinfo_metadata") || yes("vmware_guestinfo_userdata") || yes("vmware_guestinfo_vendordata")
	m.EnvInfo = yes("vmware_has_envvar_vmx_guestinfo") &&
		(yes("vmware_has_envvar_vmx_guestinfo_metadata") || yes("vmware_has_envvar_vmx_guestinfo_userdata") || yes("vmware_has_envvar_vmx_guestinfo_vendordata"))

	g := Read(guestfs.Compose(guestfs.FromFS(files, "test")))
	g.Rules = Upstream()
	g.Rules.PolicyDMI, g.Rules.PolicyNoDMI = x.Input.Policy, x.Input.PolicyNoDMI
	g.VMwareTools = yes("vmware_has_rpctool") || yes("vmware_has_vmtoolsd") || m.OVFInfo
	g.IBMProvisioning = g.IBMProvisioning || yes("is_ibm_provisioning")
	return g, m
}

func (c *corpusFile) disks(m *Machine, mocks map[string]mock, files fstest.MapFS) {
	var dev, label, fstype string
	end := func() {
		name := strings.TrimPrefix(dev, "/dev/")
		if fstype == "iso9660" && strings.HasPrefix(name, "sr") {
			ovf := slices.Contains([]string{"ovf-transport", "ovfenv", "ovf env"}, strings.ToLower(label))
			if f, ok := files["dev/"+name]; ok && strings.Contains(string(f.Data), "schemas.dmtf.org/ovf/environment/1") {
				size := string(files["sys/class/block/"+name+"/size"].Data)
				ovf = ovf || size == "2048\n" || size == "18432\n"
			}
			m.OVF = m.OVF || ovf
		}
		dev, label, fstype = "", "", ""
	}
	for line := range strings.SplitSeq(mocks["blkid"].Out, "\n") {
		switch k, v, _ := strings.Cut(line, "="); k {
		case "DEVNAME":
			end()
			dev = v
		case "LABEL", "LABEL_FATBOOT":
			label, m.Labels = v, append(m.Labels, v)
		case "TYPE":
			fstype = v
		case "UUID":
			m.UUIDs = append(m.UUIDs, v)
		}
	}
	end()
	for line := range strings.SplitSeq(mocks["geom"].Out, "\n") {
		if first, _, _ := strings.Cut(strings.TrimSpace(line), " "); first != "" {
			_, l, _ := strings.Cut(first, "/")
			m.Labels = append(m.Labels, l)
		}
	}
}
