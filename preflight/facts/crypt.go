package facts

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/preflight/facts/bootcfg"
	"migimg/preflight/facts/storage"
)

// Crypttab is /etc/crypttab with where its devices and keys are.
type Crypttab struct {
	Missing bool
	Lines   []CryptLine
	Errors  []storage.CryptError
}

// CryptLine is an entry.
type CryptLine struct {
	storage.CryptEntry
	// Resolved is where the entry's device is.
	Resolved Spec
	// KeyFile is whether the key's file is there: "" for a passphrase or a random
	// key, "present", "missing", or why it is not known. KeyDevice is where the
	// device is that it lies on, nil where it lies in the guest's own tree.
	KeyFile   string
	KeyDevice *Spec
	// Root says that "/" lies on the volume; Mounted are the fstab lines (their
	// numbers) that mount it and are not optional.
	Root    bool
	Mounted []int
}

func (g *gatherer) crypttab() {
	text, missing, err := g.config("etc/crypttab")
	if err != nil {
		g.f.SetAbsent(KeyCrypttab, Absence{Reason: err.Error()})
		return
	}
	if missing {
		g.f.Crypttab = Crypttab{Missing: true}
		return
	}
	t := storage.ParseCrypttab(text)
	g.f.Crypttab.Errors = t.Errors
	for _, e := range t.Entries {
		l := CryptLine{CryptEntry: e, Resolved: g.f.Disk.Resolve(e.Device, "")}
		if dev, _, ok := e.KeyDevice(); ok {
			sp := g.f.Disk.Resolve(dev, "")
			l.KeyDevice = &sp
		} else if strings.HasPrefix(e.Key, "/") && !strings.HasPrefix(e.Key, "/dev/") && !e.RandomKey() {
			switch _, err := g.fs.Lstat(guestName(e.Key)); {
			case err == nil:
				l.KeyFile = "present"
			case errors.Is(err, fs.ErrNotExist):
				l.KeyFile = "missing"
			default:
				l.KeyFile = err.Error()
			}
		}
		g.mountsOf(&l)
		g.f.Crypttab.Lines = append(g.f.Crypttab.Lines, l)
	}
}

// mountsOf finds what of fstab and of the boot entry goes by the mapping.
func (g *gatherer) mountsOf(l *CryptLine) {
	dev := "/dev/mapper/" + l.Name
	for _, x := range g.f.Fstab.Lines {
		if path.Clean(x.Spec) != dev {
			continue
		}
		if x.Point == "/" {
			l.Root = true
		}
		if !x.Optional() {
			l.Mounted = append(l.Mounted, x.Line)
		}
	}
	if e, ok := g.f.Boot.DefaultEntry(); ok {
		if r, ok := bootcfg.Param(e.Cmdline, "root"); ok && path.Clean(r) == dev {
			l.Root = true
		}
	}
	if i := l.Resolved.Volume; l.Resolved.Place == OnDisk && g.f.Guest.Found {
		for _, v := range g.f.Disk.Layers(g.f.Guest.Root) {
			l.Root = l.Root || v.Name == g.f.Disk.Volumes[i].Name
		}
	}
}

// LUKSVolume is an encrypted volume of the disk.
type LUKSVolume struct {
	// Volume is the index in Disk.Volumes.
	Volume int
	Header storage.LUKS
	// Err is why the header could not be read.
	Err string
}

// maxLUKS bounds the encrypted volumes whose headers are read.
const maxLUKS = 64

// luks reads the headers of the encrypted volumes. It needs no guest.
func (g *gatherer) luks() {
	for i, v := range g.f.Disk.Volumes {
		if v.Type != "crypto_LUKS" || len(g.f.LUKS) == maxLUKS {
			continue
		}
		l := LUKSVolume{Volume: i}
		r, size, err := g.bytesOf(v.Name)
		if err == nil {
			l.Header, err = storage.ReadLUKS(r, size)
		}
		if err != nil {
			l.Err = err.Error()
		}
		g.f.LUKS = append(g.f.LUKS, l)
	}
}

// Names of package storage's types, for checks.
type (
	LUKSToken    = storage.LUKSToken
	MultipathMap = storage.MultipathMap
)
