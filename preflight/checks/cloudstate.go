package checks

import (
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var cloudinitState = Check{
	ID: "cloudinit.state", Code: "MIG7104", Title: "cloud-init starts afresh, and what it then changes is wanted", Category: "provisioning", Severity: Low,
	Needs:  needCloud,
	Impact: "cloud-init keeps settings of the old machine, or does its first-boot work again and changes the host name, host keys and logins.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		c := f.CloudInit
		switch {
		case !c.Installed:
			return skip("cloud-init is not installed")
		case len(c.Disabled) > 0:
			return skip("cloud-init does not run: %s", c.Disabled[0])
		case len(c.Problems) > 0:
			return unknown("%s", c.Problems[0])
		}
		r := pass("it has not run on this system")
		if c.State.Instance != "" {
			r = warn("", "it ran for the instance %s, and does its first-boot work again when the target gives another id", c.State.Instance)
			if c.State.Datasource != "" {
				r = r.with(value("data source of the last boot", c.State.Datasource, ""))
			}
			r = r.command([]string{"cloud-init", "clean", "--logs"})
		}
		if c.State.ManualClean || c.Config.ManualCacheClean {
			r = worst(r, warn(Medium, "manual_cache_clean keeps the settings of the old machine: the target's data are not read").
				with(setting(c, "manual_cache_clean")).command([]string{"cloud-init", "clean", "--logs"}))
		}
		if c.NetworkDisabled != "" {
			r = worst(r, warn(Medium, "cloud-init leaves the network alone, so that the system's own configuration must fit the target").
				with(file(c.NetworkDisabled, 0, "network: {config: disabled}")))
		}
		if c.Config.PreserveHostname {
			r = worst(r, warn(Info, "the host name of the old machine is kept (preserve_hostname)").with(setting(c, "preserve_hostname")))
		}
		for _, e := range []Evidence{
			value("disable_root", yesNo(!c.Config.RootKey), ""),
			value("ssh_pwauth", c.Config.PasswordAuth, ""),
			value("ssh_deletekeys", yesNo(!c.Config.KeepHostKeys), ""),
			value("default user", c.Config.DefaultUser, ""),
		} {
			if e.Actual != "" {
				r = r.with(e)
			}
		}
		return r
	},
}

func setting(c facts.CloudInit, key string) Evidence {
	at := c.Config.From[key]
	if at == "" {
		at = "/etc/cloud/cloud.cfg"
		if key == "manual_cache_clean" {
			at = "/var/lib/cloud/instance/manual-clean"
		}
	}
	return file(at, 0, strings.TrimSpace(key+": true"))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
