package bootcfg

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// bootLoaderSpec finds folders of loader entries. Where systemd-boot is
// installed or has a loader.conf they are its menu; the others are answered
// separately, as GRUB or nobody may use them.
func (t *tree) bootLoaderSpec(esps []string) (sd, others []Config) {
	conf, confFile := t.loaderConf(esps)
	installed := confFile != "" || t.hasSystemdBoot(esps)
	var dirs []string
	roots := slices.Concat(esps, []string{"/boot/efi", "/efi", "/boot", "/"})
	for _, r := range roots {
		d := path.Join(r, "loader", "entries")
		if !slices.Contains(dirs, d) && t.isDir(d) {
			dirs = append(dirs, d)
		}
	}
	if !installed {
		for _, d := range dirs {
			c := Config{Loader: BLS, File: d, menuFile: d, DefaultWhy: "not known: no boot loader that reads these entries is found"}
			c.Entries, _ = t.blsEntries(d, &c)
			others = append(others, c)
		}
		return nil, others
	}
	c := Config{Loader: SystemdBoot, File: confFile, menuFile: confFile}
	var all []*blsEntry
	byEntry := map[*blsEntry]Entry{}
	for _, d := range dirs {
		entries, raw := t.blsEntries(d, &c)
		for i, b := range raw {
			byEntry[b] = entries[i]
		}
		all = append(all, raw...)
		c.used = append(c.used, d)
		if c.File == "" {
			c.File, c.menuFile = d, d
		}
	}
	ukis, unread := t.ukis(esps, &c)
	for _, b := range ukis {
		byEntry[b] = Entry{Title: b.title(), ID: b.id, Source: b.path, Line: b.line, Kernel: b.path, Unified: true, Cmdline: b.first("options")}
	}
	all = append(all, ukis...)
	if c.File == "" {
		if len(all)+len(unread) == 0 {
			return nil, nil
		}
		if len(ukis) > 0 {
			c.File = ukis[0].path
		} else {
			c.File = unread[0]
		}
		c.menuFile = c.File
	}
	slices.SortStableFunc(all, compareBLS)
	chosen, why := chooseBLS(conf["default"], t.inMenu(all, byEntry, &c), unread)
	c.DefaultWhy = why
	for _, b := range all {
		e := byEntry[b]
		e.Default = b == chosen && e.Kernel != ""
		c.Entries = append(c.Entries, e)
	}
	return []Config{c}, nil
}

// inMenu leaves out the entries whose kernel does not exist: systemd-boot does
// not show them (src/boot/boot.c, boot_entry_add_type1). Where nothing would be
// left, all stay: that the kernels are missing is then what is wrong.
func (t *tree) inMenu(all []*blsEntry, entries map[*blsEntry]Entry, c *Config) (shown []*blsEntry) {
	for _, b := range all {
		if e := entries[b]; e.Kernel != "" {
			if _, found := t.stat(e.Kernel); found == no {
				c.problem(b.path + ": the kernel " + e.Kernel + " does not exist, so systemd-boot does not show the entry")
				continue
			}
		}
		shown = append(shown, b)
	}
	if len(shown) == 0 {
		return all
	}
	return shown
}

// blsEntries reads a folder's entries, newest first.
func (t *tree) blsEntries(dir string, c *Config) (entries []Entry, raw []*blsEntry) {
	mount := path.Dir(path.Dir(dir))
	raw = t.blsFolder(dir, c.problem)
	slices.SortStableFunc(raw, compareBLS)
	for _, b := range raw {
		e := Entry{Title: b.title(), ID: b.id, Source: b.path, Line: b.line, Cmdline: strings.Join(b.keys["options"], " ")}
		if k := b.first("linux"); k != "" {
			e.Kernel = t.blsPath(mount, k)
		} else if p, u := t.named(b, mount); u != nil {
			e.Kernel, e.Unified = p, true
			if e.Cmdline == "" { // options of the entry take the place of the image's own
				e.Cmdline = u.first("options")
			}
		} else {
			e.Action = "efi " + b.first("uki") + b.first("efi")
		}
		for _, v := range b.keys["initrd"] {
			for f := range strings.FieldsSeq(v) {
				if !strings.HasPrefix(f, "$") { // a variable of GRUB
					e.Initrds = append(e.Initrds, t.blsPath(mount, f))
				}
			}
		}
		entries = append(entries, e)
	}
	return entries, raw
}

