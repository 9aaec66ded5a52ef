package bootcfg

import (
	"strings"
)

// command runs a command. Those that only draw, wait or load parts of GRUB
// succeed and do nothing.
func (g *grub) command(n *node) (tri, flow) {
	args := g.expand(n.words)
	if len(args) == 0 {
		return yes, flowNext
	}
	cmd, args := args[0], args[1:]
	if cmd == "!" && len(args) > 0 {
		st, fl := g.builtin(n, args[0], args[1:])
		return st.not(), fl
	}
	return g.builtin(n, cmd, args)
}

func (g *grub) builtin(n *node, cmd string, args []string) (tri, flow) {
	if body, ok := g.run.funcs[cmd]; ok {
		return g.call(n.line, body, args)
	}
	switch cmd {
	case "true", ":":
		return yes, flowNext
	case "false":
		return no, flowNext
	case "return":
		return truth(len(args) == 0 || args[0] == "0"), flowReturn
	case "break":
		return yes, flowBreak
	case "continue":
		return yes, flowContinue
	case "shift":
		if len(g.params) > 0 {
			g.params = g.params[1:]
		}
		return yes, flowNext
	case "setparams":
		g.params = args
		return yes, flowNext
	case "[", "test":
		return g.test(n.line, cmd, args), flowNext
	case "menuentry", "submenu":
		return g.addEntry(n, cmd == "submenu", args), flowNext
	case "source", ".":
		if len(args) == 0 {
			return no, flowNext
		}
		return g.source(n.line, args[0])
	case "configfile", "normal":
		return g.handOver(n.line, cmd, args)
	case "blscfg", "bls_import":
		return g.blscfg(n.line), flowNext
	case "uki":
		if g.entry == nil {
			g.problem(n.line, "UKI: not read: the command uki adds entries for unified kernel images")
			g.menu.from = min(g.menu.from, len(g.menu.items))
		}
		return yes, flowNext
	case "insmod", "sleep", "exit":
		if cmd == "exit" && g.entry == nil {
			return yes, flowStop
		}
		return yes, flowNext
	}
	if st, ok := g.variables(n, cmd, args); ok {
		return st, flowNext
	}
	if g.entry != nil && g.boots(n, cmd, args) {
		return yes, flowNext
	}
	return outcome(cmd), flowNext
}

// outcome is what a command answers that has no meaning for the menu. Those
// that only show something work; the others depend on the machine.
func outcome(cmd string) tri {
	switch cmd {
	case "keystatus": // nobody presses a key
		return no
	case "regexp", "probe", "smbios", "cmp", "hashsum", "md5sum", "sha256sum", "getenv", "read", "ls", "lspci", "rdmsr",
		"cryptomount", "loopback", "acpi", "verify_detached", "efivar", "eval", "videoinfo", "gptprio.next", "net_bootp", "file":
		return unknown
	case "cpuid": // 64-bit: what a cloud's machine is
		return yes
	}
	return yes
}

func (g *grub) call(line int, body []*node, args []string) (tri, flow) {
	if g.calls >= maxCalls {
		g.doubt(line, "functions call each other more than %d deep", maxCalls)
		return unknown, flowNext
	}
	old := g.params
	g.params = args
	g.calls++
	st, fl := g.list(body)
	g.calls--
	g.params = old
	if fl != flowStop {
		fl = flowNext
	}
	return st, fl
}

// handOver is configfile and normal.
func (g *grub) handOver(line int, cmd string, args []string) (tri, flow) {
	if len(args) == 0 {
		return yes, flowNext
	}
	if g.entry != nil {
		g.entry.Action = cmd + " " + args[0]
		return yes, flowNext
	}
	return g.configfile(line, args[0])
}

