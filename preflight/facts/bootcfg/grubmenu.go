package bootcfg

import (
	"path"
	"strings"
)

// grubESP reads the configurations on the EFI system partition. Vendors put
// theirs in EFI/VENDOR; often it only looks for another one.
func (t *tree) grubESP(esps []string) (out []Config) {
	for _, esp := range esps {
		efi, _ := t.fold(esp, "EFI")
		var last []string // EFI/BOOT is what the firmware falls back to
		for _, vendor := range t.list(efi) {
			file, ok := t.fold(efi, vendor, "grub.cfg")
			if !ok || !t.isFile(file) {
				continue
			}
			if strings.EqualFold(vendor, "BOOT") {
				last = append(last, file)
				continue
			}
			out = append(out, t.grub(file, esp, "efi"))
		}
		for _, file := range last {
			out = append(out, t.grub(file, esp, "efi"))
		}
	}
	return out
}

// grubDisk reads the configurations in /boot. platform is that of GRUB's
// variable grub_platform: "pc", "efi" or "" for unknown.
func (t *tree) grubDisk(platform string) (out []Config) {
	for _, file := range []string{"/boot/grub2/grub.cfg", "/boot/grub/grub.cfg", "/grub2/grub.cfg", "/grub/grub.cfg"} {
		if t.isFile(file) {
			out = append(out, t.grub(file, "", platform))
		}
	}
	return out
}

// grub runs a configuration. mount is where its filesystem is mounted, or ""
// for unknown.
func (t *tree) grub(file, mount, platform string) Config {
	dir := "(" + guestDevice + ")" + path.Dir(file)
	run := &grubRun{funcs: map[string][]*node{}, devices: map[string]string{"self": mount}, menuFile: file}
	g := &grub{t: t, run: run, file: file, exported: map[string]bool{}}
	run.top = newMenu()
	g.menu = run.top
	g.vars = map[string]string{
		"root": "self", "prefix": dir, "cmdpath": dir, "config_directory": dir, "config_file": "(" + guestDevice + ")" + file,
	}
	if platform != "" {
		g.vars["grub_platform"] = platform
	} else {
		g.vars["grub_platform"] = "${grub_platform}" // known only at boot
	}
	// grub-core/normal/main.c, features.
	for _, f := range []string{"chainloader_bpb", "ntldr", "platform_search_hint", "default_font_path", "all_video_module",
		"menuentry_id", "menuentry_options", "200_final", "nativedisk_cmd", "timeout_style"} {
		g.vars["feature_"+f] = "y"
		g.exported["feature_"+f] = true
	}
	for _, v := range []string{"root", "prefix", "grub_platform", "cmdpath", "config_directory", "config_file"} {
		g.exported[v] = true
	}
	g.source(0, "("+guestDevice+")"+file)
	g.finish(run.top)
	c := Config{Loader: GRUB2, File: file, menuFile: run.menuFile, used: run.used}
	chosen, why := g.choose(run.top)
	flatten(run.top, nil, chosen, &c.Entries)
	c.DefaultWhy, c.Problems = why, run.problems
	return c
}

// addEntry is menuentry and submenu (GRUB manual, "menuentry").
func (g *grub) addEntry(n *node, submenu bool, args []string) tri {
	if g.run.items++; g.run.items > maxEntries {
		if g.run.items == maxEntries+1 {
			g.doubt(n.line, "the menu has more than %d entries", maxEntries)
		}
		return no
	}
	it := &grubItem{submenu: submenu, block: n.block, file: g.file, entry: Entry{Source: g.file, Line: n.line}}
	var pos []string
	for i := 0; i < len(args); i++ {
		opt, v, hasValue := strings.Cut(args[i], "=")
		switch opt {
		case "--class", "--users", "--hotkey", "--source", "--function", "--id":
			if !hasValue && i+1 < len(args) {
				i++
				v = args[i]
			}
			if opt == "--id" {
				it.entry.ID = v
			}
		case "--unrestricted":
		default:
			pos = append(pos, args[i])
		}
	}
	if len(pos) == 0 {
		g.problem(n.line, "an entry without a title")
		return no
	}
	it.entry.Title, it.params = pos[0], pos
	g.menu.items = append(g.menu.items, it)
	return yes
}

// finish runs the entries' blocks, as GRUB does when one is chosen: after the
// whole configuration.
func (g *grub) finish(menu *grubMenu) {
	for _, it := range menu.items {
		if it.done {
			continue
		}
		it.children = newMenu()
		c := g.child(!it.submenu)
		c.params, c.file, c.calls = it.params, it.file, 0
		c.set("chosen", it.entry.Title)
		if !it.submenu {
			c.entry, c.item = &it.entry, it
			c.menu = newMenu()
			c.list(it.block)
			continue
		}
		if g.calls >= maxCalls {
			c.doubt(it.entry.Line, "more than %d submenus inside each other", maxCalls)
			continue
		}
		c.calls = g.calls + 1
		delete(c.vars, "default")
		c.menu = it.children
		c.list(it.block)
		it.def = c.vars["default"]
		c.finish(it.children)
	}
}

func flatten(menu *grubMenu, above []string, chosen *grubItem, out *[]Entry) {
	for _, it := range menu.items {
		if it.submenu {
			flatten(it.children, append(above[:len(above):len(above)], it.entry.Title), chosen, out)
			continue
		}
		e := it.entry
		e.Menu, e.Default = strings.Join(above, ">"), it == chosen
		*out = append(*out, e)
	}
}
