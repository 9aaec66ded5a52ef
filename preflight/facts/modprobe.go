package facts

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/guestfs"
)

// Kinds of a ModprobeRule.
const (
	RuleBlacklist = "blacklist" // not loaded for a device or filesystem that needs it
	RuleInstall   = "install"   // a command is run in its place
	RuleAlias     = "alias"     // the module has a further name
	RuleForbid    = "forbid"    // the kernel refuses it (module_blacklist=)
)

// Where a ModprobeRule applies.
const (
	RuleGuest     = "guest"     // once the root is mounted
	RuleInitramfs = "initramfs" // before that
	RuleCmdline   = "cmdline"   // both
)

// ModprobeRule is a line that keeps a module from being loaded, or renames one.
type ModprobeRule struct {
	Kind, Where string
	// File is a path of the guest, or of the initramfs; for a command line it is
	// where the boot entry is written.
	File string
	Line int
	// Module has "_" for "-". Value is the command of install, or the module that
	// an alias stands for.
	Module, Value string
	Text          string
	// Ignored is why the rule has no effect; empty where it has.
	Ignored string
}

// Blocks says that the rule keeps the module from being loaded. sure is false
// where it only may: a command that is run instead may load it.
func (r ModprobeRule) Blocks() (blocks, sure bool) {
	switch {
	case r.Ignored != "" || r.Kind == RuleAlias:
		return false, true
	case r.Kind != RuleInstall:
		return true, true
	}
	prog, _, _ := strings.Cut(r.Value, " ")
	switch path.Base(prog) {
	case "true", "false", ":", "nologin":
		return true, true
	}
	// The usual wrappers end in modprobe --ignore-install.
	return !strings.Contains(r.Value, "modprobe"), false
}

// maxModprobeRules bounds the rules of a guest.
const maxModprobeRules = 5000

// ParseModprobe reads a file of modprobe.d(5). A backslash at the end continues
// the line.
func ParseModprobe(file, where, text string) (rules []ModprobeRule) {
	number := 0
	for text != "" && len(rules) < maxModprobeRules {
		number++
		start, line := number, ""
		for {
			var row string
			row, text, _ = strings.Cut(text, "\n")
			row = strings.TrimSuffix(row, "\r")
			if !strings.HasSuffix(row, "\\") || text == "" {
				line += row
				break
			}
			line += strings.TrimSuffix(row, "\\") + " "
			number++
		}
		words := strings.Fields(line)
		if len(words) < 2 || strings.HasPrefix(words[0], "#") {
			continue
		}
		r := ModprobeRule{Kind: words[0], Where: where, File: file, Line: start, Module: moduleName(words[1]), Text: strings.Join(words, " ")}
		switch words[0] {
		case RuleBlacklist:
		case RuleInstall, RuleAlias:
			if len(words) < 3 {
				continue
			}
			r.Value = strings.Join(words[2:], " ")
			if words[0] == RuleAlias {
				r.Module, r.Value = words[1], moduleName(words[2])
			}
		default: // options, softdep, remove: they keep nothing from being loaded
			continue
		}
		rules = append(rules, r)
	}
	return rules
}

func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// modprobeDirs are kmod's folders (modprobe.d(5)): of two files with one name the
// first folder's counts.
var modprobeDirs = []string{"etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"}

// modprobe reads the guest's rules and those of the command line.
func (g *gatherer) modprobe() {
	rules, err := g.modprobeFiles()
	if err != nil {
		g.f.SetAbsent(KeyModprobe, Absence{Reason: err.Error()})
		return
	}
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		rules = append(rules, cmdlineRules(e)...)
	}
	g.f.Modprobe = rules
}

func (g *gatherer) modprobeFiles() (rules []ModprobeRule, err error) {
	kmod := false
	for _, p := range []string{"usr/bin/kmod", "bin/kmod", "sbin/kmod", "usr/sbin/kmod"} {
		ok, err := guestfs.Exists(g.fs, p)
		if err != nil {
			return nil, err
		}
		kmod = kmod || ok
	}
	seen := map[string]bool{}
	add := func(name, ignored string) error {
		if g.masked(name) {
			return nil
		}
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, r := range ParseModprobe("/"+name, RuleGuest, string(b)) {
			r.Ignored = ignored
			if len(rules) < maxModprobeRules {
				rules = append(rules, r)
			}
		}
		return nil
	}
	for _, dir := range modprobeDirs {
		names, err := g.dropIns(dir, "")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			base := path.Base(name)
			if seen[base] {
				continue
			}
			seen[base] = true
			ignored := ""
			if !strings.HasSuffix(base, ".conf") {
				if ignored = "its name does not end in .conf"; !kmod {
					ignored = "" // module-init-tools read every file
				}
				if strings.HasSuffix(base, "~") || strings.Contains(base, ".rpm") || strings.Contains(base, ".dpkg") {
					ignored = "it is a copy that a package manager left"
				}
			}
			if err := add(name, ignored); err != nil {
				return nil, err
			}
		}
	}
	ignored := ""
	if kmod {
		ignored = "kmod does not read modprobe.conf"
	}
	return rules, add("etc/modprobe.conf", ignored)
}

// cmdlineRules are those of a command line: kmod's and the kernel's arguments hold
// for the whole life of the system, dracut's until the root is mounted.
func cmdlineRules(e BootEntry) (rules []ModprobeRule) {
	for _, a := range bootcfg.Args(e.Cmdline) {
		r := ModprobeRule{Kind: RuleBlacklist, Where: RuleCmdline, File: e.Source, Line: e.Line, Text: a.Key + "=" + a.Value}
		switch moduleName(a.Key) {
		case "modprobe.blacklist":
		case "module_blacklist":
			r.Kind = RuleForbid
		case "rd.driver.blacklist", "rdblacklist", "rd.blacklist":
			r.Where = RuleInitramfs
		default:
			continue
		}
		for m := range strings.SplitSeq(a.Value, ",") {
			if r.Module = moduleName(strings.TrimSpace(m)); r.Module != "" && len(rules) < maxModprobeRules {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// blocking are the rules that keep one of the modules from being loaded in one of
// the places.
func blocking(rules []ModprobeRule, modules []string, where ...string) (out []ModprobeRule) {
	for _, r := range rules {
		if b, _ := r.Blocks(); b && slices.Contains(modules, r.Module) && slices.Contains(where, r.Where) {
			out = append(out, r)
		}
	}
	return out
}

// Blocking are the rules that keep a module from being loaded: those about itself,
// and of those about what it depends on the ones that a dependency does not pass
// by. modprobe does not look at blacklist for dependencies (modprobe.d(5)).
func (f *Facts) Blocking(module string, where ...string) (out []ModprobeRule) {
	all := append(slices.Clone(f.Modprobe), f.Early.Rules...)
	out = blocking(all, []string{moduleName(module)}, where...)
	for _, r := range blocking(all, f.Drivers.Modules[module].Deps, where...) {
		if r.Kind != RuleBlacklist {
			out = append(out, r)
		}
	}
	return out
}