// variables are the commands that set variables; ok is false for any other.
func (g *grub) variables(n *node, cmd string, args []string) (st tri, ok bool) {
	switch cmd {
	case "set":
		// Only the first word counts: set a=$b takes the first word of $b.
		if len(args) > 0 {
			if name, v, found := strings.Cut(args[0], "="); found {
				g.set(name, v)
			}
		}
		return yes, true
	case "unset":
		for _, a := range args {
			delete(g.vars, a)
		}
		return yes, true
	case "export":
		for _, a := range args {
			name, v, found := strings.Cut(a, "=")
			if found {
				g.set(name, v)
			}
			if len(g.exported) < maxVars {
				g.exported[name] = true
			}
		}
		return yes, true
	case "load_env":
		return g.loadEnv(n.line, args), true
	case "save_env":
		return yes, true
	case "search", "search.fs_uuid", "search.fs_label", "search.file":
		return g.search(n.line, cmd, args), true
	case "probe", "regexp", "smbios", "read", "getenv", "gptprio.next", "cmp", "hashsum":
		// What they find is known only at boot: the name stays as text.
		for i, a := range args {
			name, found := strings.CutPrefix(a, "--set=")
			if !found && a == "--set" && i+1 < len(args) {
				name, found = args[i+1], true
			}
			if found {
				if _, v, cut := strings.Cut(name, ":"); cut {
					name = v
				}
				g.set(name, "${"+name+"}")
			}
		}
		return outcome(cmd), true
	case "increment", "decrement":
		return yes, true
	}
	if name, v, found := strings.Cut(cmd, "="); found && name != "" && varName(name) == len(name) {
		g.set(name, v)
		return yes, true
	}
	return no, false
}

// boots are the commands that say what an entry boots.
func (g *grub) boots(n *node, cmd string, args []string) bool {
	e := g.entry
	switch cmd {
	case "linux", "linux16", "linux32", "linuxefi":
		if len(args) == 0 {
			return true
		}
		e.Kernel, e.Cmdline, e.Initrds, e.Action = g.path(n.line, args[0]), grubCmdline(args[1:]), nil, ""
		g.bootTime(n.line, e.Cmdline)
	case "initrd", "initrd16", "initrdefi", "xen_initrd":
		for _, a := range args {
			if strings.HasPrefix(a, "--") {
				continue
			}
			if i := strings.Index(a, ":/"); strings.HasPrefix(a, "newc:") && i > 0 {
				if j := strings.LastIndex(a, ":"); j > 0 {
					a = a[j+1:]
				}
			}
			if len(e.Initrds) < maxFiles {
				e.Initrds = append(e.Initrds, g.path(n.line, a))
			}
		}
	case "multiboot", "multiboot2", "xen_hypervisor":
		for len(args) > 0 && strings.HasPrefix(args[0], "--") {
			args = args[1:]
		}
		if len(args) > 0 {
			e.Hypervisor, e.Kernel, e.Cmdline, e.Initrds = g.path(n.line, args[0]), "", "", nil
		}
	case "module", "module2", "xen_module", "xen_linux":
		for len(args) > 0 && strings.HasPrefix(args[0], "--") {
			args = args[1:]
		}
		g.module(n.line, args)
	case "chainloader", "fwsetup", "halt", "reboot", "exit", "legacy_configfile", "syslinux_configfile",
		"ntldr", "ntfsldr", "freedos", "kfreebsd", "knetbsd", "kopenbsd", "xnu_kernel", "plan9", "extract_entries_configfile":
		e.Action = strings.TrimSpace(cmd + " " + strings.Join(args, " "))
	default:
		return false
	}
	return true
}

// module is a file behind the hypervisor: first the kernel, then the initramfs.
func (g *grub) module(line int, args []string) {
	e := g.entry
	switch {
	case len(args) == 0:
	case e.Kernel == "":
		e.Kernel, e.Cmdline = g.path(line, args[0]), grubCmdline(args[1:])
		g.bootTime(line, e.Cmdline)
	case len(e.Initrds) < maxFiles:
		e.Initrds = append(e.Initrds, g.path(line, args[0]))
	}
}

// bootTime warns of a command line with a part that is known only at boot.
func (g *grub) bootTime(line int, cmdline string) {
	if strings.Contains(cmdline, "${") {
		g.problem(line, "a part of the kernel's command line is found out only at boot: %s", cmdline)
	}
}

// grubCmdline joins arguments as GRUB hands them to the kernel
// (grub-core/lib/cmdline.c): quotes and backslashes are escaped, but for \x20 and
// the like, and an argument with a space is put in quotes.
func grubCmdline(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		quote := strings.Contains(a, " ")
		if quote {
			b.WriteByte('"')
		}
		for j := range len(a) {
			if strings.IndexByte(`\"'`, a[j]) >= 0 && !hexEscape(a[j:]) {
				b.WriteByte('\\')
			}
			b.WriteByte(a[j])
		}
		if quote {
			b.WriteByte('"')
		}
	}
	return b.String()
}
