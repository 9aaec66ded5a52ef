package bootcfg

import (
	"cmp"
	"errors"
	"io"
	"path"
	"strings"

	"migimg/preflight/facts/efi"
)

// uki reads a unified kernel image: the entry it makes, in the words of a type #1
// entry so that both sort in one list. Name, version and sort key are those that
// systemd-boot takes from .osrel (systemd, src/fundamental/bootspec.c): the first
// of several fields that is set.
func (t *tree) uki(p string) (*blsEntry, error) {
	f, err := t.fsys.Open(rel(p))
	if err != nil {
		if !notThere(err) {
			t.keep(err)
		}
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok || !fi.Mode().IsRegular() {
		return nil, errors.New("no random access")
	}
	prog, err := efi.Open(r, fi.Size())
	if err != nil {
		return nil, err
	}
	if prog.Kind != efi.Unified {
		return nil, errors.New("it has no section .linux")
	}
	osrel, err := prog.Text(".osrel")
	if err != nil {
		return nil, err
	}
	cmdline, err := prog.Text(".cmdline")
	if err != nil {
		return nil, err
	}
	v := map[string]string{}
	for line := range strings.Lines(osrel) {
		if k, x, ok := strings.Cut(strings.TrimSpace(line), "="); ok && len(v) < maxVars {
			v[k] = strings.Trim(x, `"'`)
		}
	}
	b := &blsEntry{path: p, line: 1, keys: map[string][]string{"uki": {p}}}
	stem, _ := cutSuffixFold(path.Base(p), ".efi")
	b.id, b.tries = bootCounter(stem)
	b.id = strings.ToLower(b.id) + ".efi"
	set := func(key, value string) {
		if value != "" {
			b.keys[key] = []string{value}
		}
	}
	set("title", cmp.Or(v["PRETTY_NAME"], v["IMAGE_ID"], v["NAME"], v["ID"]))
	set("version", cmp.Or(v["IMAGE_VERSION"], v["VERSION"], v["VERSION_ID"], v["BUILD_ID"]))
	set("sort-key", cmp.Or(v["IMAGE_ID"], v["ID"]))
	set("options", strings.Join(strings.Fields(cmdline+" "+t.addons(p)), " "))
	return b, nil
}

// addons are the command lines that the stub appends: those of the EFI programs
// beside the image (systemd-stub(7), "FOO.efi.extra.d/*.addon.efi").
func (t *tree) addons(p string) string {
	var out []string
	dir := p + ".extra.d"
	for i, n := range t.list(dir) {
		if _, ok := cutSuffixFold(n, ".addon.efi"); !ok || i >= maxFiles {
			continue
		}
		if s, err := t.sectionText(path.Join(dir, n), ".cmdline"); err == nil && s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

func (t *tree) sectionText(p, section string) (string, error) {
	f, err := t.fsys.Open(rel(p))
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	r, ok := f.(io.ReaderAt)
	if !ok || !fi.Mode().IsRegular() {
		return "", errors.New("no random access")
	}
	prog, err := efi.Open(r, fi.Size())
	if err != nil {
		return "", err
	}
	return prog.Text(section)
}

// ukis reads the unified kernel images (UAPI.5) of the EFI system partitions:
// type #2 entries. unread are those that could not be read.
func (t *tree) ukis(esps []string, c *Config) (read []*blsEntry, unread []string) {
	for _, r := range esps {
		dir, ok := t.fold(r, "EFI", "Linux")
		if !ok {
			continue
		}
		for _, n := range t.list(dir) {
			if _, ok := cutSuffixFold(n, ".efi"); !ok || len(read) >= maxEntries {
				continue
			}
			p := path.Join(dir, n)
			b, err := t.uki(p)
			if err != nil {
				unread = append(unread, p)
				c.problem("UKI: not read: " + p + ": " + err.Error())
				continue
			}
			read = append(read, b)
		}
	}
	return read, unread
}

// named is an entry's unified image: a type #2 entry's own, or what a type #1
// entry names by the key uki, or by efi where that is one.
func (t *tree) named(b *blsEntry, mount string) (p string, e *blsEntry) {
	for _, key := range []string{"uki", "efi"} {
		v := b.first(key)
		if v == "" {
			continue
		}
		p = t.blsPath(mount, v)
		if e, err := t.uki(p); err == nil {
			return p, e
		}
	}
	return "", nil
}
