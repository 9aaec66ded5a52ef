package facts

import "strings"

// Identity is what makes the guest this machine and no other. The machine id
// itself is not kept: machine-id(5) wants it confidential.
type Identity struct {
	// MachineID is "valid", "empty" or "uninitialized" (made at the next start),
	// "missing", or "invalid".
	MachineID string
	// Hostname is the name; empty where no file says one. HostnameFrom is the
	// guest path.
	Hostname, HostnameFrom string
	Problems               []string
}

func (g *gatherer) identity() {
	i := &g.f.State.Identity
	before := len(i.Problems)
	s, ok := g.text("etc/machine-id", &i.Problems)
	switch s = strings.TrimSpace(s); {
	case len(i.Problems) > before:
	case !ok:
		i.MachineID = "missing"
	case s == "":
		i.MachineID = "empty"
	case s == "uninitialized":
		i.MachineID = "uninitialized"
	case len(s) == 32 && strings.Trim(s, "0123456789abcdefABCDEF") == "" && strings.Trim(s, "0") != "":
		i.MachineID = "valid"
	default:
		i.MachineID = "invalid"
	}
	for _, n := range []string{"etc/hostname", "etc/HOSTNAME"} {
		s, _ := g.text(n, &i.Problems)
		eachLine(s, func(_ int, line string) {
			if i.Hostname == "" {
				i.Hostname, i.HostnameFrom = firstWord(line), "/"+n
			}
		})
	}
	for _, x := range [][2]string{{"etc/sysconfig/network", "HOSTNAME"}, {"etc/conf.d/hostname", "hostname"}} {
		if h := g.shellVars(x[0], &i.Problems)[x[1]]; h != "" && i.Hostname == "" {
			i.Hostname, i.HostnameFrom = firstWord(h), "/"+x[0]
		}
	}
}

func firstWord(s string) string {
	w := strings.Fields(s)
	if len(w) == 0 {
		return ""
	}
	return w[0][:min(len(w[0]), 255)]
}
