package bootcfg

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// legacy reads the menus of GRUB legacy (GRUB 0.97 manual, "Configuration
// file format"): menu.lst, which Red Hat calls grub.conf.
func (t *tree) legacy() (out []Config) {
	for _, file := range []string{"/boot/grub/grub.conf", "/boot/grub/menu.lst", "/grub/grub.conf", "/grub/menu.lst"} {
		if !t.isFile(file) {
			continue
		}
		b, err := t.read(file)
		if err != nil {
			continue
		}
		out = append(out, t.parseLegacy(file, b))
		break // one is a link to the other
	}
	return out
}

// legacyMenu is the state of one file.
type legacyMenu struct {
	t    *tree
	c    Config
	def  string
	root string // the device of the entry
}

func (t *tree) parseLegacy(file string, b []byte) Config {
	m := &legacyMenu{t: t, c: Config{Loader: GRUBLegacy, File: file, menuFile: file}}
	n := 0
	for raw := range bytes.Lines(b) {
		n++
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			continue
		}
		// "default=0" and "default 0" are the same.
		i := strings.IndexAny(line, " \t=")
		cmd, arg := line, ""
		if i >= 0 {
			cmd, arg = line[:i], strings.TrimLeft(line[i:], " \t=")
		}
		if cmd == "title" {
			if len(m.c.Entries) >= maxEntries {
				m.c.problem(fmt.Sprintf("%s:%d: more than %d entries", file, n, maxEntries))
				break
			}
			m.root = ""
			m.c.Entries = append(m.c.Entries, Entry{Title: arg, Source: file, Line: n})
			continue
		}
		if len(m.c.Entries) == 0 {
			if cmd == "default" {
				m.def = arg
			}
			continue
		}
		m.entry(&m.c.Entries[len(m.c.Entries)-1], cmd, arg)
	}
	m.choose()
	return m.c
}

// entry takes one command of an entry.
func (m *legacyMenu) entry(e *Entry, cmd, arg string) {
	switch cmd {
	case "root", "rootnoverify", "uuid":
		m.root, _, _ = strings.Cut(strings.TrimSpace(arg), " ")
		if cmd == "uuid" {
			m.root = "uuid:" + m.root
		}
	case "kernel":
		for strings.HasPrefix(arg, "--") { // --type=netbsd, --no-mem-option
			_, arg, _ = strings.Cut(arg, " ")
			arg = strings.TrimLeft(arg, " \t")
		}
		file, args := cutSpace(arg)
		e.Kernel, e.Cmdline = m.path(file), args
	case "initrd":
		for f := range strings.FieldsSeq(arg) {
			e.Initrds = append(e.Initrds, m.path(f))
		}
	case "module", "modulenounzip":
		file, args := cutSpace(arg)
		switch {
		case e.Hypervisor == "": // what was the kernel is Xen, and this is the kernel
			e.Hypervisor, e.Kernel, e.Cmdline = e.Kernel, m.path(file), args
		default:
			e.Initrds = append(e.Initrds, m.path(file))
		}
	case "chainloader", "configfile", "find_grub_menu", "reboot", "halt", "pxe":
		e.Action = strings.TrimSpace(cmd + " " + arg)
	}
}

func cutSpace(s string) (head, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// path makes a guest path of "(hd0,0)/vmlinuz" or of a path on the entry's root.
func (m *legacyMenu) path(arg string) string {
	dev, p := m.root, arg
	if strings.HasPrefix(arg, "(") {
		if i := strings.IndexByte(arg, ')'); i > 0 {
			dev, p = arg[:i+1], arg[i+1:]
		}
	}
	guest, _ := m.t.locate(m.mount(dev), p)
	return guest
}

// mount is where a device is mounted: "(hd0,0)" is the first partition.
func (m *legacyMenu) mount(dev string) string {
	if u, ok := strings.CutPrefix(dev, "uuid:"); ok {
		if mnt, ok, known := m.t.mount("uuid", u); known && ok {
			return mnt
		}
		return ""
	}
	parts := strings.Split(strings.Trim(dev, "()"), ",")
	if len(parts) < 2 || !strings.HasPrefix(parts[0], "hd") {
		return ""
	}
	n, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil {
		return ""
	}
	if mnt, ok, known := m.t.mount("partition", strconv.FormatUint(n+1, 10)); known && ok {
		return mnt
	}
	return ""
}

// choose resolves default: a number from 0, or "saved" for the number in the
// file default beside the menu. Without one, or beyond the last, it is the first.
func (m *legacyMenu) choose() {
	c := &m.c
	spec := strings.TrimSpace(m.def)
	c.DefaultWhy = "default=" + spec
	if spec == "" {
		c.DefaultWhy = "default is not set: the first entry"
	}
	if spec == "saved" {
		p := path.Join(path.Dir(c.File), "default")
		b, err := m.t.read(p)
		if err != nil && !notThere(err) {
			c.DefaultWhy = "not known: " + p + ": " + err.Error()
			return
		}
		spec, _, _ = strings.Cut(string(b), "\n")
		spec = strings.TrimSpace(spec)
		c.DefaultWhy = fmt.Sprintf("default=saved: %q in %s", spec, p)
	}
	n := uint64(0)
	if spec != "" {
		var err error
		if n, err = strconv.ParseUint(spec, 10, 31); err != nil {
			c.DefaultWhy += ", which is no number: the first entry"
			n = 0
		}
	}
	if len(c.Entries) == 0 {
		c.DefaultWhy += ": there are no entries"
		return
	}
	if n >= uint64(len(c.Entries)) {
		c.DefaultWhy += ", which no entry has: the first entry"
		n = 0
	}
	c.Entries[n].Default = true
}
