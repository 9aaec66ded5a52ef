package bootcfg

import (
	"strings"
)

// guestDevice is the device that GRUB's own folder is said to lie on: all of
// the guest's tree, so that its paths are the guest's.
const guestDevice = "guest"

// locate makes a guest path of a path in the script: "(device)/path", or a path
// on $root.
func (g *grub) locate(arg string) (guest string, found tri) {
	dev, p := g.vars["root"], arg
	if strings.HasPrefix(arg, "(") {
		if d, rest, ok := strings.Cut(arg[1:], ")"); ok {
			dev, p = d, rest
		}
	}
	if len(p) > 4096 {
		return "/", no
	}
	return g.t.locate(g.mountOf(dev), p)
}

// path is locate for a file that an entry boots.
func (g *grub) path(line int, arg string) string {
	if strings.Contains(arg, "${") {
		g.problem(line, "%s: the path is found out only at boot", arg)
	}
	guest, _ := g.locate(arg)
	return guest
}

// mountOf is where a device is mounted, or "" where that is not known.
func (g *grub) mountOf(dev string) string {
	if dev == guestDevice {
		return "/"
	}
	if m, ok := g.run.devices[dev]; ok {
		return m
	}
	// hd0,gpt2 - hd0,msdos1 - hd0,1
	if _, part, ok := strings.Cut(dev, ","); ok && strings.HasPrefix(dev, "hd") {
		if n := strings.TrimLeft(part, "abcdefghijklmnopqrstuvwxyz"); n != "" && strings.Trim(n, "0123456789") == "" {
			if m, ok, known := g.t.mount("partition", n); known && ok {
				return m
			}
		}
	}
	return ""
}

// search finds a filesystem by UUID, label or file and sets a variable to its
// device (GRUB manual, "search").
func (g *grub) search(line int, cmd string, args []string) tri {
	kind, name := "", "root"
	var rest []string
	switch cmd {
	case "search.fs_uuid":
		kind = "uuid"
	case "search.fs_label":
		kind = "label"
	case "search.file":
		kind = "file"
	}
	dotted := kind != ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		opt, v, hasValue := strings.Cut(a, "=")
		switch {
		case dotted || !strings.HasPrefix(a, "-"):
			rest = append(rest, a)
		case opt == "--set" && hasValue:
			name = v
		case opt == "--fs-uuid" || a == "-u":
			kind = "uuid"
		case opt == "--label" || opt == "--fs-label" || a == "-l":
			kind = "label"
		case opt == "--file" || a == "-f":
			kind = "file"
		case strings.HasPrefix(opt, "--hint") && !hasValue, a == "-h", a == "-s":
			i++
			if a == "-s" && i < len(args) {
				name = args[i]
			}
		case len(a) > 2 && a[1] != '-' && kind == "": // -fu and the like
			switch {
			case strings.Contains(a, "u"):
				kind = "uuid"
			case strings.Contains(a, "l"):
				kind = "label"
			case strings.Contains(a, "f"):
				kind = "file"
			}
		}
	}
	if len(rest) == 0 || kind == "" {
		return no
	}
	if dotted && len(rest) > 1 {
		name = rest[1]
	}
	// "search --set root --fs-uuid X": the variable without a "=".
	what := rest[0]
	if !dotted && len(rest) > 1 && (rest[0] == "root" || rest[0] == "boot") {
		name, what = rest[0], rest[1]
	}
	return g.found(line, kind, what, name)
}

func (g *grub) found(line int, kind, what, name string) tri {
	dev := kind + ":" + what
	switch kind {
	case "file":
		guest, ok := g.t.locate("", what)
		if ok == no {
			return no
		}
		// The file tells where its filesystem is mounted.
		dev = "file:" + guest
		if m, cut := strings.CutSuffix(guest, "/"+strings.TrimLeft(what, "/")); cut {
			g.device(dev, "/"+strings.TrimLeft(m, "/"))
		} else {
			g.device(dev, "")
		}
		g.set(name, dev)
		return ok
	default:
		m, ok, known := g.t.mount(kind, what)
		if known && !ok {
			g.problem(line, "search: no filesystem of the exported disk has the %s %s", kind, what)
			return no
		}
		g.device(dev, m)
	}
	g.set(name, dev)
	return yes
}

func (g *grub) device(dev, mount string) {
	if len(g.run.devices) < maxVars {
		g.run.devices[dev] = mount
	}
}
