package bootcfg

import (
	"bytes"
	"cmp"
	"path"
	"strings"
)

// blsEntry is a type #1 entry of the Boot Loader Specification (UAPI.1): lines of
// a key, white space and a value.
type blsEntry struct {
	id    string // the file's name without .conf and without boot counters
	path  string // of the file, in the guest
	line  int    // of the linux key
	keys  map[string][]string
	tries bool // boot counting says that no tries are left
}

// first is the first value of a key.
func (b *blsEntry) first(key string) string {
	if v := b.keys[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func parseBLS(data []byte) (keys map[string][]string, linuxLine int) {
	keys = map[string][]string{}
	n := 0
	for raw := range bytes.Lines(data) {
		n++
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		if k, v, ok := strings.Cut(line, "\t"); ok && len(k) < len(key) {
			key, value = k, v
		}
		if value = strings.TrimSpace(value); value == "" || len(keys) > 200 || len(keys[key]) >= 100 {
			continue
		}
		keys[key] = append(keys[key], value)
		if key == "linux" && linuxLine == 0 {
			linuxLine = n
		}
	}
	return keys, max(linuxLine, 1)
}

// blsFolder reads the entries of a folder, unsorted. problem takes what is odd.
func (t *tree) blsFolder(dir string, problem func(string)) (out []*blsEntry) {
	for _, name := range t.list(dir) {
		stem, ok := cutSuffixFold(name, ".conf")
		if !ok || name[0] == '.' {
			continue
		}
		if len(out) >= maxEntries {
			problem(dir + ": too many entries")
			break
		}
		p := path.Join(dir, name)
		data, err := t.read(p)
		if err != nil {
			problem(p + ": " + err.Error())
			continue
		}
		e := &blsEntry{path: p}
		e.id, e.tries = bootCounter(stem)
		e.keys, e.line = parseBLS(data)
		if e.first("linux") == "" {
			switch {
			case e.first("uki") != "" || e.first("efi") != "" || e.first("uki-url") != "":
				problem(p + ": it boots an EFI program or unified kernel image and no kernel")
			default:
				problem(p + ": it has no kernel (key linux), so it cannot be booted")
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

// bootCounter takes "+LEFT" or "+LEFT-DONE" off a name (UAPI.1, "Boot counting").
func bootCounter(stem string) (id string, spent bool) {
	i := strings.LastIndexByte(stem, '+')
	if i < 0 {
		return stem, false
	}
	left, done, hasDone := strings.Cut(stem[i+1:], "-")
	if !digits(left) || hasDone && !digits(done) {
		return stem, false
	}
	return stem[:i], strings.Trim(left, "0") == ""
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func cutSuffixFold(s, suffix string) (string, bool) {
	if n := len(s) - len(suffix); n > 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n], true
	}
	return s, false
}

// compareBLS is the order of systemd-boot's menu (UAPI.1, "Sorting").
func compareBLS(a, b *blsEntry) int {
	if c := compareBool(a.tries, b.tries); c != 0 {
		return c
	}
	sa, sb := a.first("sort-key"), b.first("sort-key")
	if c := compareBool(sa == "", sb == ""); c != 0 {
		return c
	}
	if sa != "" {
		if c := cmp.Compare(sa, sb); c != 0 {
			return c
		}
		if c := cmp.Compare(a.first("machine-id"), b.first("machine-id")); c != 0 {
			return c
		}
		if c := compareVersion(b.first("version"), a.first("version")); c != 0 {
			return c
		}
	}
	return compareVersion(b.id, a.id)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// title is what a menu shows: the title, and the version where it has one of
// its own.
func (b *blsEntry) title() string {
	return cmp.Or(b.first("title"), b.id)
}
