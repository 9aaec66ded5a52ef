package vmdk

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"migimg/verify/decoder"
)

var (
	extentLine = regexp.MustCompile(`^(RW|RDONLY|NOACCESS) ([0-9]+) ([A-Z]+) "([^"]*)"$`)
	keyLine    = regexp.MustCompile(`^([A-Za-z]+) *= *(.*)$`)
	ddbLine    = regexp.MustCompile(`^ddb\.([A-Za-z0-9._]+) = "([^"]*)"$`)
	hex8       = regexp.MustCompile(`^[0-9a-f]{1,8}$`) // QEMU does not pad it
	hex32      = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// knownKeys are those of the technical note and what VMware's later programs
// write beside them.
var knownKeys = map[string]bool{
	"version": true, "CID": true, "parentCID": true, "createType": true, "parentFileNameHint": true,
	"encoding": true, "isNativeSnapshot": true,
}

// descriptor checks the text that is embedded in the file. The rules of its
// lines are those of OpenStack's format inspector, the strictest reader, and of
// QEMU's driver.
type descriptor struct {
	at      int64 // file offset
	ps      *decoder.Problems
	keys    map[string]string
	extents int
}

func (d *descriptor) failf(format string, a ...any) {
	d.ps.Failf(d.at, "vmdk: descriptor: "+format, a...)
}

// checkDescriptor reads and checks the descriptor. name is the image's file
// name without folder, or empty.
func checkDescriptor(f decoder.File, h *header, name string, ps *decoder.Problems) {
	d := &descriptor{at: h.descOff, ps: ps, keys: map[string]string{}}
	if h.descOff == 0 || h.descSize == 0 {
		ps.Failf(28, "vmdk: header: no descriptor in the file")
		return
	}
	if h.descOff != sector {
		d.failf("begins at byte %d; OpenStack looks for it at %d", h.descOff, sector)
	}
	if h.descOff+h.descSize > h.overhead {
		d.failf("ends at byte %d, after the metadata's end at %d", h.descOff+h.descSize, h.overhead)
	}
	b, err := f.Bytes(h.descOff, h.descSize)
	if err != nil {
		ps.Err(h.descOff, "vmdk: descriptor", err)
		return
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		for j, c := range b[i:] {
			if c != 0 {
				ps.Failf(h.descOff+int64(i+j), "vmdk: descriptor: bytes after its end")
				break
			}
		}
		b = b[:i]
	}
	for i, c := range b {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			ps.Failf(h.descOff+int64(i), "vmdk: descriptor: byte %#02x is not ASCII text", c)
			return
		}
	}
	lines := strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	if lines[0] != "# Disk DescriptorFile" {
		d.failf("the first line is %.60q", lines[0])
	}
	for _, l := range lines {
		d.line(l, h, name)
	}
	d.values(h)
}

func (d *descriptor) line(l string, h *header, name string) {
	switch {
	case strings.TrimSpace(l) == "" || l[0] == '#':
	case strings.HasPrefix(l, "ddb."):
		if m := ddbLine.FindStringSubmatch(l); m != nil {
			d.key("ddb."+m[1], m[2])
		} else {
			d.failf("line %.80q", l)
		}
	default:
		if m := extentLine.FindStringSubmatch(l); m != nil {
			d.extent(m, h, name)
		} else if m := keyLine.FindStringSubmatch(l); m != nil {
			if !knownKeys[m[1]] {
				d.ps.Warnf(d.at, "vmdk: descriptor: unknown key %.60q", m[1])
			}
			d.key(m[1], strings.Trim(m[2], `"`))
		} else {
			d.failf("line %.80q", l)
		}
	}
}

func (d *descriptor) key(k, v string) {
	if _, twice := d.keys[k]; twice {
		d.failf("%s is given twice", k)
	}
	d.keys[k] = v
}

func (d *descriptor) extent(m []string, h *header, name string) {
	d.extents++
	if m[1] != "RW" {
		d.failf("extent access %s: QEMU reads RW extents only", m[1])
	}
	if n, err := strconv.ParseInt(m[2], 10, 64); err != nil || n != h.capacity/sector {
		d.failf("the extent has %s sectors, the header's capacity is %d", m[2], h.capacity/sector)
	}
	if m[3] != "SPARSE" {
		d.failf("extent type %s, must be SPARSE", m[3])
	}
	if strings.Contains(m[4], "/") {
		d.failf("the extent's name %.80q holds a folder", m[4])
	} else if name != "" && m[4] != name {
		d.ps.Warnf(d.at, "vmdk: descriptor: the extent is called %.80q, the file %.80q: readers that look for it by name fail", m[4], name)
	}
}

func (d *descriptor) values(h *header) {
	if d.extents != 1 {
		d.failf("%d extents, must be 1", d.extents)
	}
	kind := "monolithicSparse"
	if h.stream() {
		kind = "streamOptimized"
	}
	cid := d.keys["CID"]
	for _, c := range []struct {
		key string
		ok  func(string) bool
	}{
		{"version", func(v string) bool { return v == "1" }},
		{"CID", func(v string) bool { return hex8.MatchString(v) && v != "ffffffff" && v != "fffffffe" }},
		{"parentCID", func(v string) bool { return v == "ffffffff" }},
		{"createType", func(v string) bool { return v == kind }},
		{"ddb.adapterType", func(v string) bool {
			return v == "ide" || v == "buslogic" || v == "lsilogic" || v == "legacyESX"
		}},
		{"ddb.geometry.cylinders", number}, {"ddb.geometry.heads", number}, {"ddb.geometry.sectors", number},
		{"ddb.virtualHWVersion", number},
	} {
		if v, there := d.keys[c.key]; !there {
			d.failf("%s is missing", c.key)
		} else if !c.ok(v) {
			d.failf("%s is %.60q", c.key, v)
		}
	}
	if v, there := d.keys["ddb.longContentID"]; there && (!hex32.MatchString(v) || !strings.HasSuffix(v, strings.Repeat("0", max(0, 8-len(cid)))+cid)) {
		d.failf("longContentID %.60q does not end with the CID", v)
	}
	if v, there := d.keys["parentFileNameHint"]; there {
		d.failf("names a parent %.60q", v)
	}
}

func number(v string) bool {
	n, err := strconv.ParseUint(v, 10, 32)
	return err == nil && n > 0
}
