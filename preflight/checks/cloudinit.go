package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var needCloud = []facts.Key{facts.KeyGuest, facts.KeyCloudInit}

var cloudinitInstalled = Check{
	ID: "cloudinit.installed", Code: "MIG7101", Title: "cloud-init is installed", Category: "provisioning", Severity: Medium,
	Needs:  needCloud,
	Impact: "The target cannot set passwords, keys, the host name or the network.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		if f.CloudInit.Installed {
			return pass("%s", strings.Join(f.CloudInit.Evidence, ", "))
		}
		r := fail("", "cloud-init is not installed")
		switch f.OS.Family() {
		case "debian":
			return r.command([]string{"apt-get", "install", "cloud-init", "cloud-guest-utils"})
		case "rhel":
			return r.command([]string{"yum", "install", "cloud-init", "cloud-utils-growpart"})
		case "suse":
			return r.command([]string{"zypper", "in", "cloud-init"})
		case "alpine":
			return r.command([]string{"apk", "add", "cloud-init"}, []string{"setup-cloud-init"})
		case "arch":
			return r.command([]string{"pacman", "-S", "cloud-init"})
		}
		return r.hint("Install the distribution's package cloud-init.")
	},
}

var cloudinitEnabled = Check{
	ID: "cloudinit.enabled", Code: "MIG7102", Title: "cloud-init runs at boot", Category: "provisioning", Severity: High,
	Needs:  needCloud,
	Impact: "The target cannot set passwords, keys, the host name or the network.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		c := f.CloudInit
		if !c.Installed {
			return skip("cloud-init is not installed")
		}
		if len(c.Disabled) > 0 {
			r := fail("", "%s", c.Disabled[0])
			for _, d := range c.Disabled {
				r = r.with(value("cloud-init", d, "enabled"))
			}
			return r
		}
		if a, absent := f.Absent(facts.KeyBoot); absent {
			return unknown("it may be disabled on the kernel's command line: %s", a.Reason)
		}
		return pass("%s", strings.Join(c.Enabled, ", "))
	},
}

var cloudinitDatasource = Check{
	ID: "cloudinit.datasource", Code: "MIG7103", Title: "cloud-init asks a data source that the target offers", Category: "provisioning", Severity: High,
	Needs:  needCloud,
	Impact: "cloud-init finds no data, or data of the old place, and configures nothing or the wrong thing.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		c := f.CloudInit
		want := t.Datasources.Values
		switch {
		case !c.Installed:
			return skip("cloud-init is not installed")
		case len(want) == 0:
			return skip("the target's documents name no data source")
		case len(c.Problems) > 0:
			return unknown("%s", c.Problems[0])
		}
		ev := Evidence{Kind: "value", Key: "datasource_list", Actual: strings.Join(c.Datasources, ", "), Expected: strings.Join(want, "|"), Path: c.DatasourcesFrom}
		r := pass("%s", strings.Join(slices.DeleteFunc(slices.Clone(want), func(d string) bool { return !c.Offers(d) }), ", "))
		if c.Datasources == nil {
			r.Summary = "no file limits the list"
		}
		if !slices.ContainsFunc(want, c.Offers) {
			r = fail("", "%s lists %s, the target offers %s", c.DatasourcesFrom, strings.Join(c.Datasources, ", "), strings.Join(want, ", ")).
				hint("Write a file /etc/cloud/cloud.cfg.d/99-migration.cfg with: datasource_list: [ %s, None ]", strings.Join(want, ", "))
		}
		if p := c.PinnedDatasource; p != "" && !slices.Contains(want, p) {
			r = worst(r, fail("", "/etc/cloud/ds-identify.cfg pins the data source %s", p).command([]string{"rm", "/etc/cloud/ds-identify.cfg"}))
		}
		if len(c.Seeds) > 0 && !(len(want) > 0 && want[0] == "NoCloud") {
			r = worst(r, fail("", "%s is found before the target's data", c.Seeds[0]).with(file(c.Seeds[0], 0, "")).command([]string{"rm", "-r", c.Seeds[0]}))
		}
		return r.with(ev)
	},
}
