package build

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

const tarBlock = 512

// tarNumber is a number in octal digits, or in binary where these are too few.
func tarNumber(b []byte, n int) {
	if digits := len(b) - 1; n < 1<<(3*digits) {
		copy(b, fmt.Sprintf("%0*o", digits, n))
		return
	}
	b[0] = 0x80
	binary.BigEndian.PutUint64(b[len(b)-8:], uint64(n))
}

// tarHeader is a member's; more fills in what there is beside the common fields.
func tarHeader(name, magic string, kind byte, size int, more func(h []byte)) []byte {
	h := make([]byte, tarBlock)
	copy(h, name)
	for at, v := range map[int]int{100: 0o644, 108: 0, 116: 0} {
		tarNumber(h[at:at+8], v)
	}
	tarNumber(h[124:136], size)
	tarNumber(h[136:148], 1700000000)
	h[156] = kind
	copy(h[257:], magic)
	if more != nil {
		more(h)
	}
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// tarSlack are the bytes of a header's sum that end its digits.
func (im *Image) tarSlack(at int) { im.Slack = append(im.Slack, [2]int{at + 154, at + 156}) }

// TarSparse makes an archive with disk.raw in the old GNU form of sparse members; used
// lists its units.
func TarSparse(disk []byte, used []int, unit int) Image {
	var entries [][2]int
	var data []byte
	end := 0
	for _, u := range used {
		off, n := u*unit, min(unit, len(disk)-u*unit)
		entries = append(entries, [2]int{off, n})
		data = append(data, disk[off:off+n]...)
		end = off + n
	}
	if end < len(disk) {
		entries = append(entries, [2]int{len(disk), 0})
	}
	put := func(b []byte, most int) {
		for i := 0; i < most && len(entries) > 0; i++ {
			tarNumber(b[24*i:24*i+12], entries[0][0])
			tarNumber(b[24*i+12:24*i+24], entries[0][1])
			entries = entries[1:]
		}
	}
	im := Image{}
	im.tarSlack(0)
	f := tarHeader("disk.raw", "ustar  \x00", 'S', len(data), func(h []byte) {
		put(h[386:], 4)
		if len(entries) > 0 {
			h[482] = 1
		}
		tarNumber(h[483:495], len(disk))
	})
	// A number's last byte may be a blank or a 0, in blocks that have no sum.
	for len(entries) > 0 {
		b := make([]byte, tarBlock)
		for i := range min(21, len(entries)) * 2 {
			im.Slack = append(im.Slack, [2]int{len(f) + 12*i + 11, len(f) + 12*i + 12})
		}
		put(b, 21)
		if len(entries) > 0 {
			b[504] = 1
		}
		f = append(f, b...)
	}
	im.Bytes = tarEnd(append(f, data...))
	return im
}

// Tar makes an archive with disk.raw as a plain member.
func Tar(disk []byte) Image {
	im := Image{}
	im.tarSlack(0)
	im.Bytes = tarEnd(append(tarHeader("disk.raw", "ustar  \x00", '0', len(disk), nil), disk...))
	return im
}

// tarEnd pads the last member and ends the archive.
func tarEnd(f []byte) []byte {
	return append(f, make([]byte, up(len(f), tarBlock)-len(f)+2*tarBlock)...)
}

// OVF is the description of a machine with a VMDK.
func OVF(vmdk string, size, capacity int) string {
	return fmt.Sprintf(`<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
 <References><File ovf:id="f" ovf:href="%s" ovf:size="%d"/></References>
 <DiskSection><Info>i</Info><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="%d" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
 <NetworkSection><Info>i</Info><Network ovf:name="n"/></NetworkSection>
 <VirtualSystem ovf:id="v"><Info>i</Info><Name>v</Name><VirtualHardwareSection><Info>i</Info>
  <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
  <Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
  <Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>
  <Item><rasd:HostResource>ovf:/disk/d</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
  <Item><rasd:Connection>n</rasd:Connection><rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType></Item>
  <vmw:Config vmw:key="firmware" vmw:value="bios"/>
 </VirtualHardwareSection></VirtualSystem>
</Envelope>
`, vmdk, size, capacity)
}

// File is a member of an archive.
type File struct {
	Name string
	Data []byte
}

// Archive makes an archive of POSIX headers.
func Archive(files ...File) Image {
	im := Image{}
	for _, f := range files {
		im.tarSlack(len(im.Bytes))
		im.Bytes = append(append(im.Bytes, tarHeader(f.Name, "ustar\x0000", '0', len(f.Data), nil)...), f.Data...)
		im.Bytes = append(im.Bytes, make([]byte, up(len(im.Bytes), tarBlock)-len(im.Bytes))...)
	}
	im.Bytes = tarEnd(im.Bytes)
	return im
}

// Manifest has the SHA-256 of files.
func Manifest(files ...File) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "SHA256(%s)= %x\n", f.Name, sha256.Sum256(f.Data))
	}
	return b.Bytes()
}

// OVA makes an archive with a description, a VMDK and a manifest.
func OVA(vmdk Image, capacity int) Image {
	ovf := File{"disk.ovf", []byte(OVF("disk.vmdk", len(vmdk.Bytes), capacity))}
	disk := File{"disk.vmdk", vmdk.Bytes}
	return Archive(ovf, disk, File{"disk.mf", Manifest(ovf, disk)})
}
