package facts

import (
	"path"
	"strings"
)

// AutofsEntry is a line of an automounter map.
type AutofsEntry struct {
	File string
	Line int
	// Point is where it is mounted, Location what: "host:/path", or a device of
	// this machine.
	Point, Location string
	// Resolved is where the device is; NoDisk for a network filesystem.
	Resolved Spec
}

// Bounds of the automounter's and the initiator's files.
const (
	maxAutofsMaps = 100
	maxAutofs     = 2000
	maxISCSI      = 500
)

// autofs reads the master map and the maps in files that it names (auto.master(5),
// autofs(5)). Maps that are programs or come from a directory are not seen.
func (g *gatherer) autofs(m *Mounts) {
	m.AutofsOn = g.f.Services.Enabled("autofs")
	masters := []string{"etc/auto.master"}
	if entries, err := g.fs.ReadDir("etc/auto.master.d"); err == nil {
		for i, e := range entries {
			if i < maxAutofsMaps && strings.HasSuffix(e.Name(), ".autofs") {
				masters = append(masters, path.Join("etc/auto.master.d", e.Name()))
			}
		}
	}
	maps := 0
	for _, n := range masters {
		text, _, err := g.config(n)
		if err != nil {
			m.Problems = append(m.Problems, err.Error())
			continue
		}
		for line := range strings.Lines(text) {
			w := strings.Fields(line)
			if len(w) < 2 || !strings.HasPrefix(w[0], "/") {
				continue
			}
			file := strings.TrimPrefix(w[1], "file:")
			if strings.Contains(file, ":") || strings.HasPrefix(file, "-") || maps == maxAutofsMaps {
				continue
			}
			if !strings.HasPrefix(file, "/") {
				file = "/etc/" + file
			}
			maps++
			g.autofsMap(m, w[0], file)
		}
	}
}

func (g *gatherer) autofsMap(m *Mounts, at, file string) {
	if fi, err := g.fs.Stat(guestName(file)); err != nil || fi.Mode()&0o111 != 0 {
		return // not there, or a program that prints the map
	}
	text, _, err := g.config(guestName(file))
	if err != nil {
		m.Problems = append(m.Problems, err.Error())
		return
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		w := strings.Fields(line)
		if len(w) < 2 || w[0][0] == '#' || w[0][0] == '+' || len(m.Autofs) == maxAutofs {
			continue
		}
		e := AutofsEntry{File: file, Line: n, Point: path.Join(at, w[0])}
		if at == "/-" { // a direct map names whole paths
			e.Point = w[0]
		}
		fstype := ""
		for _, x := range w[1:] {
			if o, ok := strings.CutPrefix(x, "-"); ok {
				for _, opt := range splitOptions(o) {
					if t, ok := strings.CutPrefix(opt, "fstype="); ok {
						fstype = t
					}
				}
				continue
			}
			e.Location = x
			break
		}
		dev, local := strings.CutPrefix(e.Location, ":")
		if e.Location == "" || !local && !strings.Contains(e.Location, ":") {
			continue
		}
		e.Resolved = Spec{Kind: "none", Value: e.Location, Place: NoDisk, Volume: -1}
		if local && !networkType(fstype) {
			e.Resolved = g.f.Disk.Resolve(dev, fstype)
		}
		m.Autofs = append(m.Autofs, e)
	}
}

// ISCSINode is a target that the initiator logs in to.
type ISCSINode struct {
	File, Target string
	// Startup is "automatic", "onboot" or "manual".
	Startup string
}

// iscsi reads the records of iscsiadm (open-iscsi): nodes/TARGET/PORTAL, a file
// or a folder of files. Of a record only node.startup is looked at: it holds
// passwords, too.
func (g *gatherer) iscsi(m *Mounts) {
	m.ISCSIOn = g.f.Services.Enabled("iscsi", "open-iscsi", "iscsid", "iscsid.socket")
	for _, d := range []string{"etc/iscsi/nodes", "var/lib/iscsi/nodes"} {
		targets, err := g.fs.ReadDir(d)
		if err != nil {
			continue
		}
		for _, t := range targets {
			portals, err := g.fs.ReadDir(path.Join(d, t.Name()))
			if err != nil {
				continue
			}
			for _, p := range portals {
				name := path.Join(d, t.Name(), p.Name())
				files := []string{name}
				if records, err := g.fs.ReadDir(name); err == nil {
					files = nil
					for _, r := range records {
						files = append(files, path.Join(name, r.Name()))
					}
				}
				for _, f := range files {
					if len(m.ISCSI) == maxISCSI {
						m.Problems = append(m.Problems, "/"+d+": more nodes than are read")
						return
					}
					g.iscsiRecord(m, t.Name(), f)
				}
			}
		}
	}
}

func (g *gatherer) iscsiRecord(m *Mounts, target, file string) {
	text, missing, err := g.config(file)
	if err != nil || missing {
		return
	}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == "node.startup" {
			m.ISCSI = append(m.ISCSI, ISCSINode{"/" + file, target, strings.TrimSpace(v)})
			return
		}
	}
}
