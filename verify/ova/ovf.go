package ova

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"migimg/verify/decoder"
)

// streamFormat is what an OVF calls a streamOptimized VMDK.
const streamFormat = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

// known are the elements that each element may have, without their namespaces. What
// else there is may be wanted by somebody; most importers refuse it or drop it.
var known = map[string][]string{
	"Envelope":               {"References", "DiskSection", "NetworkSection", "VirtualSystem", "Strings"},
	"References":             {"File"},
	"DiskSection":            {"Info", "Disk"},
	"NetworkSection":         {"Info", "Network"},
	"Network":                {"Description"},
	"VirtualSystem":          {"Info", "Name", "OperatingSystemSection", "VirtualHardwareSection", "AnnotationSection", "ProductSection", "EulaSection"},
	"OperatingSystemSection": {"Info", "Description"},
	"VirtualHardwareSection": {"Info", "System", "Item", "Config", "ExtraConfig"},
	"System":                 {"Caption", "Description", "ElementName", "InstanceID", "VirtualSystemIdentifier", "VirtualSystemType"},
	"Item": {"Address", "AddressOnParent", "AllocationUnits", "AutomaticAllocation", "AutomaticDeallocation", "Caption", "Connection",
		"Description", "ElementName", "HostResource", "InstanceID", "Limit", "Parent", "Reservation", "ResourceSubType", "ResourceType",
		"VirtualQuantity", "Weight", "Config", "CoresPerSocket"},
}

// leaves may have anything in them: they are for people, or for one product.
var leaves = map[string]bool{"AnnotationSection": true, "ProductSection": true, "EulaSection": true, "Strings": true}

// descriptor is what an OVF says of its machine.
type descriptor struct {
	at    int64 // file offset of the text
	ps    *decoder.Problems
	files []reference

	disks    []described // in their order
	firmware string      // empty: not said
}

// described is a disk.
type described struct {
	id       string
	file     reference // empty where it is none of the references
	capacity int64     // in bytes; -1 where that cannot be said
}

// reference is a file that the OVF names.
type reference struct {
	id, href string
	size     int64 // bytes; -1: not said
}

func (d *descriptor) failf(format string, a ...any) { d.ps.Failf(d.at, "ovf: "+format, a...) }
func (d *descriptor) warnf(format string, a ...any) { d.ps.Warnf(d.at, "ovf: "+format, a...) }

// describe checks the text of an OVF (DMTF DSP0243, "Open Virtualization Format
// Specification"); at is where it is in the file.
func describe(text []byte, at int64, ps *decoder.Problems) *descriptor {
	d := &descriptor{at: at, ps: ps}
	e, err := parse(text)
	if err != nil {
		d.failf("it is no XML: %v", err)
		return d
	}
	if !e.is(nsOVF, "Envelope") {
		d.failf("the element %q of %.80q, must be the Envelope of %s", e.name.Local, e.name.Space, nsOVF)
		return d
	}
	d.unknown(e)
	for _, r := range e.all("References") {
		for _, f := range r.all("File") {
			d.file(f)
		}
	}
	for _, s := range e.all("DiskSection") {
		for _, disk := range s.all("Disk") {
			d.disks = append(d.disks, d.disk(disk))
		}
	}
	switch systems := e.all("VirtualSystem"); {
	case len(systems) != 1:
		d.failf("%d virtual systems, must be 1", len(systems))
	default:
		d.system(systems[0], e)
	}
	return d
}

// unknown warns of elements that this check does not know.
func (d *descriptor) unknown(e *element) {
	names, ok := known[e.name.Local]
	if leaves[e.name.Local] {
		return
	}
	for _, c := range e.children {
		if !ok || !slices.Contains(names, c.name.Local) {
			d.warnf("the element %.60q in %q is not one that importers know", c.name.Local, e.name.Local)
			continue
		}
		switch c.name.Space {
		case nsOVF, nsRASD, nsVSSD, nsVMW:
		default:
			d.warnf("the element %.60q is of %.80q", c.name.Local, c.name.Space)
		}
		d.unknown(c)
	}
}

func (d *descriptor) file(f *element) {
	r := reference{f.attr(nsOVF, "id"), f.attr(nsOVF, "href"), -1}
	if r.href == "" || r.href != path.Base(r.href) || r.href == ".." || r.href == "." || strings.Contains(r.href, ":") {
		d.failf("the file %.80q: must be one beside it, by its name", r.href)
		return
	}
	if s := f.attr(nsOVF, "size"); s == "" {
		d.warnf("the size of %.80q is not said", r.href)
	} else if n, err := strconv.ParseInt(s, 10, 64); err != nil || n < 0 {
		d.failf("the size of %.80q is %.40q", r.href, s)
	} else {
		r.size = n
	}
	if c := f.attr(nsOVF, "compression"); c != "" && c != "identity" {
		d.failf("%.80q is compressed with %.40q: few importers know that", r.href, c)
	}
	if f.attr(nsOVF, "chunkSize") != "" {
		d.failf("%.80q is in chunks: few importers know that", r.href)
	}
	if slices.ContainsFunc(d.files, func(x reference) bool { return x.id == r.id || x.href == r.href }) {
		d.failf("two files %.40q, %.80q", r.id, r.href)
	}
	d.files = append(d.files, r)
}

// disk checks a disk's description.
func (d *descriptor) disk(disk *element) described {
	x := described{id: disk.attr(nsOVF, "diskId"), capacity: -1}
	if format := disk.attr(nsOVF, "format"); format != streamFormat {
		d.failf("the disk's format is %.120q, must be %s", format, streamFormat)
	}
	if p := disk.attr(nsOVF, "parentRef"); p != "" {
		d.failf("the disk has a parent, %.40q", p)
	}
	ref := disk.attr(nsOVF, "fileRef")
	i := slices.IndexFunc(d.files, func(r reference) bool { return r.id == ref })
	if i < 0 {
		d.failf("the disk is in the file %.40q, which is none of the references", ref)
		return x
	}
	if slices.ContainsFunc(d.disks, func(o described) bool { return o.id == x.id || o.file == d.files[i] }) {
		d.failf("two disks %.40q, or in the file %.80q", x.id, d.files[i].href)
	}
	x.file = d.files[i]
	n, err := bytesOf(disk.attr(nsOVF, "capacity"), disk.attr(nsOVF, "capacityAllocationUnits"))
	if err != nil {
		d.failf("the disk's capacity: %v", err)
		return x
	}
	x.capacity = n
	if s := disk.attr(nsOVF, "populatedSize"); s != "" {
		if p, err := strconv.ParseInt(s, 10, 64); err != nil || p < 0 || p > n {
			d.failf("the disk's populated size is %.40q, its capacity %d bytes", s, n)
		}
	}
	return x
}

var unitWord = regexp.MustCompile(`^byte(?: ?\* ?(?:2\^(10|20|30|40)))?$`)

// bytesOf is a number of units, which are bytes or "byte * 2^30" and such (DSP0004's
// programmatic units).
func bytesOf(number, unit string) (int64, error) {
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%.40q is no number", number)
	}
	if unit == "" {
		return n, nil
	}
	m := unitWord.FindStringSubmatch(unit)
	if m == nil {
		return 0, fmt.Errorf("the unit %.40q", unit)
	}
	shift, _ := strconv.Atoi("0" + m[1])
	if n > (1<<62)>>shift {
		return 0, fmt.Errorf("%d times %s is too much", n, unit)
	}
	return n << shift, nil
}
