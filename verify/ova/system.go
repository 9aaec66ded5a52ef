package ova

import (
	"slices"
	"strconv"
	"strings"
)

// Types of resources (CIM_ResourceAllocationSettingData.ResourceType).
const (
	resourceCPU     = "3"
	resourceMemory  = "4"
	resourceNetwork = "10"
	resourceDisk    = "17"
)

// system checks the machine: that it has the disks, in their order, and that what its parts refer to is
// there.
func (d *descriptor) system(s, envelope *element) {
	hardware := s.all("VirtualHardwareSection")
	if len(hardware) != 1 {
		d.failf("%d hardware sections, must be 1", len(hardware))
		return
	}
	d.config(hardware[0])
	var networks, ids []string
	for _, n := range envelope.all("NetworkSection") {
		for _, n := range n.all("Network") {
			networks = append(networks, n.attr(nsOVF, "name"))
		}
	}
	items := hardware[0].all("Item")
	for _, it := range items {
		id := it.child(nsRASD, "InstanceID")
		if id == "" || slices.Contains(ids, id) {
			d.failf("an item with the id %.40q, which must be there once", id)
		}
		ids = append(ids, id)
	}
	kinds := map[string]int{}
	var places []int64
	for _, it := range items {
		kind, name := it.child(nsRASD, "ResourceType"), it.child(nsRASD, "ElementName")
		kinds[kind]++
		if parent := it.child(nsRASD, "Parent"); parent != "" && !slices.Contains(ids, parent) {
			d.failf("the item %.60q is part of %.40q, which does not exist", name, parent)
		}
		switch kind {
		case resourceCPU, resourceMemory:
			if n, err := strconv.ParseInt(it.child(nsRASD, "VirtualQuantity"), 10, 64); err != nil || n <= 0 {
				d.failf("the item %.60q has the quantity %.40q", name, it.child(nsRASD, "VirtualQuantity"))
			}
		case resourceNetwork:
			if c := it.child(nsRASD, "Connection"); c != "" && !slices.Contains(networks, c) {
				d.failf("the item %.60q is connected to %.60q, which is none of the networks", name, c)
			}
		case resourceDisk:
			host := strings.TrimPrefix(it.child(nsRASD, "HostResource"), "ovf:")
			disk := ""
			if n := kinds[kind]; n <= len(d.disks) {
				disk = d.disks[n-1].id
			}
			if host != "/disk/"+disk {
				d.failf("the item %.60q is %.60q, the disk is %.40q", name, host, disk)
			}
			place, err := strconv.ParseInt(it.child(nsRASD, "AddressOnParent"), 10, 32)
			if len(d.disks) > 1 && (err != nil || len(places) > 0 && place <= places[len(places)-1]) {
				d.failf("the item %.60q has the place %.40q, which is not behind that of the disk before it", name, it.child(nsRASD, "AddressOnParent"))
			}
			places = append(places, place)
		case "":
			d.failf("the item %.60q has no type", name)
		}
	}
	if n := kinds[resourceDisk]; n != max(len(d.disks), 1) {
		d.failf("the machine has %d disks, must have %d", n, max(len(d.disks), 1))
	}
	if kinds[resourceCPU] == 0 || kinds[resourceMemory] == 0 {
		d.failf("the machine has no processor or no memory")
	}
}

// config finds the firmware that the machine is to have.
func (d *descriptor) config(hardware *element) {
	for _, c := range hardware.children {
		if !c.is(nsVMW, "Config") || c.attr(nsVMW, "key") != "firmware" {
			continue
		}
		v := c.attr(nsVMW, "value")
		if v != "bios" && v != "efi" || d.firmware != "" {
			d.failf("the firmware is %.40q, must be bios or efi, once", v)
		}
		d.firmware = v
	}
	if d.firmware == "" {
		d.warnf("the firmware is not said: some importers take EFI then, others BIOS")
	}
}
