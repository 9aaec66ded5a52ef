package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"migimg/preflight/guestfs"
)

// Fstab is /etc/fstab.
type Fstab struct {
	// Missing: the file is not there.
	Missing bool
	Lines   []FstabLine
	Errors  []FstabError
	// NoNewline: the last line does not end, so that a tool that appends to the
	// file breaks it. CRLF: lines end as on DOS, and the kernel's options do not.
	NoNewline, CRLF bool
}

// FstabLine is one entry, with its escapes resolved (fstab(5)).
type FstabLine struct {
	Line                int
	Text                string
	Spec, Point, FSType string
	Options             []string
	Freq, Pass          int
	// Resolved is where the entry's device is.
	Resolved Spec
}

// FstabError is a line that is none.
type FstabError struct {
	Line      int
	Text, Why string
}

// maxFstab bounds the entries of one fstab.
const maxFstab = 2000

// ParseFstab reads an fstab as libmount does: fields apart by blanks, comments
// only at a line's start, four to six fields.
func ParseFstab(s string) Fstab {
	f := Fstab{NoNewline: s != "" && !strings.HasSuffix(s, "\n"), CRLF: strings.Contains(s, "\r\n")}
	n := 0
	for line := range strings.Lines(s) {
		n++
		text := strings.TrimRight(line, "\r\n")
		t := strings.Trim(text, " \t")
		if t == "" || t[0] == '#' {
			continue
		}
		if len(f.Lines)+len(f.Errors) >= maxFstab {
			f.Errors = append(f.Errors, FstabError{n, "", fmt.Sprintf("more than %d lines; the rest was not read", maxFstab)})
			break
		}
		l, why := parseFstabLine(t)
		l.Line, l.Text = n, text
		if why != "" {
			f.Errors = append(f.Errors, FstabError{n, text, why})
			continue
		}
		f.Lines = append(f.Lines, l)
	}
	return f
}

func parseFstabLine(t string) (l FstabLine, why string) {
	fields := strings.FieldsFunc(t, func(r rune) bool { return r == ' ' || r == '\t' })
	// A comment may follow the entry: util-linux takes "# ..." after the fields.
	for i, x := range fields {
		if i >= 4 && strings.HasPrefix(x, "#") {
			fields = fields[:i]
			break
		}
	}
	if len(fields) < 3 {
		return l, fmt.Sprintf("%d fields instead of four to six", len(fields))
	}
	for i := range fields {
		fields[i] = unescapeOctal(fields[i])
	}
	l.Spec, l.Point, l.FSType = fields[0], fields[1], fields[2]
	if len(fields) > 3 {
		l.Options = splitOptions(fields[3])
	}
	for i, p := range []*int{&l.Freq, &l.Pass} {
		if len(fields) <= 4+i {
			break
		}
		v, err := strconv.Atoi(fields[4+i])
		if err != nil {
			return l, fmt.Sprintf("field %d is %q and not a number", 5+i, fields[4+i])
		}
		*p = v
	}
	if len(fields) > 6 {
		return l, fmt.Sprintf("%d fields instead of four to six", len(fields))
	}
	if l.FSType != "swap" && l.Point != "none" && l.Point != "swap" && !strings.HasPrefix(l.Point, "/") {
		return l, fmt.Sprintf("mount point %q is no absolute path", l.Point)
	}
	return l, ""
}

// splitOptions splits at commas outside double quotes.
func splitOptions(s string) (opts []string) {
	quoted, start := false, 0
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == ',' && !quoted:
			if i > start {
				opts = append(opts, s[start:i])
			}
			start = i + 1
		case s[i] == '"':
			quoted = !quoted
		}
	}
	return opts
}

// unescapeOctal resolves \040 and its like (getmntent(3)).
func unescapeOctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Has says whether the entry has an option, exactly or as a name with a value.
func (l FstabLine) Has(option string) bool {
	return slices.ContainsFunc(l.Options, func(o string) bool { return o == option || strings.HasPrefix(o, option+"=") })
}

// Swap says that the entry is swap space.
func (l FstabLine) Swap() bool { return l.FSType == "swap" }

// Optional says that the system comes up without the entry's device: it is not
// mounted at boot, or local-fs.target does not require it (systemd.mount(5):
// nofail, x-systemd.automount, and the options that name another unit to belong
// to).
func (l FstabLine) Optional() bool {
	return slices.ContainsFunc([]string{"nofail", "noauto", "x-systemd.automount", "comment=systemd.automount", "x-systemd.wanted-by", "x-systemd.required-by"}, l.Has)
}

// Needed says that a system cannot come up without this mount point: its files
// are needed before or while local filesystems are mounted.
func Needed(point string) bool {
	switch strings.TrimSuffix(point, "/") {
	case "", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/etc", "/lib", "/lib64", "/sbin", "/bin", "/boot/firmware":
		return true
	}
	return false
}

func (g *gatherer) fstab() {
	b, err := guestfs.ReadFile(g.fs, "etc/fstab", guestfs.MaxConfig)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		g.f.Fstab = Fstab{Missing: true}
		return
	case err != nil:
		g.f.SetAbsent(KeyFstab, Absence{Reason: err.Error()})
		return
	}
	f := ParseFstab(string(b))
	g.learn(f)
	for i := range f.Lines {
		f.Lines[i].Resolved = g.f.Disk.Resolve(f.Lines[i].Spec, f.Lines[i].FSType)
	}
	g.f.Fstab = f
}
