// Package dsidentify decides, for a guest on a disk and a machine that it would
// start on, what cloud-init's program ds-identify decides there at boot: whether
// cloud-init runs at all, and which data sources it asks.
//
// The program is a shell script that looks at files of the guest (its
// configuration, seeds) and at the machine (DMI strings, labels of filesystems,
// the hypervisor). Both are parameters here, so that a guest can be judged for a
// machine that does not exist yet. The script's version matters: what differs is
// read from the guest's own script ([Rules]).
//
// Source: canonical/cloud-init, tools/ds-identify at 04eacd06 (2026-08) and at
// 22.4.2.
package dsidentify

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/guestfs"
)

// Guest is what ds-identify finds in the guest's files. It holds no
// configuration text: that may carry passwords.
type Guest struct {
	Rules Rules
	// List is datasource_list as the script reads it, which is not as YAML is
	// read: one line, the last one of all files. Nil where it finds none and
	// takes its built-in list. ListFile is the file's guest path.
	List     []string
	ListFile string
	// Datasource and Policy are what /etc/cloud/ds-identify.cfg sets, and Ec2
	// the strict_id that a file sets; empty for nothing.
	Datasource, Policy, Ec2 string
	// ManualClean says that the last instance is kept whatever the machine is.
	ManualClean bool
	// Found are data sources that are found on every machine, by a seed or a
	// mark on the disk, and FoundBy the guest path of each.
	Found   []string
	FoundBy map[string]string
	// IBMProvisioning is the mark of a first boot at IBM; VMwareTools and
	// VMwarePlugin are the programs that ask VMware, and CustomizationOn that the
	// configuration lets it set up the guest.
	IBMProvisioning, VMwareTools, VMwarePlugin, CustomizationOn bool
	// Problems are files that could not be read: the answer is unsure.
	Problems []string
}

// The guest's files.
const (
	configFile = "etc/cloud/cloud.cfg"
	configDir  = "etc/cloud/cloud.cfg.d"
	ownConfig  = "etc/cloud/ds-identify.cfg"
	seedDir    = "var/lib/cloud/seed"
)

// seeds are the files by which a data source is found, whatever the machine. All
// files of a row must be there.
var seeds = []struct {
	source string
	files  []string
}{
	{"NoCloud", []string{seedDir + "/nocloud/meta-data", seedDir + "/nocloud/user-data"}},
	{"NoCloud", []string{seedDir + "/nocloud-net/meta-data", seedDir + "/nocloud-net/user-data"}},
	{"NoCloud", []string{"writable/system-data/" + seedDir + "/nocloud/meta-data", "writable/system-data/" + seedDir + "/nocloud/user-data"}},
	{"NoCloud", []string{"writable/system-data/" + seedDir + "/nocloud-net/meta-data", "writable/system-data/" + seedDir + "/nocloud-net/user-data"}},
	{"ConfigDrive", []string{"config-drive/openstack/2???-??-??/meta_data.json"}},
	{"ConfigDrive", []string{seedDir + "/config_drive/openstack/2???-??-??/meta_data.json"}},
	{"ConfigDrive", []string{seedDir + "/config_drive/openstack/latest/meta_data.json"}},
	{"OpenNebula", []string{seedDir + "/opennebula/meta-data"}},
	{"OVF", []string{seedDir + "/ovf/ovf-env.xml"}},
	{"Azure", []string{seedDir + "/azure/ovf-env.xml"}},
	{"Bigstep", []string{"var/lib/cloud/data/seed/bigstep/url"}},
	{"Ec2", []string{seedDir + "/ec2/meta-data", seedDir + "/ec2/user-data"}},
	{"AliYun", []string{seedDir + "/AliYun/meta-data", seedDir + "/AliYun/user-data"}},
	{"Scaleway", []string{"var/run/scaleway"}},
	{"Vultr", []string{"etc/vultr"}},
}

// Read looks at a guest. What cannot be read is in Problems.
func Read(fsys guestfs.FS) Guest {
	r := reader{fsys: fsys}
	g := Guest{FoundBy: map[string]string{}}
	g.Rules = r.rules()
	for _, s := range seeds {
		if at := r.all(s.files); at != "" && g.FoundBy[s.source] == "" {
			g.Found, g.FoundBy[s.source] = append(g.Found, s.source), "/"+at
		}
	}
	r.config(&g)
	for key, to := range map[string]*string{"datasource": &g.Datasource, "policy": &g.Policy} {
		*to = r.own(key)
	}
	if g.Ec2 == "" {
		g.Ec2 = r.own("ci.datasource.ec2.strict_id")
	}
	g.ManualClean = r.has("var/lib/cloud/instance/manual-clean")
	g.IBMProvisioning = r.has("root/provisioningConfiguration.cfg") && !r.has("root/swinstall.log")
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/local/bin", "bin"} {
		g.VMwareTools = g.VMwareTools || r.has(dir+"/vmware-rpctool") || !g.Rules.Old && r.has(dir+"/vmtoolsd")
	}
	for _, lib := range []string{"usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib/i386-linux-gnu"} {
		for _, tools := range []string{"vmware-tools", "open-vm-tools"} {
			g.VMwarePlugin = g.VMwarePlugin || r.has(path.Join(lib, tools, "plugins/vmsvc/libdeployPkgPlugin.so"))
		}
	}
	g.Problems = r.problems
	return g
}

// reader reads files and keeps what went wrong.
type reader struct {
	fsys     guestfs.FS
	ownLines []string
	ownRead  bool
	problems []string
}

func (r *reader) text(name string) (string, bool) {
	b, err := guestfs.ReadFile(r.fsys, name, guestfs.MaxConfig)
	r.note(err)
	return string(b), err == nil
}

func (r *reader) note(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.problems = append(r.problems, err.Error())
	}
}

func (r *reader) has(name string) bool {
	ok, err := guestfs.Exists(r.fsys, name)
	r.note(err)
	return ok
}

// all is the first name if there is a file for each of the patterns.
func (r *reader) all(patterns []string) (first string) {
	for _, p := range patterns {
		name := p
		if strings.Contains(p, "?") {
			names, err := fs.Glob(r.fsys, p)
			if err != nil || len(names) == 0 {
				return ""
			}
			name = names[0]
		}
		if !r.has(name) {
			return ""
		}
		if first == "" {
			first = name
		}
	}
	return first
}

// own is a value of /etc/cloud/ds-identify.cfg: of equal keys the last counts.
func (r *reader) own(key string) (value string) {
	if !r.ownRead {
		s, _ := r.text(ownConfig)
		r.ownLines, r.ownRead = strings.Split(s, "\n"), true
	}
	for _, line := range r.ownLines {
		line, _, _ = strings.Cut(line, "#")
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			value = unquote(strings.TrimSpace(v))
		}
	}
	return value
}

func unquote(s string) string {
	if n := len(s); n >= 2 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return s[1 : n-1]
	}
	return s
}
