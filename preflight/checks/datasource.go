package checks

import (
	"slices"
	"strings"

	"migimg/preflight/facts"
	"migimg/preflight/facts/answer"
	"migimg/preflight/facts/dsidentify"
	"migimg/preflight/targets"
)

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
		r, known := identified(&c, want)
		if !known {
			r = listed(&c, want)
		}
		if p := pinned(&c); p != "" && !slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, p) }) {
			if c.PinnedDatasource != "" {
				r = worst(r, fail("", "/etc/cloud/ds-identify.cfg pins the data source %s", p).command([]string{"rm", "/etc/cloud/ds-identify.cfg"}))
			} else {
				r = worst(r, withoutArgument(fail("", "the kernel's command line pins the data source %s", p), f, "ds="+p))
			}
		}
		return worst(r, seeded(&c, want)).with(ev)
	},
}

// pinned is the one data source that ds-identify's file or the kernel's command
// line names. An argument wins over the file, and ds=nocloud;s=... is NoCloud.
func pinned(c *facts.CloudInit) string {
	p := c.PinnedDatasource
	for w := range strings.FieldsSeq(c.Cmdline) {
		k, v, _ := strings.Cut(w, "=")
		v, _, _ = strings.Cut(v, ";")
		switch {
		case k == "ci.ds", k == "ci.datasource", k == "ds":
			p = v
		}
	}
	switch strings.ToLower(p) {
	case "nocloud", "nocloud-net":
		return "NoCloud"
	}
	return p
}

// listed judges by the list that cloud-init itself reads, where there is no
// ds-identify.
func listed(c *facts.CloudInit, want []string) Result {
	switch {
	case c.Datasources == nil:
		return pass("no file limits the list")
	case !slices.ContainsFunc(want, c.Offers):
		return fail("", "%s lists %s, the target offers %s", c.DatasourcesFrom, strings.Join(c.Datasources, ", "), strings.Join(want, ", ")).
			hint("Write a file /etc/cloud/cloud.cfg.d/99-migration.cfg with: datasource_list: [ %s, None ]", strings.Join(want, ", "))
	}
	return pass("%s", strings.Join(slices.DeleteFunc(slices.Clone(want), func(d string) bool { return !c.Offers(d) }), ", "))
}

// identified asks what ds-identify would find on a machine of the target. known
// is false where the guest does not have that program, or nobody knows what such
// a machine looks like. One of the data sources that the target offers is
// enough.
func identified(c *facts.CloudInit, want []string) (r Result, known bool) {
	if c.Identify.Rules.Script == "" {
		return r, false
	}
	var why string
	for _, w := range want {
		m, known := dsidentify.Offering(w)
		if !known {
			return r, false
		}
		m.Cmdline = c.Cmdline
		d := c.Identify.Decide(m)
		if d.Run && (slices.Contains(d.Sources, w) || d.Sources == nil && c.Offers(w)) {
			return pass("ds-identify takes %s there", w).with(value("ds-identify on a machine with "+w, d.Why, "")), true
		}
		if why == "" {
			why = d.Why
			if d.Run {
				why += ", and not " + w
			}
		}
	}
	return fail("", "on a machine of the target %s", why).
		with(Evidence{Kind: "file", Path: c.Identify.Rules.Script}).
		hint("Write a file /etc/cloud/cloud.cfg.d/99-migration.cfg with one line: datasource_list: [ %s, None ]", strings.Join(want, ", ")), true
}

// local are data sources that read disks, and so come before those that ask the
// network (cloud-init, the stage init-local).
var local = []string{"NoCloud", "ConfigDrive", "OpenNebula", "OVF", "RbxCloud", "IBMCloud", "AltCloud"}

// seeded finds data on the disk itself that cloud-init takes before the target's.
func seeded(c *facts.CloudInit, want []string) Result {
	r := Result{Status: Pass}
	list := c.Datasources
	if list == nil {
		list = c.Identify.Rules.Default
	}
	for _, s := range c.Identify.Found {
		if s == want[0] || !c.Offers(s) || !slices.Contains(local, s) {
			continue
		}
		// Of two that read disks the first in the list is taken.
		if i, k := slices.Index(list, s), slices.Index(list, want[0]); slices.Contains(local, want[0]) && i > k && k >= 0 {
			continue
		}
		at := c.Identify.FoundBy[s]
		one := fail("", "%s is found before the target's data", at).with(file(at, 0, ""))
		if dir := at[:strings.LastIndexByte(at, '/')]; strings.HasPrefix(dir, "/var/lib/cloud/seed/") {
			one = one.command([]string{"rm", "-r", strings.TrimSuffix(dir, "/openstack/latest")})
		} else {
			one = one.hint("Take the data source %s out of %s.", s, at)
		}
		r = worst(r, one)
	}
	return r
}

// provisions says whether cloud-init would set up logins on a target.
func provisions(f *facts.Facts, t *targets.Target) answer.Answer {
	c := &f.CloudInit
	if _, absent := f.Absent(facts.KeyCloudInit); absent {
		return answer.Maybe
	}
	if !c.Installed || len(c.Disabled) > 0 || c.Interpreter != "" {
		return answer.No
	}
	if _, absent := f.Absent(facts.KeyBoot); absent || len(c.Off) > 0 || len(t.Datasources.Values) == 0 {
		return answer.Maybe
	}
	switch r := cloudinitDatasource.Run(f, t); r.Status {
	case Pass:
		if t.Seed != nil { // the machine may have none
			return answer.Maybe
		}
		return answer.Yes
	case Fail:
		return answer.No
	}
	return answer.Maybe
}
