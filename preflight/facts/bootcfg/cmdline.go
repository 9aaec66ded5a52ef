package bootcfg

import (
	"strconv"
	"strings"
)

// Arg is one argument of a kernel command line.
type Arg struct {
	Key string
	// Value is what follows the first "="; HasValue tells an empty one from none.
	Value    string
	HasValue bool
}

// Args splits a kernel command line as the kernel does (lib/cmdline.c,
// next_arg): white space separates, except between double quotes; quotes are
// taken off where they enclose the whole argument or the whole value, and stay
// anywhere else. A backslash has no meaning.
func Args(cmdline string) (out []Arg) {
	for i := 0; i < len(cmdline); {
		if space(cmdline[i]) {
			i++
			continue
		}
		if cmdline[i] == 0 {
			break // the text ends here for the kernel
		}
		start, quoted := i, false
		for i < len(cmdline) && cmdline[i] != 0 && (quoted || !space(cmdline[i])) {
			if cmdline[i] == '"' {
				quoted = !quoted
			}
			i++
		}
		out = append(out, splitArg(cmdline[start:i]))
	}
	return out
}

func splitArg(s string) Arg {
	whole := false
	if s[0] == '"' {
		s, whole = s[1:], true
	}
	trim := func(v string) string { return strings.TrimSuffix(v, `"`) }
	// A "=" in front does not separate anything.
	i := strings.IndexByte(s, '=')
	if i <= 0 {
		if whole {
			s = trim(s)
		}
		return Arg{Key: s}
	}
	a := Arg{Key: s[:i], Value: s[i+1:], HasValue: true}
	if v, ok := strings.CutPrefix(a.Value, `"`); ok {
		a.Value = trim(v)
	}
	if whole {
		a.Value = trim(a.Value)
	}
	return a
}

// space is the kernel's isspace (lib/ctype.c), with the no-break space.
func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0xa0 }

// Param is the value of the last argument key, "" for one without a value. The
// kernel and systemd take "-" and "_" in keys for one letter (kernel/params.c).
func Param(cmdline, key string) (value string, ok bool) {
	for _, a := range Args(cmdline) {
		if sameKey(a.Key, key) {
			value, ok = a.Value, true
		}
	}
	return value, ok
}

// Params are the values of all arguments key, in order: for console=, rd.lvm.lv=
// and others that may be given many times.
func Params(cmdline, key string) (values []string) {
	for _, a := range Args(cmdline) {
		if sameKey(a.Key, key) {
			values = append(values, a.Value)
		}
	}
	return values
}

func sameKey(a, b string) bool {
	return strings.ReplaceAll(a, "-", "_") == strings.ReplaceAll(b, "-", "_")
}

// Kinds of Root.
const (
	RootUUID      = "UUID"
	RootPARTUUID  = "PARTUUID"
	RootLABEL     = "LABEL"
	RootPARTLABEL = "PARTLABEL"
	RootDevice    = "device" // a name that the machine's hardware gives: /dev/sda1, by-id, by-path
	RootMapper    = "mapper" // a name that LVM or the device mapper gives
	RootMD        = "md"     // a name that Linux RAID gives
	RootOther     = "other"  // a network, ZFS, a number, something unknown
)

// Root is what root= points to.
type Root struct {
	// Kind is one of the constants.
	Kind string `json:"kind"`
	// Value is the UUID or label of the first four kinds, otherwise the text.
	Value string `json:"value"`
	// Raw is the text as it is written.
	Raw string `json:"raw"`
}

// RootSpec is the root= that counts, which is the last one. ok is false where
// there is none.
func RootSpec(cmdline string) (r Root, ok bool) {
	raw, ok := Param(cmdline, "root")
	if !ok || raw == "" {
		return Root{}, false
	}
	return ParseRoot(raw), true
}

// ParseRoot classifies a device as root=, resume= or fstab name it (kernel:
// Documentation/admin-guide/kernel-parameters.txt, root=; dracut.cmdline(7)).
func ParseRoot(raw string) Root {
	s := strings.TrimPrefix(raw, "block:") // dracut's prefix
	if tag, v, ok := strings.Cut(s, "="); ok {
		if kind := tagKind(tag); kind != "" {
			return Root{kind, strings.Trim(v, `"'`), raw}
		}
		return Root{RootOther, s, raw}
	}
	dev, ok := strings.CutPrefix(s, "/dev/")
	if !ok || dev == "nfs" || dev == "" {
		return Root{RootOther, s, raw}
	}
	folder, name, nested := strings.Cut(dev, "/")
	switch {
	case !nested && strings.HasPrefix(dev, "md") || folder == "md":
		return Root{RootMD, s, raw}
	case !nested && (dev == "ram0" || dev == "root"):
		return Root{RootOther, s, raw}
	case !nested:
		return Root{RootDevice, s, raw}
	case folder == "disk":
		by, v, _ := strings.Cut(name, "/")
		if kind := tagKind(strings.TrimPrefix(by, "by-")); kind != "" {
			return Root{kind, unescape(v), raw}
		}
		return Root{RootDevice, s, raw}
	case folder == "mapper":
		return Root{RootMapper, s, raw}
	case hardwareFolder(folder):
		return Root{RootDevice, s, raw}
	}
	return Root{RootMapper, s, raw} // /dev/VG/LV
}

func tagKind(tag string) string {
	switch strings.ToUpper(tag) {
	case RootUUID:
		return RootUUID
	case RootPARTUUID:
		return RootPARTUUID
	case RootLABEL:
		return RootLABEL
	case RootPARTLABEL:
		return RootPARTLABEL
	}
	return ""
}

// hardwareFolder are the folders in /dev that controllers of old servers had
// (Documentation/admin-guide/devices.txt).
func hardwareFolder(f string) bool {
	switch f {
	case "cciss", "ida", "rd", "i2o", "ataraid", "block", "nvme", "vx", "dasd", "xvd":
		return true
	}
	return false
}

// unescape turns udev's \x20 back into characters.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if v, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
