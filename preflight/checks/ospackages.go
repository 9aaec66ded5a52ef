package checks

import (
	"fmt"
	"strings"
	"time"

	"migimg/preflight/distros"
	"migimg/preflight/facts"
	"migimg/preflight/targets"
)

var osPackageState = Check{
	ID: "os.package-state", Code: "MIG8109", Title: "The package manager has nothing left to finish", Category: "os", Severity: Medium,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyState, facts.KeyPackages},
	Impact: "Drivers and agents cannot be installed until it is repaired, and the next start may do something unexpected.",
	Run: func(f *facts.Facts, _ *targets.Target) Result {
		r := pass("%d packages", len(f.Packages.List))
		for _, d := range f.Packages.Databases {
			name := d.Manager
			if d.Format != "" {
				name += " (" + d.Format + ")"
			}
			r = r.with(value(name, fmt.Sprintf("%d packages", d.Count), "").at(d.Path))
			if d.Err != "" {
				r = worst(r, unknown("%s: %s", d.Path, d.Err))
			}
		}
		for _, p := range f.State.Manager.Pending {
			r = worst(r, pending(f, p))
		}
		return withProblems(r, f.State.Manager.Problems)
	},
}

func pending(f *facts.Facts, p facts.Pending) Result {
	ev := Evidence{Kind: "file", Path: p.Path}
	if p.Path == "" {
		ev = value("package", p.What, "installed")
	}
	switch p.Kind {
	case "offline-update":
		return warn("", "%s (%s)", p.What, p.Path).with(ev).hint("Let the update finish before the move, or remove %s.", p.Path)
	case "reboot":
		return warn(Low, "%s", p.What).with(ev).hint("Restart the machine before the move, so that what is moved is known to start.")
	case "leftover":
		return warn(Info, "%s (%s)", p.What, p.Path).with(ev)
	}
	r := warn("", "%s", p.What).with(ev)
	switch f.OS.Family() {
	case "debian":
		return r.command([]string{"dpkg", "--configure", "-a"}, []string{"apt-get", "-f", "install"})
	case "rhel":
		return r.hint("Run yum-complete-transaction, or dnf check and dnf distro-sync; rpm --rebuilddb for a damaged database.")
	case "suse":
		return r.command([]string{"zypper", "verify"})
	case "alpine":
		return r.command([]string{"apk", "fix"})
	}
	return r.hint("Repair it with the package manager before the move.")
}

var osRepos = Check{
	ID: "os.repos", Code: "MIG8110", Title: "Packages can be installed from there", Category: "os", Severity: Low,
	Needs:  []facts.Key{facts.KeyGuest, facts.KeyState},
	Impact: "No package can be installed or updated in the target.",
	Run: func(f *facts.Facts, t *targets.Target) Result {
		s := f.State.Repos
		var use, media, internal, cloud, gone []facts.Repo
		for _, x := range s.List {
			if x.Disabled {
				continue
			}
			use = append(use, x)
			switch {
			case x.Media:
				media = append(media, x)
			case otherCloud(x.Host, t) != "":
				cloud = append(cloud, x)
			case facts.InternalHost(x.Host) && !cloudHost(x.Host):
				internal = append(internal, x)
			case retired(f, x):
				gone = append(gone, x)
			}
		}
		r := pass("%d repositories", len(use))
		switch {
		case len(use) == 0 && len(s.List) > 0:
			r = warn("", "all %d repositories are disabled", len(s.List))
		case len(use) == 0:
			return withProblems(skip("no repository is configured in a file that is known"), s.Problems)
		case len(media) == len(use):
			r = warn("", "packages come from a CD-ROM or a folder only").with(repo(media[0]))
		case len(internal)+len(media) == len(use):
			r = warn("", "all repositories are in the old network (%s)", internal[0].Host)
		}
		for _, x := range internal {
			r = worst(r, warn("", "%s is a repository of the old network", x.Host).with(repo(x)))
		}
		for _, x := range cloud {
			r = worst(r, warn("", "%s serves machines of %s only", x.Host, otherCloud(x.Host, t)).with(repo(x)))
		}
		for _, x := range gone {
			r = worst(r, warn("", "%s does not have %s any more", x.Host, f.OS.Pretty).with(repo(x)).hint("Use the distribution's archive (vault.centos.org, archive.debian.org, old-releases.ubuntu.com)."))
		}
		for _, p := range s.Proxies {
			one := warn(Info, "packages come through the proxy %s", p.Host)
			if facts.InternalHost(p.Host) {
				one = warn("", "packages come through a proxy of the old network (%s)", p.Host)
			}
			r = worst(r, one.with(file(p.File, p.Line, "")))
		}
		return withProblems(r, s.Problems)
	},
}

func repo(x facts.Repo) Evidence { return file(x.File, x.Line, x.URL) }

// retired says whether a repository is one that drops releases after their end,
// and this one's has come. Debian's and Ubuntu's mirrors keep a release through
// its long-term support.
func retired(f *facts.Facts, x facts.Repo) bool {
	tab, err := distros.Load()
	if err != nil || f.Now.IsZero() {
		return false
	}
	_, r := tab.Find(f.OS.ID, f.OS.VersionID, f.OS.Pretty)
	if r == nil || r.End == "" || f.Now.Format(time.DateOnly) <= max(r.End, r.Extended) {
		return false
	}
	switch f.OS.ID {
	case "centos":
		return strings.HasSuffix(x.Host, "mirror.centos.org") || x.Host == "mirrorlist.centos.org" || x.Host == "mirrors.centos.org"
	case "debian":
		return strings.HasSuffix(x.Host, "deb.debian.org") || x.Host == "security.debian.org" || strings.HasSuffix(x.Host, ".debian.org") && x.Host != "archive.debian.org" && strings.HasPrefix(x.Host, "ftp.")
	case "ubuntu":
		// LTS releases stay on the main mirrors; the others go to old-releases.
		return r.Extended == "" && (strings.HasSuffix(x.Host, "archive.ubuntu.com") || x.Host == "security.ubuntu.com")
	}
	return false
}
