package facts

import (
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/guestfs"
)

// Names are the names of machines and people that the guest knows. They are for
// taking them out of a report, and are never in one.
type Names struct {
	Hosts, Users []string
}

// maxNames bounds each list, against a hostile file.
const maxNames = 2000

// firstUser is the lowest number of a person's account: 500 on RHEL 6 and
// before, 1000 elsewhere (login.defs(5), UID_MIN).
const firstUser = 500

// names reads hostname, hosts, resolv.conf's domains and passwd. What cannot be
// read gives no names; patterns find the rest.
func (g *gatherer) names() {
	n := &g.f.Names
	host := func(s string) {
		s = strings.Trim(s, `"'. `)
		short, domain, _ := strings.Cut(s, ".")
		for _, x := range []string{s, short, domain} {
			if wellKnown(x) || !strings.ContainsAny(strings.ToLower(x), "abcdefghijklmnopqrstuvwxyz") || len(n.Hosts) >= maxNames {
				continue
			}
			n.Hosts = append(n.Hosts, x)
		}
	}
	for _, file := range []string{"etc/hostname", "etc/HOSTNAME"} {
		host(strings.TrimSpace(g.small(file)))
	}
	for line := range strings.Lines(g.small("etc/sysconfig/network")) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "HOSTNAME="); ok {
			host(v)
		}
	}
	for line := range strings.Lines(g.small("etc/hosts")) {
		line, _, _ = strings.Cut(line, "#")
		for i, f := range strings.Fields(line) {
			if i > 0 {
				host(f)
			}
		}
	}
	for line := range strings.Lines(g.small("etc/resolv.conf")) {
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "search" || f[0] == "domain") {
			for _, d := range f[1:] {
				host(d)
			}
		}
	}
	for line := range strings.Lines(g.small("etc/passwd")) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 6 || len(n.Users) >= maxNames {
			continue
		}
		if uid, err := strconv.Atoi(f[2]); err != nil || uid < firstUser || uid == 65534 {
			continue
		}
		full, _, _ := strings.Cut(f[4], ",")
		for _, x := range []string{f[0], full} {
			if len(x) > 1 && !wellKnown(x) {
				n.Users = append(n.Users, x)
			}
		}
	}
	for _, list := range []*[]string{&n.Hosts, &n.Users} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

// small is a configuration file's text, empty where it cannot be had.
func (g *gatherer) small(name string) string {
	b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
	if err != nil {
		return ""
	}
	return string(b)
}

// wellKnown are names that say nothing about anybody.
func wellKnown(s string) bool {
	s = strings.ToLower(s)
	return len(s) < 2 || strings.HasPrefix(s, "localhost") || strings.HasPrefix(s, "ip6-") || slices.Contains([]string{"localdomain", "local", "lan", "com", "net",
		"org", "home", "internal", "debian", "ubuntu", "centos", "fedora", "rocky", "almalinux", "opensuse", "suse", "arch", "alpine", "linux", "nobody", "user", "root", "server", "host", "(none)",
		"broadcasthost", "unknown"}, s)
}
