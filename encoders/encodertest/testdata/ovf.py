"""Checks an .ovf: ovf.py FILE VIRTUAL-SIZE FIRMWARE, beside the files that it names.

This is no check against the schema of DSP8023, which is not in the project: it has
the order of elements and the required attributes that the schema and DSP0243 1.1
prescribe for what we write, and follows all references. What is not known here is an
error.
"""

import os
import re
import sys
import xml.etree.ElementTree as ET

OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
CIM = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
RASD = CIM + "CIM_ResourceAllocationSettingData}"
VSSD = CIM + "CIM_VirtualSystemSettingData}"
VMW = "{http://www.vmware.com/schema/ovf}"
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

# The sequence of the CIM schemas is that of the names. Some elements are required.
ITEM = ["Address", "AddressOnParent", "AllocationUnits", "AutomaticAllocation", "Connection", "Description", "ElementName",
        "HostResource", "InstanceID", "Parent", "ResourceSubType", "ResourceType", "VirtualQuantity"]
SYSTEM = ["ElementName", "InstanceID", "VirtualSystemIdentifier", "VirtualSystemType"]


def need(ok, what):
    if not ok:
        sys.exit("ovf: " + what)


def names(e):
    return [c.tag for c in e]


def children(e, *want):
    """The children of e, which must be of these names; one that ends in * may be repeated."""
    pattern = "".join("(?:%s;)%s" % (re.escape(w.rstrip("*")), "*" if w.endswith("*") else "") for w in want)
    need(re.fullmatch(pattern, "".join(n + ";" for n in names(e))), "%s has %s" % (e.tag, names(e)))
    return list(e)


def attributes(e, *want):
    need(set(e.attrib) == set(want), "%s has the attributes %s" % (e.tag, sorted(e.attrib)))
    return [e.get(w) for w in want]


def fields(e, ns, known, required):
    """The text of e's children, which are in the order of known; others of VMware's may follow."""
    got = [n[len(ns):] for n in names(e) if n.startswith(ns)]
    need(got == [k for k in known if k in got] and set(required) <= set(got), "%s has %s" % (e.tag, got))
    need(all(n.startswith(ns) for n in names(e)), "%s has %s" % (e.tag, names(e)))
    return {k: e.find(ns + k).text for k in got}


def main(path, virtual, firmware):
    root = ET.parse(path).getroot()
    need(root.tag == OVF + "Envelope", "the root is %s" % root.tag)
    refs, disks, nets, system = children(root, OVF + "References", OVF + "DiskSection", OVF + "NetworkSection", OVF + "VirtualSystem")

    (f,) = children(refs, OVF + "File")
    href, file_id, size = attributes(f, OVF + "href", OVF + "id", OVF + "size")
    there = os.path.join(os.path.dirname(path), href)
    need(os.path.getsize(there) == int(size), "%s has %d bytes, not %s" % (href, os.path.getsize(there), size))

    _, disk = children(disks, OVF + "Info", OVF + "Disk")
    capacity, units, disk_id, ref, uri, populated = attributes(
        disk, *(OVF + a for a in ("capacity", "capacityAllocationUnits", "diskId", "fileRef", "format", "populatedSize")))
    need((capacity, units, ref, uri) == (virtual, "byte", file_id, STREAM), "the disk is %s" % disk.attrib)
    need(0 <= int(populated) <= int(capacity), "of %s bytes %s are populated" % (capacity, populated))

    _, net = children(nets, OVF + "Info", OVF + "Network")
    (network,) = attributes(net, OVF + "name")
    children(net, OVF + "Description")

    attributes(system, OVF + "id")
    _, name, os_section, hardware = children(
        system, OVF + "Info", OVF + "Name", OVF + "OperatingSystemSection", OVF + "VirtualHardwareSection")
    need(name.text, "the machine has no name")
    attributes(os_section, OVF + "id", VMW + "osType")
    children(os_section, OVF + "Info")

    _, machine, *rest = children(hardware, OVF + "Info", OVF + "System", OVF + "Item*", VMW + "Config*")
    need(fields(machine, VSSD, SYSTEM, ["ElementName", "InstanceID"])["VirtualSystemType"] == "vmx-13", "the machine is another")
    items = {}
    for e in rest:
        if e.tag == VMW + "Config":
            need(attributes(e, OVF + "required", VMW + "key", VMW + "value") == ["false", "firmware", firmware], "%s" % e.attrib)
            continue
        item = fields(e, RASD, ITEM, ["ElementName", "InstanceID", "ResourceType"])
        need(not e.attrib and item["InstanceID"] not in items, "two items are number %s" % item["InstanceID"])
        items[item["InstanceID"]] = item
    need(rest[-1].tag == VMW + "Config", "there is no firmware")
    of = {i["ResourceType"]: i for i in items.values()}
    need(sorted(of) == sorted(["3", "4", "6", "17", "10"]) and len(items) == 5, "there are %s" % items)
    need((of["3"]["AllocationUnits"], of["3"]["VirtualQuantity"]) == ("hertz * 10^6", "2"), "%s" % of["3"])
    need((of["4"]["AllocationUnits"], of["4"]["VirtualQuantity"]) == ("byte * 2^20", "2048"), "%s" % of["4"])
    need(of["17"]["HostResource"] == "ovf:/disk/" + disk_id, "%s" % of["17"])
    need(items[of["17"]["Parent"]] is of["6"], "the disk is not at the SCSI controller")
    need(of["10"]["Connection"] == network, "%s" % of["10"])


main(*sys.argv[1:])
