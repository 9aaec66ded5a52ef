package preflight

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// patterns find what identifies a machine, its owner or its place in a network,
// the more particular ones first. The first group is what is replaced.
var patterns = []struct {
	kind string
	find *regexp.Regexp
	keep func(string) bool // the last group only looks like it
}{
	// user@host, user:password@host, an address of mail.
	{"user", regexp.MustCompile(`([\pL\pN._%+-]+)(?::[^\s@/]*)?@([\pL\pN][\pL\pN._-]*)`), unitInstance},
	{"host", regexp.MustCompile(`@([\pL\pN][\pL\pN._-]*)`), unitInstance},
	{"host", regexp.MustCompile(`(?:\w+:)?//([\pL\pN][\pL\pN._-]*)`), nil},
	// host:/export, as network filesystems write it.
	{"host", regexp.MustCompile(`(?:^|[\s,(=])([\pL\pN][\pL\pN._-]*):/`), scheme},
	{"user", regexp.MustCompile(`(?i)\b(?:user|username|uname|login|owner)=([^\s,;:&"']+)`), numeric},
	{"host", regexp.MustCompile(`(?i)\b(?:domain|host|hostname|server|workgroup|realm|addr)=([^\s,;:&"']+)`), address},
	{"user", regexp.MustCompile(`(?:^|[\s"'=(,])/(?:home|Users|export/home)/([^/\s"',:;)]+)`), nil},
	{"serial", regexp.MustCompile(`/dev/disk/by-(?:id|path|label|partlabel|uuid|partuuid)/([^\s"',;|)]+)`), nil},
	{"serial", regexp.MustCompile(`\b(?:ata|scsi|nvme|usb|wwn|virtio|mmc|md-uuid|dm-uuid|dm-name|lvm-pv-uuid|google|eui)-([\pL\pN][\pL\pN_.:-]*[0-9A-Z][\pL\pN_.:-]*)`), module},
	{"serial", regexp.MustCompile(`(?i)\b(iqn\.\d{4}-\d\d\.[^\s"',;]+)`), nil},
	{"serial", regexp.MustCompile(`(?i)\b(?:serial|serialno|s/n|asset|wwn|wwid|wwpn|wwnn)(?: number)?[=: ]+([\pL\pN._:-]*\d[\pL\pN._:-]*)`), nil},
	{"label", regexp.MustCompile(`\b(?:LABEL|PARTLABEL)=("[^"]*"|[^\s,;:|)"]+)`), nil},
	// LVM's own UUIDs, then everybody's, then FAT's serial numbers and MBR's.
	{"uuid", regexp.MustCompile(`\b([0-9A-Za-z]{6}(?:-[0-9A-Za-z]{4}){5}-[0-9A-Za-z]{6})\b`), nil},
	{"uuid", regexp.MustCompile(`(?i)\b([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`), nil},
	{"uuid", regexp.MustCompile(`(?i)\b(?:UUID|PARTUUID)=("[^"]*"|[^\s,;:|)"]+)`), nil},
	{"uuid", regexp.MustCompile(`\b([0-9A-F]{4}-[0-9A-F]{4})\b`), nil},
	{"address", regexp.MustCompile(`(?i)\b((?:[0-9a-f]{2}[:-]){5,7}[0-9a-f]{2})\b`), nil},
	{"address", regexp.MustCompile(`(?:^|[^\d.\pL-])((?:\d{1,3}\.){3}\d{1,3})\b`), notAddress},
	{"address", regexp.MustCompile(`(?i)(?:^|[^0-9a-z:.])([0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\.\d+){0,3})`), notAddress},
	// World wide names of disks, machine ids; 64 digits are a checksum.
	{"serial", regexp.MustCompile(`(?i)\b(0x[0-9a-f]{8,16}|[23][0-9a-f]{16}|3[0-9a-f]{32}|[0-9a-f]{32})\b`), nil},
	{"host", regexp.MustCompile(`(?i)\b((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|edu|gov|mil|int|biz|info|io|cloud|dev|local|lan|internal|intranet|corp|home|private|localdomain|[a-z]{2}))\b`), fileName},
}

// pseudonym is what is there already.
var pseudonym = regexp.MustCompile(`^"?(?:uuid|serial|label|host|user|address)-\d+"?$`)

func numeric(s string) bool { return strings.Trim(s, "0123456789") == "" }
func address(s string) bool { return !notAddress(s) } // its own pattern finds it

// scheme: "http:/" is no host.
func scheme(s string) bool {
	return slices.Contains([]string{"http", "https", "nfs", "ftp", "file", "sshfs", "tftp"}, strings.ToLower(s))
}

// module: "virtio-blk" is a driver and no serial number.
func module(s string) bool { return !strings.ContainsAny(s, "0123456789") }

// unitInstance: in sshd@foo.service the host's place is a unit's instance.
func unitInstance(s string) bool { return fileName(s) }

// notAddress: what has the form and is none, or says nothing of a place: any,
// loopback, and the link-local one at which clouds answer.
func notAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err != nil || a.IsUnspecified() || a.IsLoopback() || a.String() == "169.254.169.254" || a.String() == "255.255.255.255"
}

// endings of files and units that look like top-level domains.
var endings = []string{"sh", "py", "so", "ko", "gz", "xz", "bz", "lz", "in", "ps", "pl", "md", "rs", "am", "do", "la", "cc", "pm", "sr", "io", "info", "dev", "local", "id", "is", "to", "ro", "rw"}

// fileName: a name of a file or unit, which are no hosts.
func fileName(s string) bool {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return false
	}
	end := strings.ToLower(s[i+1:])
	return slices.Contains(endings, end) && strings.Count(s, ".") == 1 ||
		slices.Contains([]string{"service", "socket", "target", "mount", "automount", "timer", "path", "slice", "device", "conf", "cfg", "rules", "network", "netdev", "link"}, end)
}
