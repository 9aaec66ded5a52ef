package ova

import (
	"fmt"
	"strings"
)

// descriptor is what the .ovf says.
type descriptor struct {
	disks    []described // in their order on the controller
	firmware string      // "bios" or "efi"
}

// described is what the .ovf says of a disk.
type described struct {
	disk string // the VMDK's name
	// size is the VMDK's, capacity that of the disk in it, populated what of the disk
	// it carries; all in bytes. Xen Orchestra takes a disk wrongly whose size and
	// capacity are mixed up (xen-orchestra#6824).
	size, capacity, populated int64
}

// The machine. vmx-13 is the hardware of ESXi 6.5 (VMware's knowledge base, 1003746);
// the controller is one that VirtualBox has as well, which takes an adapter of its own
// for a VmxNet3 (its ApplianceImplImport.cpp).
const (
	cpus   = 2
	memory = 2048 // MiB
	// mostDisks is how many disks the controller has places for: 16, of which it takes
	// number 7 itself.
	mostDisks = 15
)

// xml is the .ovf: an envelope of OVF 1.1 (DSP0243; its schema is DSP8023). Elements
// of an Item and of System come in the order of their names: the CIM schemas of
// rasd (DSP8023's CIM_ResourceAllocationSettingData) and vssd are sequences. Types of
// resources are CIM's: 3 processor, 4 memory, 6 SCSI controller, 10 network, 17 disk;
// so are those of operating systems: 101 is 64-bit Linux.
//
// What begins with vmw: is VMware's own, as its github.com/vmware/open-vmdk writes
// it (templates/template-hw13-uefi.ovf). The firmware is always said: some importers
// take EFI where nothing is (kubev2v/forklift pull request 564), others BIOS. There is
// no vmw:BootOrderSection, since vCenter then forgets the firmware
// (kubernetes-sigs/image-builder#619).
func (d descriptor) xml() []byte {
	var files, disks, items strings.Builder
	word := "disk"
	if len(d.disks) > 1 {
		word = "disks"
	}
	for k, x := range d.disks {
		fmt.Fprintf(&files, `    <File ovf:href="%s" ovf:id="file%d" ovf:size="%d"/>
`, x.disk, k+1, x.size)
		fmt.Fprintf(&disks, `    <Disk ovf:capacity="%d" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk%[2]d" ovf:fileRef="file%[2]d" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized" ovf:populatedSize="%[3]d"/>
`, x.capacity, k+1, x.populated)
		fmt.Fprintf(&items, `      <Item>
        <rasd:AddressOnParent>%[1]d</rasd:AddressOnParent>
        <rasd:ElementName>Hard disk %[2]d</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk%[2]d</rasd:HostResource>
        <rasd:InstanceID>%[3]d</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
`, place(k), k+1, instance(k))
	}
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
%[1]s  </References>
  <DiskSection>
    <Info>The %[2]s</Info>
%[3]s  </DiskSection>
  <NetworkSection>
    <Info>The network</Info>
    <Network ovf:name="VM Network">
      <Description>The network of the first adapter</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="migimg">
    <Info>A virtual machine with the %[2]s</Info>
    <Name>migimg</Name>
    <OperatingSystemSection ovf:id="101" vmw:osType="other3xLinux64Guest">
      <Info>The operating system</Info>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>The machine</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>migimg</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:Description>Number of virtual CPUs</rasd:Description>
        <rasd:ElementName>%[5]d virtual CPUs</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>%[5]d</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:Description>Memory size</rasd:Description>
        <rasd:ElementName>%[6]d MB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>%[6]d</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:Description>SCSI controller</rasd:Description>
        <rasd:ElementName>SCSI controller 0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType>
      </Item>
%[4]s      <Item>
        <rasd:AddressOnParent>7</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>VM Network</rasd:Connection>
        <rasd:Description>VmxNet3 adapter on "VM Network"</rasd:Description>
        <rasd:ElementName>Network adapter 1</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="%[7]s"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
`, files.String(), word, disks.String(), items.String(), cpus, memory, d.firmware)
}

// instance is the number of disk k among the machine's items, from 4 on; 5 is the network
// adapter's.
func instance(k int) int {
	if k == 0 {
		return 4
	}
	return 5 + k
}

// place is that of disk k on the controller, whose own is 7.
func place(k int) int {
	if k < 7 {
		return k
	}
	return k + 1
}
