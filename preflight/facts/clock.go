package facts

import (
	"net/netip"
	"slices"
	"strings"
)

// Clock is how the guest keeps time.
type Clock struct {
	// LocalRTC says that the hardware clock is taken for local time; RTCFrom is
	// where that is said, RTCLine its line.
	LocalRTC bool
	RTCFrom  string
	RTCLine  int
	// Zone is the time zone's name; empty where it is not told by name.
	Zone string
	// Services are the time services that are started at boot, Servers whom they
	// ask, as configured; Internal those that look like the old network's.
	Services, Servers, Internal []string
	// Source is the clocksource that the boot entry's command line asks for.
	Source   string
	Problems []string
}

func (g *gatherer) clock() {
	c := &g.f.State.Clock
	g.rtc(c)
	if link, err := g.fs.ReadLink("etc/localtime"); err == nil {
		if _, z, ok := strings.Cut(link, "zoneinfo/"); ok {
			c.Zone = z
		}
	}
	if s, ok := g.text("etc/timezone", &c.Problems); ok && c.Zone == "" {
		c.Zone, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	}
	if c.Zone == "" {
		v := g.shellVars("etc/sysconfig/clock", &c.Problems)
		c.Zone = or(v["ZONE"], v["TIMEZONE"])
	}
	for _, x := range []struct {
		name    string
		units   []string
		scripts []string
	}{
		{"chrony", []string{"chronyd.service", "chrony.service"}, []string{"chronyd", "chrony"}},
		{"ntpd", []string{"ntpd.service", "ntp.service", "ntpsec.service"}, []string{"ntpd", "ntp"}},
		{"systemd-timesyncd", []string{"systemd-timesyncd.service"}, nil},
		{"openntpd", []string{"openntpd.service"}, []string{"openntpd"}},
		{"ntpdate", []string{"ntpdate.service"}, []string{"ntpdate"}},
	} {
		if slices.ContainsFunc(x.units, func(u string) bool { return g.unit(u) == UnitEnabled }) || slices.ContainsFunc(x.scripts, g.initScript) {
			c.Services = append(c.Services, x.name)
		}
	}
	g.timeServers(c)
	for w := range strings.FieldsSeq(g.cmdline()) {
		if v, ok := strings.CutPrefix(w, "clocksource="); ok {
			c.Source = v
		}
	}
}

// rtc reads whether the hardware clock has local time: the third line of
// adjtime (hwclock(8)), and what older systems have instead.
func (g *gatherer) rtc(c *Clock) {
	if s, ok := g.text("etc/adjtime", &c.Problems); ok {
		lines := strings.Split(s, "\n")
		if len(lines) >= 3 && strings.TrimSpace(lines[2]) != "" {
			c.LocalRTC, c.RTCFrom, c.RTCLine = strings.TrimSpace(lines[2]) == "LOCAL", "/etc/adjtime", 3
			return
		}
	}
	for _, x := range []struct {
		file, key string
		local     []string
	}{
		{"etc/default/rcS", "UTC", []string{"no"}},                  // Debian to 7
		{"etc/sysconfig/clock", "UTC", []string{"false", "no"}},     // EL to 6
		{"etc/sysconfig/clock", "HWCLOCK", []string{"--localtime"}}, // SLES to 11
		{"etc/conf.d/hwclock", "clock", []string{"local"}},          // OpenRC
		{"etc/rc.conf", "HARDWARECLOCK", []string{"localtime"}},     // Arch of before systemd
	} {
		v, ok := g.shellVars(x.file, &c.Problems)[x.key]
		if ok && !c.LocalRTC && slices.Contains(x.local, strings.ToLower(strings.TrimSpace(v))) {
			c.LocalRTC, c.RTCFrom = true, "/"+x.file
		}
	}
}

// timeServers reads whom the configured services ask (chrony.conf(5),
// ntp.conf(5), timesyncd.conf(5)).
func (g *gatherer) timeServers(c *Clock) {
	files := []string{"etc/chrony.conf", "etc/chrony/chrony.conf", "etc/ntp.conf", "etc/ntpsec/ntp.conf", "etc/openntpd/ntpd.conf", "etc/ntpd.conf"}
	for _, p := range []string{"etc/chrony/sources.d/*.sources", "etc/chrony/conf.d/*.conf", "etc/chrony.d/*.conf"} {
		files = append(files, g.matching(p, &c.Problems)...)
	}
	for _, n := range files {
		s, _ := g.text(n, &c.Problems)
		eachLine(s, func(_ int, line string) {
			w := strings.Fields(line)
			if len(w) > 1 && slices.Contains([]string{"server", "servers", "pool", "peer"}, w[0]) {
				c.server(w[1])
			}
		})
	}
	for _, n := range append([]string{"etc/systemd/timesyncd.conf"}, g.matching("etc/systemd/timesyncd.conf.d/*.conf", &c.Problems)...) {
		s, _ := g.text(n, &c.Problems)
		for _, kv := range ParseINI(s) {
			if kv.Section == "Time" && kv.Key == "NTP" {
				for w := range strings.FieldsSeq(kv.Value) {
					c.server(w)
				}
			}
		}
	}
}

// maxServers bounds the servers that are listed.
const maxServers = 32

func (c *Clock) server(name string) {
	if strings.HasPrefix(name, "127.127.") || slices.Contains(c.Servers, name) || len(c.Servers) == maxServers {
		return // ntpd's own clocks
	}
	c.Servers = append(c.Servers, name)
	if InternalHost(name) {
		c.Internal = append(c.Internal, name)
	}
}

// InternalHost says whether a name or address is one that only a network of its
// own knows: a private address (RFC 1918, 4193), a name without a dot, or one
// below a domain that is not in the public DNS (RFC 6762, 8375, 9476 and usual
// ones).
func InternalHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.IsPrivate() || a.IsLinkLocalUnicast() && host != "169.254.169.123" // the time service of a cloud
	}
	if host == "localhost" {
		return false
	}
	i := strings.LastIndexByte(host, '.')
	return i < 0 || slices.Contains([]string{"local", "lan", "localdomain", "internal", "intranet", "intra", "corp", "home", "private", "arpa", "priv", "loc"}, host[i+1:])
}
