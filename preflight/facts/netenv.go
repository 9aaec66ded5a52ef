package facts

import (
	"errors"
	"io/fs"
	"net/netip"
	"path"
	"strings"

	"migimg/preflight/facts/initramfs"
	"migimg/preflight/guestfs"
)

// Resolver is how the guest finds names.
type Resolver struct {
	// Missing: there is no /etc/resolv.conf. Link is where it points, empty for a
	// file.
	Missing bool
	Link    string
	// Dangling: it points to a file that is not on the disk, as everything below
	// /run is.
	Dangling bool
	// By is the program that says in the file that it writes it, empty for a file
	// written by hand.
	By        string
	Immutable bool
	Servers   []netip.Addr
	// Resolved: systemd-resolved is started at boot; ResolvedKnown: its state
	// could be told.
	Resolved, ResolvedKnown bool
	// NoDNS: the line "hosts" of /etc/nsswitch.conf names neither dns nor resolve;
	// Line is where.
	NoDNS bool
	Line  int
	Err   string
}

// dhcpPrograms are the clients by the paths they are installed at.
var dhcpPrograms = []struct {
	name  string
	paths []string
}{
	{"dhclient", []string{"sbin/dhclient", "usr/sbin/dhclient", "usr/bin/dhclient"}},
	{"dhcpcd", []string{"sbin/dhcpcd", "usr/sbin/dhcpcd", "usr/bin/dhcpcd"}},
	{"udhcpc", []string{"sbin/udhcpc", "usr/sbin/udhcpc", "usr/bin/udhcpc", "bin/udhcpc"}},
	{"pump", []string{"sbin/pump", "usr/sbin/pump"}},
	{"NetworkManager", []string{"usr/sbin/NetworkManager", "usr/bin/NetworkManager"}},
	{"networkd", []string{"usr/lib/systemd/systemd-networkd", "lib/systemd/systemd-networkd"}},
	{"wicked", []string{"usr/lib/wicked/bin/wickedd-dhcp4", "usr/libexec/wicked/bin/wickedd-dhcp4"}},
	{"connman", []string{"usr/sbin/connmand", "usr/bin/connmand"}},
}

func (g *gatherer) dhcpClients(n *Net) {
	for _, p := range dhcpPrograms {
		found, err := g.exists(p.paths...)
		switch {
		case len(found) > 0:
			n.DHCPClients = append(n.DHCPClients, p.name)
		case err != nil:
			n.Problems = append(n.Problems, err.Error())
		}
	}
}

func (g *gatherer) waitOnline(n *Net) {
	for _, u := range []string{"systemd-networkd-wait-online.service", "NetworkManager-wait-online.service", "ifupdown-wait-online.service"} {
		if g.unit(u) == UnitEnabled {
			n.WaitOnline = append(n.WaitOnline, u)
		}
	}
}

// resolvWriters say who they are in the comment at the head of resolv.conf.
var resolvWriters = []string{"NetworkManager", "systemd-resolved", "resolvconf", "cloud-init", "dhclient", "dhcpcd", "netconfig", "connman", "udhcpc", "DHCP"}

// resolver reads /etc/resolv.conf (resolv.conf(5)) and the line "hosts" of
// /etc/nsswitch.conf (nsswitch.conf(5)).
func (g *gatherer) resolver(n *Net) {
	d := &n.DNS
	const name = "etc/resolv.conf"
	fi, err := g.fs.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Missing = true
	case err != nil:
		d.Err = err.Error()
		return
	case fi.Mode()&fs.ModeSymlink != 0:
		if d.Link, err = g.fs.ReadLink(name); err != nil {
			d.Err = err.Error()
			return
		}
		if !path.IsAbs(d.Link) {
			d.Link = path.Join("/etc", d.Link)
		}
	}
	if a, ok := attrOf(fi); ok {
		d.Immutable = a.Immutable
	}
	if !d.Missing {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			d.Dangling = true
		case err != nil:
			d.Err = err.Error()
		}
		d.servers(string(b))
	}
	switch s := g.unit("systemd-resolved.service"); s {
	case UnitUnknown:
	default:
		d.ResolvedKnown, d.Resolved = true, s == UnitEnabled
	}
	b, err := guestfs.ReadFile(g.fs, "etc/nsswitch.conf", guestfs.MaxConfig)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.Err = err.Error()
		}
		return
	}
	line := 0
	for l := range strings.Lines(string(b)) {
		line++
		l, _, _ = strings.Cut(l, "#")
		if db, rest, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(db) == "hosts" {
			d.Line, d.NoDNS = line, true
			for w := range strings.FieldsSeq(rest) {
				if w == "dns" || w == "resolve" {
					d.NoDNS = false
				}
			}
		}
	}
}

func attrOf(fi fs.FileInfo) (guestfs.Attr, bool) {
	if fi == nil {
		return guestfs.Attr{}, false
	}
	return guestfs.AttrOf(fi)
}

func (d *Resolver) servers(text string) {
	for l := range strings.Lines(text) {
		w := strings.Fields(l)
		switch {
		case len(w) == 0:
		case w[0][0] == '#' || w[0][0] == ';':
			for _, by := range resolvWriters {
				if d.By == "" && strings.Contains(l, by) {
					d.By = by
				}
			}
		case w[0] == "nameserver" && len(w) > 1 && len(d.Servers) < 16:
			if a, err := netip.ParseAddr(w[1]); err == nil {
				d.Servers = append(d.Servers, a)
			}
		}
	}
}

// netRulesIn are the files of an initramfs that give cards names by their
// addresses: dracut and mkinitrd copy the generated rules.
func netRulesIn(a *initramfs.Archive) (paths []string) {
	for _, f := range a.Files {
		base := path.Base(f.Path)
		if strings.HasSuffix(base, ".rules") && strings.Contains(base, "persistent-net") && !strings.Contains(base, "generator") && len(paths) < 10 {
			paths = append(paths, f.Path)
		}
	}
	return paths
}
