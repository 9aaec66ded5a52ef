package facts

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// generators are where cloud-init's systemd generator may be, and may be masked
// (systemd.generator(7)).
var generators = []string{"etc/systemd/system-generators/cloud-init-generator", "usr/local/lib/systemd/system-generators/cloud-init-generator",
	"usr/lib/systemd/system-generators/cloud-init-generator", "lib/systemd/system-generators/cloud-init-generator"}

// cloudEnabled follows what cloud-init's systemd generator, and the conditions
// of its units, look at: the file, the kernel command line, the environment that
// systemd gives, and whether the units are there and wanted.
func (g *gatherer) cloudEnabled(c *CloudInit) {
	told := ""
	for w := range strings.FieldsSeq(c.Cmdline) {
		if v, ok := strings.CutPrefix(w, "cloud-init="); ok {
			told = v
		}
	}
	if told == "disabled" {
		c.Disabled = append(c.Disabled, "cloud-init=disabled on the kernel's command line")
	}
	// The older generator asks the command line first, and believes it.
	if f, _ := g.exists("etc/cloud/cloud-init.disabled"); len(f) > 0 && !(told == "enabled" && c.Identify.Rules.Old) {
		c.Disabled = append(c.Disabled, f[0]+" exists")
	}
	for _, f := range append([]string{"/etc/systemd/system.conf"}, g.glob("etc/systemd/system.conf.d/*.conf")...) {
		if b, err := guestfs.ReadFile(g.fs, f[1:], guestfs.MaxConfig); err == nil && kernelCmdlineOff(string(b)) {
			c.Disabled = append(c.Disabled, "cloud-init=disabled in "+f)
		}
	}
	g.cloudUnitStates(c)
}

// kernelCmdlineOff looks for the variable KERNEL_CMDLINE, which cloud-init takes
// for the command line.
func kernelCmdlineOff(s string) bool {
	for line := range strings.Lines(s) {
		l := strings.TrimSpace(line)
		if (strings.HasPrefix(l, "DefaultEnvironment=") || strings.HasPrefix(l, "ManagerEnvironment=")) && strings.Contains(l, "KERNEL_CMDLINE") && strings.Contains(l, "cloud-init=disabled") {
			return true
		}
	}
	return false
}

func (g *gatherer) cloudUnitStates(c *CloudInit) {
	var there []string
	for _, u := range cloudUnits {
		switch g.unit(u) {
		case UnitEnabled:
			c.Enabled = append(c.Enabled, u)
		case UnitMasked:
			c.Disabled = append(c.Disabled, u+" is masked")
		case UnitUnknown:
			c.Problems = append(c.Problems, u+" could not be read")
		case UnitDisabled:
			there = append(there, u)
		}
	}
	for _, s := range []string{"cloud-init", "cloud-init-local"} {
		if g.scriptRuns(s) {
			c.Enabled = append(c.Enabled, s+" (init script)")
		}
	}
	// From 24.3 on cloud-init.service is cloud-init-network.service; the old name
	// may be left beside it.
	if slices.Contains(append(slices.Clone(there), c.Enabled...), "cloud-init-network.service") {
		there = slices.DeleteFunc(there, func(u string) bool { return u == "cloud-init.service" })
	}
	switch {
	case len(c.Enabled) > 0:
		c.Off = there
	case len(there) > 0:
		// Debian's and Ubuntu's units hang on cloud-init.target, which the generator
		// turns on at boot.
		for _, d := range unitDirs {
			if wanted := g.glob(path.Join(d, "cloud-init.target.wants", "cloud-*.service")); len(wanted) > 0 && len(c.Enabled) == 0 {
				c.Enabled = append(c.Enabled, "cloud-init.target")
			}
		}
		if len(c.Enabled) == 0 {
			c.Off = there
			c.Disabled = append(c.Disabled, "none of its units is enabled")
		}
	default:
		c.Disabled = append(c.Disabled, "it has no units or init scripts")
	}
	g.cloudTarget(c)
}

// cloudTarget says when nothing starts cloud-init.target, on which the units
// hang: its generator is gone or masked.
func (g *gatherer) cloudTarget(c *CloudInit) {
	if g.unit("cloud-init.target") == UnitMasked {
		c.Disabled = append(c.Disabled, "cloud-init.target is masked")
		return
	}
	for _, p := range generators {
		switch link, err := g.fs.ReadLink(p); {
		case err == nil && strings.HasSuffix(link, "/dev/null"):
			c.Disabled = append(c.Disabled, "/"+p+" is masked")
			return
		case len(g.glob(p)) > 0:
			return
		}
	}
	if len(c.Enabled) == 0 || g.unit("cloud-init.target") == UnitEnabled {
		return
	}
	for _, u := range c.Enabled {
		if u != "cloud-init.target" && !g.onlyWantedBy(u, "cloud-init.target.wants") {
			return
		}
	}
	c.Disabled = append(c.Disabled, "nothing starts cloud-init.target: its generator is missing")
}

// onlyWantedBy says whether a unit is wanted by one target and no other.
func (g *gatherer) onlyWantedBy(unit, wants string) bool {
	in := false
	for _, d := range unitDirs {
		for _, p := range g.glob(path.Join(d, "*.wants", unit)) {
			if path.Base(path.Dir(p)) != wants {
				return false
			}
			in = true
		}
	}
	return in
}

var versionLine = regexp.MustCompile(`(?m)^(__VERSION__|_PACKAGED_VERSION) = ["']([0-9][^"'\n]{0,60})["']`)

// cloudProgram finds the version, and whether the script's interpreter is there.
func (g *gatherer) cloudProgram(c *CloudInit, program string) {
	if b, err := guestfs.ReadFile(g.fs, program[1:], guestfs.MaxConfig); err == nil {
		line, _, _ := strings.Cut(string(b[:min(len(b), 200)]), "\n")
		if words := strings.Fields(strings.TrimPrefix(line, "#!")); strings.HasPrefix(line, "#!/") && len(words) > 0 && path.Base(words[0]) != "env" {
			if found, err := g.exists(words[0][1:]); err == nil && len(found) == 0 {
				c.Interpreter = words[0]
			}
		}
	}
	for _, p := range []string{"usr/lib/python3/dist-packages", "usr/lib/python3*/site-packages", "usr/lib/python2*/site-packages", "usr/local/lib/python3*/*-packages"} {
		for _, f := range g.glob(p + "/cloudinit/version.py") {
			b, err := guestfs.ReadFile(g.fs, strings.TrimPrefix(f, "/"), guestfs.MaxConfig)
			if err != nil {
				continue
			}
			for _, m := range versionLine.FindAllStringSubmatch(string(b), 2) {
				c.Version = m[2]
			}
		}
	}
}
