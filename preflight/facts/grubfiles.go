package facts

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/guestfs"
)

// GrubFiles is what GRUB's configuration is made from, and where GRUB installs
// itself. Hashes of its passwords are left out.
type GrubFiles struct {
	// Defaults are the assignments of /etc/default/grub and the files beside it,
	// in the order in which they count. Problems are lines that a shell refuses.
	Defaults []Setting
	Problems []Line
	// Open are the files that do not end in a line feed.
	Open []string
	// EnvFile is the environment block, EnvSize its size in bytes; EnvHeader says
	// that it begins as one. The file is empty where there is none.
	EnvFile   string
	EnvSize   int64
	EnvHeader bool
	// Devices are what the next update of GRUB installs itself on: debconf's
	// answer, SUSE's list. Maps are lines of device.map.
	Devices, Maps []Line
	// Password is the line of the configuration that wants a password, without
	// it; File is empty where there is none.
	Password Line
}

// Default is the last value of a setting, and ok whether there is one.
func (f *GrubFiles) Default(key string) (s Setting, ok bool) {
	for _, x := range f.Defaults {
		if x.Key == key {
			s, ok = x, true
		}
	}
	return s, ok
}

// grubFiles reads them.
func (g *gatherer) grubFiles() {
	x := &g.f.Grub
	files := []string{"etc/default/grub"}
	more, err := g.dropIns("etc/default/grub.d", ".cfg")
	if err != nil {
		g.f.SetAbsent(KeyGrub, Absence{Reason: err.Error()})
		return
	}
	for _, name := range append(files, more...) {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			g.f.SetAbsent(KeyGrub, Absence{Reason: err.Error()})
			return
		}
		s := ParseShellFile("/"+name, string(b))
		x.Defaults, x.Problems = append(x.Defaults, s.Settings...), append(x.Problems, s.Problems...)
		if s.Open {
			x.Open = append(x.Open, "/"+name)
		}
	}
	g.grubEnv()
	g.grubDevices()
	g.grubPassword()
}

// grubEnv looks at the environment block beside the configuration.
func (g *gatherer) grubEnv() {
	dirs := []string{"boot/grub2", "boot/grub"}
	if f := g.f.Boot.File; strings.HasSuffix(f, "grub.cfg") {
		dirs = append([]string{guestName(path.Dir(f))}, dirs...)
	}
	for _, d := range dirs {
		b, err := guestfs.ReadFile(g.fs, d+"/grubenv", guestfs.MaxConfig)
		if err != nil {
			continue
		}
		x := &g.f.Grub
		x.EnvFile, x.EnvSize, x.EnvHeader = "/"+d+"/grubenv", int64(len(b)), bytes.HasPrefix(b, []byte("# GRUB Environment Block\n"))
		return
	}
}

// grubDevices reads which devices GRUB will install itself on.
func (g *gatherer) grubDevices() {
	x := &g.f.Grub
	if ok, _ := guestfs.Exists(g.fs, "var/lib/dpkg/info/grub-pc.list"); ok {
		lines, err := g.lines("var/cache/debconf/config.dat")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			g.f.SetAbsent(KeyGrub, Absence{Reason: err.Error()})
			return
		}
		x.Devices = append(x.Devices, debconf(lines, "grub-pc/install_devices", "/var/cache/debconf/config.dat")...)
	}
	if lines, err := g.lines("etc/default/grub_installdevice"); err == nil {
		for i, l := range lines {
			if l = strings.TrimSpace(l); strings.HasPrefix(l, "/dev/") && len(x.Devices) < maxSettings {
				x.Devices = append(x.Devices, Line{"/etc/default/grub_installdevice", i + 1, l})
			}
		}
	}
	for _, p := range []string{"boot/grub/device.map", "boot/grub2/device.map"} {
		lines, err := g.lines(p)
		if err != nil {
			continue
		}
		for i, l := range lines {
			if w := strings.Fields(l); len(w) == 2 && strings.HasPrefix(w[0], "(hd") && len(x.Maps) < maxSettings {
				x.Maps = append(x.Maps, Line{"/" + p, i + 1, strings.TrimSpace(l)})
			}
		}
	}
}

// debconf reads the value of one question out of debconf's database: paragraphs of
// "Field: value" (Debconf::DbDriver::File).
func debconf(lines []string, question, file string) (out []Line) {
	mine := false
	for i, l := range lines {
		key, v, _ := strings.Cut(l, ": ")
		switch {
		case strings.TrimSpace(l) == "":
			mine = false
		case key == "Name":
			mine = strings.TrimSpace(v) == question
		case mine && key == "Value":
			for d := range strings.SplitSeq(v, ",") {
				if d = strings.TrimSpace(d); d != "" && len(out) < maxSettings {
					out = append(out, Line{file, i + 1, d})
				}
			}
		}
	}
	return out
}

// grubPassword finds whether GRUB asks for a password.
func (g *gatherer) grubPassword() {
	if !strings.Contains(g.f.Boot.Loader, "grub") {
		return
	}
	for _, p := range []string{g.f.Boot.File, path.Join(path.Dir(g.f.Boot.File), "user.cfg")} {
		lines, err := g.lines(p)
		if err != nil {
			continue
		}
		for i, l := range lines {
			w := strings.Fields(l)
			if len(w) > 1 && (w[0] == "password" || w[0] == "password_pbkdf2") || strings.HasPrefix(strings.TrimSpace(l), "GRUB2_PASSWORD=") {
				first, _, _ := strings.Cut(w[0], "=")
				g.f.Grub.Password = Line{path.Clean("/" + p), i + 1, first}
				return
			}
		}
	}
}
