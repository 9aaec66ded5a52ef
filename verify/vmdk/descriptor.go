package vmdk

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"migimg/verify/decoder"
)

var (
	extentLine = regexp.MustCompile(`^(RW|RDONLY|NOACCESS) ([0-9]+) ([A-Z]+) "([^"]*)"( [0-9]+)?$`)
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

// descriptor checks the text of a descriptor. The rules of its lines are those of
// OpenStack's format inspector, the strictest reader, and of QEMU's driver.
type descriptor struct {
	at      int64 // file offset
	ps      *decoder.Problems
	keys    map[string]string
	extents []extent
}

// extent is a line that says where a part of the disk is.
type extent struct {
	kind, name string
	offset     string // with the blank before it; empty where there is none
	sectors    int64  // -1: too large a number
}

func (d *descriptor) failf(format string, a ...any) {
	d.ps.Failf(d.at, "vmdk: descriptor: "+format, a...)
}

// checkDescriptor reads and checks the descriptor. name is the image's file
// name without folder, or empty.
func checkDescriptor(f decoder.File, h *header, name string, ps *decoder.Problems) {
	d := newDescriptor(h.descOff, ps)
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
	b, rest, _ := bytes.Cut(b, []byte{0})
	// A longer descriptor that this one was written over leaves its last bytes
	// behind the zero, and those are this one's last bytes too: qemu-img prints
	// CIDs without leading zeros, and did so in one of 300 images.
	if left := bytes.TrimRight(rest, "\x00"); !bytes.HasSuffix(b, left) {
		first := len(left) - len(bytes.TrimLeft(left, "\x00"))
		ps.Failf(h.descOff+int64(len(b)+1+first), "vmdk: descriptor: bytes after its end")
	}
	if !d.read(b) {
		return
	}
	kind := "monolithicSparse"
	if h.stream() {
		kind = "streamOptimized"
	}
	d.values(kind)
	if len(d.extents) != 1 {
		d.failf("%d extents, must be 1", len(d.extents))
		return
	}
	e := d.extents[0]
	if e.sectors != h.capacity/sector {
		d.failf("the extent has %d sectors, the header's capacity is %d", e.sectors, h.capacity/sector)
	}
	if e.kind != "SPARSE" || e.offset != "" {
		d.failf("extent type %s%s, must be SPARSE", e.kind, e.offset)
	}
	if e.plainName(d) && name != "" && e.name != name {
		d.ps.Warnf(d.at, "vmdk: descriptor: the extent is called %.80q, the file %.80q: readers that look for it by name fail", e.name, name)
	}
}

func newDescriptor(at int64, ps *decoder.Problems) *descriptor {
	return &descriptor{at: at, ps: ps, keys: map[string]string{}}
}

// read takes in the text; false where it is none.
func (d *descriptor) read(b []byte) bool {
	for i, c := range b {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			d.ps.Failf(d.at+int64(i), "vmdk: descriptor: byte %#02x is not ASCII text", c)
			return false
		}
	}
	lines := strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")
	if lines[0] != TextMagic {
		d.failf("the first line is %.60q", lines[0])
	}
	for _, l := range lines {
		d.line(l)
	}
	return true
}

func (d *descriptor) line(l string) {
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
			d.extent(m)
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

func (d *descriptor) extent(m []string) {
	e := extent{kind: m[3], name: m[4], offset: m[5], sectors: -1}
	if m[1] != "RW" {
		d.failf("extent access %s: QEMU reads RW extents only", m[1])
	}
	if n, err := strconv.ParseInt(m[2], 10, 64); err == nil {
		e.sectors = n
	}
	d.extents = append(d.extents, e)
}

// plainName says whether the extent's name is one of a file beside the descriptor.
func (e extent) plainName(d *descriptor) bool {
	if e.name == "" || e.name == "." || e.name == ".." || strings.ContainsAny(e.name, `/\:`) {
		d.failf("the extent's name %.80q holds a folder, or is none", e.name)
		return false
	}
	return true
}

// values checks what is not about extents; kind is the type that it must be of.
func (d *descriptor) values(kind string) {
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
