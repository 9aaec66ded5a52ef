package storage

import (
	"slices"
	"strconv"
	"strings"
)

// Crypttab is /etc/crypttab, as systemd (crypttab(5)) and Debian's cryptsetup
// read it.
type Crypttab struct {
	Missing bool
	Entries []CryptEntry
	Errors  []CryptError
}

// CryptError is a line that is no entry, or an option whose value is none.
type CryptError struct {
	Line int
	Why  string
}

// CryptEntry is one encrypted volume.
type CryptEntry struct {
	Line int
	// Name is the mapping's, Device the field as written, Key the key's file; ""
	// is a passphrase that somebody types.
	Name, Device, Key string
	Options           []string
}

// ParseCrypttab reads a crypttab: fields apart by blanks, two to four of them.
func ParseCrypttab(s string) (c Crypttab) {
	n := 0
	for line := range strings.Lines(s) {
		n++
		t := strings.TrimSpace(line)
		if t == "" || t[0] == '#' {
			continue
		}
		if len(c.Entries)+len(c.Errors) >= 2000 {
			c.Errors = append(c.Errors, CryptError{n, "too many lines; the rest was not read"})
			break
		}
		f := fields(t)
		if len(f) < 2 {
			c.Errors = append(c.Errors, CryptError{n, "one field instead of two to four"})
			continue
		}
		e := CryptEntry{Line: n, Name: f[0], Device: f[1]}
		// With three fields the third is the key; Debian's older files have options
		// in the fourth only, too.
		if len(f) > 2 && f[2] != "none" && f[2] != "-" {
			e.Key = f[2]
		}
		if len(f) > 3 && f[3] != "none" && f[3] != "-" {
			e.Options = slices.DeleteFunc(strings.Split(f[3], ","), func(o string) bool { return o == "" })
		}
		if why := e.bad(); why != "" {
			c.Errors = append(c.Errors, CryptError{n, why})
			continue
		}
		c.Entries = append(c.Entries, e)
	}
	return c
}

// bad checks the values of the options that are numbers or choices.
func (e CryptEntry) bad() string {
	for _, k := range []string{"key-slot", "tries", "keyfile-offset", "keyfile-size", "offset", "skip"} {
		if v, ok := e.Value(k); ok {
			if _, err := strconv.ParseUint(v, 10, 63); err != nil {
				return "option " + k + "=" + v + " is no number"
			}
		}
	}
	if v, ok := e.Value("tpm2-measure-pcr"); ok && !slices.Contains([]string{"yes", "no", "true", "false", "on", "off", "1", "0"}, strings.ToLower(v)) {
		if _, err := strconv.ParseUint(v, 10, 8); err != nil {
			return "option tpm2-measure-pcr=" + v + " is neither yes nor no"
		}
	}
	return ""
}

// Has says whether the entry has an option, exactly or as a name with a value.
func (e CryptEntry) Has(names ...string) bool {
	return slices.ContainsFunc(e.Options, func(o string) bool {
		k, _, _ := strings.Cut(o, "=")
		return slices.Contains(names, k)
	})
}

// Value is an option's value.
func (e CryptEntry) Value(name string) (v string, ok bool) {
	for _, o := range e.Options {
		if k, x, has := strings.Cut(o, "="); has && k == name {
			v, ok = x, true
		}
	}
	return v, ok
}

// RandomKey says that the volume gets a new key at every boot: its contents
// before are lost, which is meant for swap and /tmp.
func (e CryptEntry) RandomKey() bool {
	return e.Key == "/dev/urandom" || e.Key == "/dev/random" || e.Key == "/dev/hwrng" || e.Has("swap", "tmp")
}

// Optional says that the boot goes on without the volume (noauto, nofail).
func (e CryptEntry) Optional() bool { return e.Has("noauto", "nofail") }

// Early says that the initramfs opens the volume: systemd's x-initrd.attach and
// Debian's initramfs. It may do so without an option, where the root lies on it.
func (e CryptEntry) Early() bool { return e.Has("x-initrd.attach", "initramfs") }

// KeyDevice is the device that a key file lies on, where the field names one
// after the file: "/key:UUID=..."; Debian's passdev has "/dev/...:/key".
func (e CryptEntry) KeyDevice() (device, file string, ok bool) {
	for _, tag := range []string{":UUID=", ":LABEL=", ":PARTUUID=", ":PARTLABEL=", ":/dev/"} {
		if i := strings.Index(e.Key, tag); i > 0 {
			return e.Key[i+1:], e.Key[:i], true
		}
	}
	if e.Has("keyscript") {
		if head, tail, found := strings.Cut(e.Key, ":"); found && strings.HasPrefix(head, "/dev/") {
			return head, tail, true
		}
	}
	return "", "", false
}

// Hardware is the device that holds the key: "tpm2", "fido2", "pkcs11", or "".
func (e CryptEntry) Hardware() string {
	for _, k := range []string{"tpm2", "fido2", "pkcs11"} {
		for _, o := range []string{k + "-device", k + "-uri"} {
			if v, ok := e.Value(o); ok && v != "" {
				return k
			}
		}
	}
	if v, ok := e.Value("keyscript"); ok && strings.Contains(v, "tpm") {
		return "tpm2"
	}
	return ""
}
