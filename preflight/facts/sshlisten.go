package facts

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/guestfs"
)

// sshdLine is a line of sshd's configuration that holds one keyword.
type sshdLine struct {
	file  string
	line  int
	value string
}

// sshdLines are the lines with a keyword, in sshd_config and what it includes
// (sshd_config(5), Include; relative names are below /etc/ssh). Blocks Match
// cannot hold the keywords that are asked for here.
func (g *gatherer) sshdLines(keyword string) (out []sshdLine, err error) {
	seen := map[string]bool{}
	var read func(name string, depth int)
	read = func(name string, depth int) {
		if seen[name] || depth > 16 || len(seen) > maxIncludesSSH {
			return
		}
		seen[name] = true
		b, e := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if e != nil {
			if !errors.Is(e, fs.ErrNotExist) && err == nil {
				err = e
			}
			return
		}
		n := 0
		for l := range strings.Lines(string(b)) {
			n++
			w := strings.FieldsFunc(strings.TrimSpace(l), func(c rune) bool { return c == ' ' || c == '\t' || c == '=' || c == '"' })
			if len(w) < 2 || w[0][0] == '#' {
				continue
			}
			switch {
			case strings.EqualFold(w[0], keyword):
				out = append(out, sshdLine{"/" + name, n, w[1]})
			case strings.EqualFold(w[0], "Include"):
				for _, p := range w[1:] {
					if !path.IsAbs(p) {
						p = path.Join("/etc/ssh", p)
					}
					if dir := path.Dir(p); strings.Count(dir, "*")+strings.Count(dir, "?")+strings.Count(dir, "[") > 1 {
						// More would walk the disk.
						err = errors.Join(err, errors.New("/"+name+": Include "+p+" has too many patterns to follow"))
						continue
					}
					for _, f := range g.glob(guestName(p)) {
						read(guestName(f), depth+1)
					}
				}
			}
		}
	}
	read("etc/ssh/sshd_config", 0)
	return out, err
}

// maxIncludesSSH bounds the files of sshd's configuration.
const maxIncludesSSH = 100

// sshPorts are the ports that sshd listens on: those of Port, or of
// ListenAddress.
func (g *gatherer) sshPorts() (ports []int, err error) {
	lines, err := g.sshdLines("Port")
	addrs, err2 := g.sshdLines("ListenAddress")
	for _, l := range addrs {
		if _, p, e := net.SplitHostPort(l.value); e == nil {
			lines = append(lines, sshdLine{value: p})
		}
	}
	for _, l := range lines {
		if p, e := strconv.Atoi(l.value); e == nil && p > 0 && p < 1<<16 && !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	if len(ports) == 0 {
		ports = []int{22}
	}
	return ports, errors.Join(err, err2)
}

// listen reads "address", "address:port", "[address]:port" or "address port".
func listen(l sshdLine) Listen {
	a := l.value
	if h, ok := strings.CutPrefix(a, "["); ok {
		a, _, _ = strings.Cut(h, "]")
	} else if strings.Count(a, ":") == 1 {
		a, _, _ = strings.Cut(a, ":")
	}
	x := Listen{File: l.file, Line: l.line, Addr: a, Any: a == "*" || a == "any"}
	if ip, err := netip.ParseAddr(a); err == nil {
		x.Any, x.Loopback = ip.IsUnspecified(), ip.IsLoopback()
	} else if a == "localhost" {
		x.Loopback = true
	}
	return x
}
