package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// CloudInit is cloud-init as it would run at the next boot.
type CloudInit struct {
	// Installed: its program and its Python package are there.
	Installed bool
	Evidence  []string
	// Disabled are the reasons why it would not run; Enabled are the units (or
	// init scripts) that start it.
	Disabled []string
	Enabled  []string
	// Datasources is the effective list, nil where no file sets one (the
	// built-in list then holds all); DatasourcesFrom is the file that sets it.
	Datasources     []string
	DatasourcesFrom string
	// Seeds are guest paths of data that win over the target's data source.
	Seeds []string
	// Policy is the effective policy of ds-identify, if a file sets one;
	// PinnedDatasource what that file pins.
	Policy, PinnedDatasource string
	// NetworkDisabled is the file that keeps cloud-init from configuring the
	// network.
	NetworkDisabled string
	// Problems are files that could not be read or parsed: the list is unsure.
	Problems []string
}

// cloudUnits start cloud-init: up to 24.2 and from 24.3 on.
var cloudUnits = []string{"cloud-init-local.service", "cloud-init.service", "cloud-config.service", "cloud-final.service", "cloud-init-main.service", "cloud-init-network.service"}

func (g *gatherer) cloudInit() {
	c := &g.f.CloudInit
	programs, err := g.exists("usr/bin/cloud-init", "usr/local/bin/cloud-init", "opt/cloud-init/bin/cloud-init")
	if err == nil {
		err = g.unreadableAt("etc", "etc/cloud", "usr/lib", "var/lib")
	}
	if err != nil {
		g.f.SetAbsent(KeyCloudInit, Absence{Reason: err.Error()})
		return
	}
	c.Evidence = programs
	c.Installed = len(programs) > 0
	if !c.Installed {
		return
	}
	g.cloudEnabled(c)
	g.cloudConfig(c)
	g.cloudIdentify(c)
	for _, s := range []string{"var/lib/cloud/seed/nocloud", "var/lib/cloud/seed/nocloud-net"} {
		// A seed is taken when it has both files (cloud-init, DataSourceNoCloud).
		user, _ := g.exists(s + "/user-data")
		meta, _ := g.exists(s + "/meta-data")
		if len(user) > 0 && len(meta) > 0 {
			c.Seeds = append(c.Seeds, "/"+s)
		}
	}
}

// cloudEnabled follows what cloud-init's systemd generator looks at: the file,
// the kernel command line, and whether the units are there.
func (g *gatherer) cloudEnabled(c *CloudInit) {
	if f, _ := g.exists("etc/cloud/cloud-init.disabled"); len(f) > 0 {
		c.Disabled = append(c.Disabled, f[0]+" exists")
	}
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		for w := range strings.FieldsSeq(e.Cmdline) {
			if w == "cloud-init=disabled" {
				c.Disabled = append(c.Disabled, "cloud-init=disabled on the kernel's command line")
			}
		}
	}
	if b, err := guestfs.ReadFile(g.fs, "etc/systemd/system.conf", guestfs.MaxConfig); err == nil {
		for line := range strings.Lines(string(b)) {
			l := strings.TrimSpace(line)
			if strings.HasPrefix(l, "DefaultEnvironment=") && strings.Contains(l, "KERNEL_CMDLINE") && strings.Contains(l, "cloud-init=disabled") {
				c.Disabled = append(c.Disabled, "cloud-init=disabled in /etc/systemd/system.conf")
			}
		}
	}
	known := false
	for _, u := range cloudUnits {
		switch g.unit(u) {
		case UnitEnabled:
			c.Enabled = append(c.Enabled, u)
		case UnitMasked:
			c.Disabled = append(c.Disabled, u+" is masked")
		case UnitDisabled, UnitUnknown:
			known = true
		}
	}
	for _, s := range []string{"cloud-init", "cloud-init-local"} {
		if g.initScript(s) {
			c.Enabled = append(c.Enabled, s+" (init script)")
		}
	}
	if len(c.Enabled) > 0 {
		return
	}
	// Debian's and Ubuntu's units hang on cloud-init.target, which the generator
	// turns on at boot.
	if known {
		for _, d := range unitDirs {
			if f, _ := g.exists(d + "/cloud-init.target.wants"); len(f) > 0 {
				c.Enabled = append(c.Enabled, "cloud-init.target")
				return
			}
		}
		c.Disabled = append(c.Disabled, "none of its units is enabled")
		return
	}
	c.Disabled = append(c.Disabled, "it has no units or init scripts")
}

// cloudConfig merges the files that set datasource_list: cloud.cfg, then
// cloud.cfg.d/*.cfg in the order of their names, the last one wins
// (cloud-init documentation, "Base configuration").
func (g *gatherer) cloudConfig(c *CloudInit) {
	names := []string{"etc/cloud/cloud.cfg"}
	entries, err := g.fs.ReadDir("etc/cloud/cloud.cfg.d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.Problems = append(c.Problems, err.Error())
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".cfg") {
			names = append(names, path.Join("etc/cloud/cloud.cfg.d", e.Name()))
		}
	}
	for _, n := range names {
		b, err := guestfs.ReadFile(g.fs, n, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			c.Problems = append(c.Problems, err.Error())
			continue
		}
		f, err := ParseCloudConfig(b)
		if err != nil {
			c.Problems = append(c.Problems, fmt.Sprintf("/%s: %v", n, err))
			continue
		}
		if f.Datasources != nil {
			c.Datasources, c.DatasourcesFrom = f.Datasources, "/"+n
		}
		switch f.Network {
		case "disabled":
			c.NetworkDisabled = "/" + n
		case "set":
			c.NetworkDisabled = ""
		}
	}
}

// cloudIdentify reads /etc/cloud/ds-identify.cfg (cloud-init, tools/ds-identify:
// "datasource:" and "policy:" lines).
func (g *gatherer) cloudIdentify(c *CloudInit) {
	b, err := guestfs.ReadFile(g.fs, "etc/cloud/ds-identify.cfg", guestfs.MaxConfig)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.Problems = append(c.Problems, err.Error())
		}
		return
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		k, v, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		v = strings.Trim(strings.TrimSpace(v), `"'`)
		switch strings.TrimSpace(k) {
		case "datasource":
			c.PinnedDatasource = v
		case "policy":
			c.Policy = v
		}
	}
	if c.Policy == "disabled" {
		c.Disabled = append(c.Disabled, "policy: disabled in /etc/cloud/ds-identify.cfg")
	}
}

// Offers says whether cloud-init would ask a data source at all.
func (c *CloudInit) Offers(datasource string) bool {
	return c.Datasources == nil || slices.Contains(c.Datasources, datasource)
}