// blsPath makes a guest path of an entry's: from the root of the filesystem that
// holds the entries.
func (t *tree) blsPath(mount, p string) string {
	guest, found := t.locate(mount, p)
	if found == yes || mount == "/" {
		return guest
	}
	// /boot may be a folder of the root: then GRUB's entries say /boot/vmlinuz.
	if other, ok := t.locate("", p); ok == yes {
		return other
	}
	return guest
}

// chooseBLS finds what loader.conf's default names (loader.conf(5)): a pattern
// over IDs, with or without .conf; without one, the first entry.
func chooseBLS(pattern string, all []*blsEntry, ukis []string) (chosen *blsEntry, why string) {
	switch {
	case strings.HasPrefix(pattern, "@"):
		return nil, "not known: default " + pattern + " is kept in the firmware"
	case pattern != "":
		for _, u := range ukis {
			if globFold(pattern, path.Base(u)) {
				return nil, "not known: default " + pattern + " may be the unified kernel image " + u
			}
		}
		for _, b := range all {
			if globFold(pattern, b.id+".conf") || globFold(pattern, b.id) || globFold(pattern, path.Base(b.path)) {
				return b, "default " + pattern + " of loader.conf"
			}
		}
		why = "default " + pattern + " of loader.conf names no entry: "
	}
	switch {
	case len(ukis) > 0:
		return nil, why + "not known: there are unified kernel images, which could not be read"
	case len(all) == 0:
		return nil, why + "there are no entries"
	}
	return all[0], why + "the first entry in systemd-boot's order"
}

// loaderConf reads loader.conf of the first EFI system partition that has one.
func (t *tree) loaderConf(esps []string) (conf map[string]string, file string) {
	for _, r := range slices.Concat(esps, []string{"/boot/efi", "/efi", "/boot"}) {
		p, ok := t.fold(r, "loader", "loader.conf")
		if !ok || !t.isFile(p) {
			continue
		}
		b, err := t.read(p)
		if err != nil {
			continue
		}
		keys, _ := parseBLS(b)
		conf = map[string]string{}
		for k, v := range keys {
			conf[k] = v[len(v)-1]
		}
		return conf, p
	}
	return nil, ""
}

func (t *tree) hasSystemdBoot(esps []string) bool {
	for _, r := range esps {
		dir, ok := t.fold(r, "EFI", "systemd")
		if ok && slices.ContainsFunc(t.list(dir), func(n string) bool {
			return strings.HasPrefix(strings.ToLower(n), "systemd-boot")
		}) {
			return true
		}
	}
	return false
}

// fallbackIsSystemdBoot says whether the program that the firmware starts on an
// unknown machine is systemd-boot: it carries its name in a section of its own
// (systemd, src/boot, .sdmagic).
func (t *tree) fallbackIsSystemdBoot(esps []string) bool {
	for _, r := range esps {
		dir, ok := t.fold(r, "EFI", "BOOT")
		if !ok {
			continue
		}
		for _, n := range t.list(dir) {
			low := strings.ToLower(n)
			if !strings.HasPrefix(low, "boot") || !strings.HasSuffix(low, ".efi") {
				continue
			}
			if b, err := t.read(path.Join(dir, n)); err == nil && bytes.Contains(b, []byte("#### LoaderInfo: systemd-boot")) {
				return true
			}
		}
	}
	return false
}

func (c *Config) problem(s string) {
	if len(c.Problems) < maxProblems {
		c.Problems = append(c.Problems, s)
	}
}

// globFold matches a pattern of * ? and [...] without regard to case.
func globFold(pattern, s string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(s))
	return err == nil && ok
}
