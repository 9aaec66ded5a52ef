package bootcfg

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// syslinux reads the configurations of syslinux, extlinux and isolinux; u-boot
// reads extlinux.conf, too (wiki.syslinux.org, "Config"; doc/menu.txt of
// syslinux; doc/develop/distro.rst of u-boot).
func (t *tree) syslinux(esps []string) (out []Config) {
	files := []string{
		"/boot/extlinux/extlinux.conf", "/boot/extlinux.conf", "/extlinux/extlinux.conf", "/extlinux.conf",
		"/boot/syslinux/extlinux.conf", "/boot/syslinux/syslinux.cfg", "/syslinux/syslinux.cfg", "/syslinux.cfg",
		"/boot/isolinux/isolinux.cfg", "/isolinux/isolinux.cfg", "/isolinux.cfg",
	}
	for _, r := range esps {
		for _, d := range []string{"syslinux", "BOOT"} {
			if p, ok := t.fold(r, "EFI", d, "syslinux.cfg"); ok {
				files = append(files, p)
			}
		}
	}
	for _, f := range files {
		if t.isFile(f) {
			out = append(out, t.parseSyslinux(f))
		}
	}
	return out
}

// syslinuxMenu is the state of one configuration with what it includes.
type syslinuxMenu struct {
	t        *tree
	c        Config
	file     string
	files    int
	append   string // the global one
	def      string
	timeout  string // ONTIMEOUT
	menu     string // label with MENU DEFAULT
	menus    []string
	labels   []syslinuxLabel
	inLabel  bool
	inText   bool
	tooLarge bool
	unsure   string
}

type syslinuxLabel struct {
	entry   Entry
	hasArgs bool // an APPEND of its own
	initrd  []string
	kernel  string
	linux   bool // LINUX says so; KERNEL leaves it to the name
}

func (t *tree) parseSyslinux(file string) Config {
	m := &syslinuxMenu{t: t, c: Config{Loader: Extlinux, File: file, menuFile: file}}
	m.read(file, 0)
	m.finish()
	return m.c
}

func (m *syslinuxMenu) read(file string, line int) {
	where := fmt.Sprintf("%s:%d: ", m.file, line)
	if m.files++; m.files > maxFiles {
		m.doubt(where + "too many files are taken in")
		return
	}
	b, err := m.t.read(file)
	switch {
	case err == nil:
	case notThere(err):
		m.c.problem(where + "INCLUDE " + file + ": the file does not exist, and syslinux goes on without it")
		return
	default:
		m.doubt(where + "INCLUDE " + file + ": " + err.Error())
		return
	}
	old := m.file
	m.file = file
	n := 0
	for raw := range bytes.Lines(b) {
		n++
		if s := strings.TrimSpace(string(raw)); s != "" && s[0] != '#' {
			m.line(s, n)
		}
	}
	m.file = old
}

func (m *syslinuxMenu) doubt(s string) {
	m.c.problem(s)
	if m.unsure == "" {
		m.unsure = s
	}
}

// line takes one line; keywords are the same in upper and lower case.
func (m *syslinuxMenu) line(s string, n int) {
	key, arg := cutSpace(s)
	key = strings.ToLower(key)
	if m.inText {
		m.inText = key != "endtext"
		return
	}
	switch key {
	case "text":
		m.inText = strings.EqualFold(arg, "help")
	case "menu":
		m.menuLine(arg, n)
	case "include":
		name, _ := cutSpace(arg)
		m.read(m.include(name), n)
	case "default":
		m.def = arg
	case "ontimeout":
		m.timeout = arg
	case "config":
		m.setAction("config "+arg, n)
	case "label":
		m.label(arg, n)
	case "localboot":
		m.setAction("localboot "+arg, n)
	case "kernel", "linux", "com32", "boot", "bss", "pxe", "fdimage", "comboot":
		if l := m.current(); l != nil {
			l.kernel, l.linux, l.entry.Action = arg, key == "linux", ""
			if key != "kernel" && key != "linux" {
				l.kernel, l.entry.Action = "", key+" "+arg
			}
		}
	case "append":
		m.appendLine(arg)
	case "initrd":
		if l := m.current(); l != nil {
			l.initrd = strings.Split(arg, ",")
		}
	}
}

// current is the label that is being described, nil before the first one.
func (m *syslinuxMenu) current() *syslinuxLabel {
	if !m.inLabel || len(m.labels) == 0 {
		return nil
	}
	return &m.labels[len(m.labels)-1]
}

func (m *syslinuxMenu) setAction(a string, n int) {
	if l := m.current(); l != nil {
		l.entry.Action = strings.TrimSpace(a)
		return
	}
	if strings.HasPrefix(a, "config ") {
		m.doubt(fmt.Sprintf("%s:%d: it hands over to another configuration: %s", m.file, n, a))
	}
}

func (m *syslinuxMenu) label(name string, n int) {
	if len(m.labels) >= maxEntries {
		if !m.tooLarge {
			m.doubt(fmt.Sprintf("%s:%d: more than %d labels", m.file, n, maxEntries))
		}
		m.tooLarge, m.inLabel = true, false
		return
	}
	m.inLabel = true
	m.labels = append(m.labels, syslinuxLabel{entry: Entry{
		Title: name, ID: name, Menu: strings.Join(m.menus, ">"), Source: m.file, Line: n,
	}})
}

func (m *syslinuxMenu) appendLine(arg string) {
	l := m.current()
	if l == nil {
		m.append = arg
		return
	}
	l.hasArgs = true
	if arg == "-" { // not even the global one
		arg = ""
	}
	l.entry.Cmdline = arg
}

// menuLine takes "MENU ...".
func (m *syslinuxMenu) menuLine(s string, n int) {
	key, arg := cutSpace(s)
	switch strings.ToLower(key) {
	case "label":
		if l := m.current(); l != nil {
			l.entry.Title = strings.ReplaceAll(arg, "^", "") // the hot key
		}
	case "default":
		// In a submenu it is the default of that menu only.
		if l := m.current(); l != nil && len(m.menus) == 0 {
			m.menu = l.entry.ID
		}
	case "include":
		name, _ := cutSpace(arg)
		m.read(m.include(name), n)
	case "begin":
		if len(m.menus) < maxNesting {
			m.menus = append(m.menus, arg)
		}
		m.inLabel = false
	case "end":
		if len(m.menus) > 0 {
			m.menus = m.menus[:len(m.menus)-1]
		}
		m.inLabel = false
	case "title":
		if len(m.menus) > 0 && m.menus[len(m.menus)-1] == "" {
			m.menus[len(m.menus)-1] = arg
		}
	}
}

// include finds a file beside the first configuration, or from the root.
func (m *syslinuxMenu) include(name string) string {
	if strings.HasPrefix(name, "/") {
		guest, _ := m.t.locate("", name)
		return guest
	}
	return path.Join(path.Dir(m.c.File), name)
}

// path makes a guest path: relative ones begin at the configuration.
func (m *syslinuxMenu) path(p string) string {
	p = strings.TrimSpace(p)
	if strings.HasPrefix(p, "/") {
		guest, _ := m.t.locate("", p)
		return guest
	}
	return path.Join(path.Dir(m.c.File), p)
}
