package dsidentify

import (
	"regexp"
	"slices"
	"strings"
)

// Rules are what differs between versions of the script.
type Rules struct {
	// Script is the guest's path of it, "" where the guest has none: cloud-init
	// then asks the data sources that its configuration lists.
	Script string
	// Old is the script up to 23: it reads one form of a line only, and knows
	// AWS by two DMI strings that are the same.
	Old bool
	// DsArgument: ds= on the kernel's command line names the data source.
	DsArgument bool
	// Default is the built-in list, Checks the data sources it can look for.
	Default, Checks []string
	// PolicyDMI is the policy on machines with DMI strings (x86), PolicyNoDMI
	// that on others.
	PolicyDMI, PolicyNoDMI string
}

// scripts are where distributions put it: Debian, Ubuntu, SUSE, Arch; then
// Fedora and RHEL (cloud-init, systemd/cloud-init-generator.tmpl).
var scripts = []string{"usr/lib/cloud-init/ds-identify", "usr/libexec/cloud-init/ds-identify", "lib/cloud-init/ds-identify"}

var (
	listVar   = regexp.MustCompile(`(?m)^DI_DSLIST_DEFAULT="((?:[^"\\]|\\\n)*)"`)
	policyVar = regexp.MustCompile(`(?m)^(DI_DEFAULT_POLICY(?:_NO_DMI)?)="([^"\n]*)"`)
	checkFunc = regexp.MustCompile(`(?m)^dscheck_(\w+)\(\)`)
	dsCase    = regexp.MustCompile(`(?m)^\s*ds\)\s*_rc_dsname=`)
)

// Upstream are the rules at 04eacd06 (2026-08).
func Upstream() Rules {
	list := strings.Fields("MAAS ConfigDrive NoCloud AltCloud Azure Bigstep CloudSigma CloudStack DigitalOcean Vultr AliYun Ec2 GCE OpenNebula OpenStack " +
		"VMware OVF SmartOS Scaleway Hetzner IBMCloud Oracle Exoscale RbxCloud UpCloud LXD NWCS Akamai WSL CloudCIX")
	policy := "search,found=all,maybe=none,notfound=disabled"
	return Rules{Script: "/" + scripts[0], DsArgument: true, Default: list, Checks: append(list[1:], "None"), PolicyDMI: policy, PolicyNoDMI: policy}
}

// rules reads the guest's script. Where a part of it is not as expected, a
// distribution changed it, and upstream's value stands.
func (r *reader) rules() Rules {
	for _, name := range scripts {
		s, ok := r.text(name)
		if !ok {
			continue
		}
		u := Upstream()
		u.Script = "/" + name
		u.Old = !strings.Contains(s, "get_single_line_flow_sequence")
		u.DsArgument = dsCase.MatchString(s)
		if m := listVar.FindStringSubmatch(s); m != nil {
			u.Default = strings.Fields(strings.ReplaceAll(m[1], "\\\n", " "))
		}
		for _, m := range policyVar.FindAllStringSubmatch(s, -1) {
			p := strings.NewReplacer("${DI_DISABLED}", "disabled", "${DI_ENABLED}", "enabled").Replace(m[2])
			if m[1] == "DI_DEFAULT_POLICY" {
				u.PolicyDMI = p
			} else {
				u.PolicyNoDMI = p
			}
		}
		if all := checkFunc.FindAllStringSubmatch(s, -1); all != nil {
			u.Checks = nil
			for _, m := range all {
				u.Checks = append(u.Checks, m[1])
			}
		}
		return u
	}
	return Rules{}
}

func (r *Rules) checks(source string) bool { return slices.Contains(r.Checks, source) }

// policy is a parsed policy (ds-identify, the comment at its top).
type policy struct{ mode, found, maybe, notfound string }

// parsePolicy reads a policy over a default; words that it does not know are
// passed over, as the script does.
func parsePolicy(text string, p policy) policy {
	for tok := range strings.SplitSeq(text, ",") {
		k, v, ok := strings.Cut(tok, "=")
		switch {
		case !ok && slices.Contains([]string{"enabled", "disabled", "search", "report"}, tok):
			p.mode = tok
		case k == "found" && (v == "all" || v == "first"):
			p.found = v
		case k == "maybe" && (v == "all" || v == "none"):
			p.maybe = v
		case k == "notfound" && (v == "enabled" || v == "disabled"):
			p.notfound = v
		}
	}
	return p
}
