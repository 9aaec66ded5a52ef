package bootcfg

import (
	"path"
	"strings"
)

// finish makes entries of the labels: paths, the initramfs of the command line,
// the default.
func (m *syslinuxMenu) finish() {
	for i := range m.labels {
		l := &m.labels[i]
		e := &l.entry
		if !l.hasArgs {
			e.Cmdline = m.append
		}
		initrd := l.initrd
		var args []string
		for f := range strings.FieldsSeq(e.Cmdline) {
			if v, ok := strings.CutPrefix(f, "initrd="); ok {
				initrd = strings.Split(v, ",") // the last one counts
				continue
			}
			args = append(args, f)
		}
		if strings.Contains(e.Cmdline, "initrd=") {
			e.Cmdline = strings.Join(args, " ")
		}
		if l.kernel != "" {
			e.Kernel = m.path(l.kernel)
			if m.program(l) {
				e.Kernel, e.Action = "", "kernel "+l.kernel // a program of syslinux
				m.multiboot(e, args)
			}
		}
		if e.Kernel != "" && e.Hypervisor == "" {
			for _, f := range initrd {
				e.Initrds = append(e.Initrds, m.path(f))
			}
		}
	}
	m.choose()
	for _, l := range m.labels {
		m.c.Entries = append(m.c.Entries, l.entry)
	}
}

// program says whether KERNEL names something else than a Linux kernel: the
// name's ending tells (wiki.syslinux.org, "KERNEL file").
func (m *syslinuxMenu) program(l *syslinuxLabel) bool {
	if l.linux {
		return false
	}
	switch strings.ToLower(path.Ext(l.kernel)) {
	case ".c32", ".com", ".cbt", ".bs", ".bin", ".bss", ".0":
		return true
	case ".img":
		return strings.HasPrefix(path.Base(m.c.File), "isolinux")
	}
	return false
}

// multiboot reads "mboot.c32 xen.gz args --- vmlinuz args --- initrd".
func (m *syslinuxMenu) multiboot(e *Entry, args []string) {
	if !strings.HasPrefix(path.Base(strings.ToLower(strings.TrimPrefix(e.Action, "kernel "))), "mboot") || len(args) == 0 {
		return
	}
	var parts [][]string
	for part := range strings.SplitSeq(strings.Join(args, " "), "---") {
		if f := strings.Fields(part); len(f) > 0 {
			parts = append(parts, f)
		}
	}
	if len(parts) < 2 {
		return
	}
	e.Action = ""
	e.Hypervisor, e.Kernel, e.Cmdline = m.path(parts[0][0]), m.path(parts[1][0]), strings.Join(parts[1][1:], " ")
	for _, p := range parts[2:] {
		e.Initrds = append(e.Initrds, m.path(p[0]))
	}
}

// choose finds the default: what ONTIMEOUT names, then the label that DEFAULT
// names (it may also name a program that shows the menu), then MENU DEFAULT,
// then the first label of the menu (com32/menu/readconfig.c).
func (m *syslinuxMenu) choose() {
	c := &m.c
	if m.unsure != "" {
		c.DefaultWhy = "not known: " + m.unsure
		return
	}
	for _, s := range []struct{ key, label string }{
		{"ONTIMEOUT", m.timeout}, {"DEFAULT", m.def}, {"MENU DEFAULT", m.menu},
	} {
		name, extra := cutSpace(s.label)
		if name == "" {
			continue
		}
		for i := range m.labels {
			e := &m.labels[i].entry
			if !strings.EqualFold(e.ID, name) && !strings.EqualFold(e.ID, s.label) {
				continue
			}
			e.Default = true
			c.DefaultWhy = s.key + " " + s.label
			if extra != "" && strings.EqualFold(e.ID, name) && !strings.EqualFold(e.ID, s.label) && e.Kernel != "" {
				e.Cmdline = strings.TrimSpace(e.Cmdline + " " + extra)
			}
			return
		}
	}
	for i := range m.labels {
		if e := &m.labels[i].entry; e.Menu == "" {
			e.Default = true
			c.DefaultWhy = "nothing names a default: the first label"
			return
		}
	}
	c.DefaultWhy = "there are no labels"
}
