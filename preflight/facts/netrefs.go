package facts

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// KeyNetRefs is the group of what refers to this machine's addresses and cards.
const KeyNetRefs Key = "net-references"

// NetRefs are places outside the network configuration that name this machine's
// addresses or network cards.
type NetRefs struct {
	// Listen are sshd's ListenAddress lines; ListenErr is why they are not known.
	Listen    []Listen
	ListenErr string
	// Refs are the other places, without the lines' text, which may hold secrets.
	Refs []NetRef
	// Problems are files that could not be read.
	Problems []string
}

// Listen is a line ListenAddress (sshd_config(5)).
type Listen struct {
	File string
	Line int
	// Addr is the address or name without the port.
	Addr string
	// Any: it is a wildcard; Loopback: it is the machine's own.
	Any, Loopback bool
}

// NetRef is one place.
type NetRef struct {
	File string
	Line int
	// Value is the address or the interface that is named.
	Value string
}

// refFiles are searched for the addresses that the network configuration sets.
var refFiles = []string{
	"etc/hosts", "etc/chrony.conf", "etc/chrony/chrony.conf", "etc/ntp.conf", "etc/keepalived/keepalived.conf", "etc/haproxy/haproxy.cfg",
	"etc/nginx/nginx.conf", "etc/nginx/conf.d/*.conf", "etc/nginx/sites-enabled/*", "etc/httpd/conf/httpd.conf", "etc/httpd/conf.d/*.conf",
	"etc/apache2/ports.conf", "etc/apache2/sites-enabled/*", "etc/postgresql/*/*/postgresql.conf", "etc/postgresql/*/*/pg_hba.conf",
	"var/lib/pgsql/data/postgresql.conf", "etc/mysql/my.cnf", "etc/mysql/mysql.conf.d/*.cnf", "etc/mysql/mariadb.conf.d/*.cnf", "etc/my.cnf", "etc/my.cnf.d/*.cnf",
	"etc/redis/redis.conf", "etc/redis.conf", "etc/docker/daemon.json", "etc/default/kubelet", "var/lib/kubelet/kubeadm-flags.env", "etc/kubernetes/*.conf",
	"etc/kubernetes/manifests/*.yaml", "etc/exports", "etc/exports.d/*.exports", "etc/bind/named.conf.options", "etc/named.conf", "etc/postfix/main.cf",
}

// maxRefs bounds the places that are told, maxRefFiles the files that are read.
const (
	maxRefs     = 200
	maxRefFiles = 500
	maxRefFile  = 1 << 20 // bytes
)

func (g *gatherer) netRefs() {
	if a, absent := g.f.Absent(KeyNet); absent {
		g.f.SetAbsent(KeyNetRefs, a)
		return
	}
	r := &g.f.NetRefs
	lines, err := g.sshdLines("ListenAddress")
	if err != nil {
		r.ListenErr = err.Error()
	}
	for _, l := range lines {
		r.Listen = append(r.Listen, listen(l))
	}
	var values []string
	for _, c := range g.f.Net.Configs {
		for _, a := range c.Addresses() {
			a, _, _ = strings.Cut(a, "/")
			if ip, err := netip.ParseAddr(a); err == nil && !ip.IsLoopback() && !slices.Contains(values, a) {
				values = append(values, a)
			}
		}
	}
	g.sysctlRefs(r)
	if len(values) == 0 {
		return
	}
	read := 0
	for _, pattern := range refFiles {
		for _, p := range g.glob(pattern) {
			if read++; read > maxRefFiles || len(r.Refs) >= maxRefs {
				return
			}
			b, err := guestfs.ReadFile(g.fs, guestName(p), maxRefFile)
			if err != nil {
				if !errors.Is(err, fs.ErrNotExist) && len(r.Problems) < 20 {
					r.Problems = append(r.Problems, err.Error())
				}
				continue
			}
			r.find(p, string(b), values)
		}
	}
}

// find adds the lines of a file that name one of the values as a whole word.
func (r *NetRefs) find(file, text string, values []string) {
	n := 0
	for l := range strings.Lines(text) {
		n++
		t := strings.TrimSpace(l)
		if t == "" || t[0] == '#' || len(r.Refs) >= maxRefs {
			continue
		}
		for _, v := range values {
			if hasWord(t, v) {
				r.Refs = append(r.Refs, NetRef{file, n, v})
				break
			}
		}
	}
}

// hasWord says that an address is in a text and not a part of a longer one.
func hasWord(s, v string) bool {
	inside := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '.' || c == ':' && strings.Contains(v, ":")
	}
	for from := 0; ; {
		i := strings.Index(s[from:], v)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(v)
		if (i == 0 || !inside(s[i-1])) && (end == len(s) || !inside(s[end])) {
			return true
		}
		from = i + 1
	}
}

// sysctlRefs finds settings of single cards (net.ipv4.conf.ens192.*).
func (g *gatherer) sysctlRefs(r *NetRefs) {
	for _, pattern := range []string{"etc/sysctl.conf", "etc/sysctl.d/*.conf"} {
		for i, p := range g.glob(pattern) {
			b, err := guestfs.ReadFile(g.fs, guestName(p), maxRefFile)
			if err != nil || i >= maxRefFiles {
				continue
			}
			n := 0
			for l := range strings.Lines(string(b)) {
				n++
				t := strings.TrimLeft(strings.TrimSpace(l), "-")
				key, _, _ := strings.Cut(t, "=")
				w := strings.FieldsFunc(strings.TrimSpace(key), func(c rune) bool { return c == '.' || c == '/' })
				if len(w) < 5 || w[0] != "net" || w[2] != "conf" && w[2] != "neigh" || len(r.Refs) >= maxRefs {
					continue
				}
				if name := strings.Join(w[3:len(w)-1], "."); name != "all" && name != "default" && name != "lo" && !strings.Contains(name, "*") {
					r.Refs = append(r.Refs, NetRef{p, n, name})
				}
			}
		}
	}
}
