package facts

import (
	"slices"
	"strings"

	"migimg/preflight/facts/dsidentify"
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
	// Policy is the effective policy of ds-identify, if a file sets one;
	// PinnedDatasource what that file pins.
	Policy, PinnedDatasource string
	// NetworkDisabled is the file that keeps cloud-init from configuring the
	// network.
	NetworkDisabled string
	// Problems are files that could not be read or parsed: the list is unsure.
	Problems []string

	// Version is cloudinit/version.py's, "" where it was not found. Interpreter
	// is the program that the script names and that is missing.
	Version, Interpreter string
	// Off are units of cloud-init that are there and not started.
	Off []string
	// Identify is what ds-identify finds in the guest, and Cmdline the default
	// boot entry's.
	Identify dsidentify.Guest
	Cmdline  string
	// Config is the merged configuration.
	Config CloudSettings
	State  CloudState
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
	g.cloudProgram(c, programs[0])
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		c.Cmdline = e.Cmdline
	}
	c.Identify = dsidentify.Read(g.fs)
	g.cloudEnabled(c)
	g.cloudConfig(c)
	g.cloudIdentify(c)
	g.cloudState(c)
}

// cloudIdentify takes over what ds-identify's own file sets.
func (g *gatherer) cloudIdentify(c *CloudInit) {
	c.Policy, c.PinnedDatasource = c.Identify.Policy, c.Identify.Datasource
	c.Problems = append(c.Problems, c.Identify.Problems...)
	if mode, _, _ := strings.Cut(c.Policy, ","); mode == "disabled" {
		c.Disabled = append(c.Disabled, "policy: disabled in /etc/cloud/ds-identify.cfg")
	}
	for w := range strings.FieldsSeq(c.Cmdline) {
		if p, ok := strings.CutPrefix(w, "ci.di.policy="); ok && strings.HasPrefix(p, "disabled") {
			c.Disabled = append(c.Disabled, w+" on the kernel's command line")
		}
	}
}

// Offers says whether cloud-init would ask a data source at all.
func (c *CloudInit) Offers(datasource string) bool {
	return c.Datasources == nil || slices.Contains(c.Datasources, datasource)
}
