package boot

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"migimg/verify/tool"
)

const diskSize = 16 << 20

// mbrDisk has partitions of these types, and boot code or none.
func mbrDisk(code bool, types ...byte) []byte {
	b := make([]byte, diskSize)
	if code {
		b[0] = 0xeb
	}
	for i, kind := range types {
		e := b[446+16*i:]
		e[4] = kind
		e[8], e[9] = 0, byte(8*(i+1)) // starts at sector 2048*(i+1)
		e[13] = 8                     // has 2048 sectors
	}
	b[510], b[511] = 0x55, 0xaa
	return b
}

// gptDisk has partitions of these types.
func gptDisk(t *testing.T, code bool, types ...gpt.Type) []byte {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(diskSize); err != nil {
		t.Fatal(err)
	}
	table := &gpt.Table{LogicalSectorSize: 512, ProtectiveMBR: true}
	for i, kind := range types {
		table.Partitions = append(table.Partitions, &gpt.Partition{Index: i + 1, Start: uint64(2048 * (i + 1)), End: uint64(2048*(i+2) - 1), Type: kind, Name: "x"})
	}
	w, err := file.New(f, false).Writable()
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Write(w, diskSize); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if code {
		b[0] = 0xeb
	}
	return b
}

func TestChoose(t *testing.T) {
	target := func(firmware, disk, nic string) Target {
		var x Target
		x.Name = "there"
		x.Firmware = strings.Fields(firmware)
		for _, s := range strings.Split(disk, ",") {
			x.Disk = append(x.Disk, strings.Fields(s))
		}
		for _, s := range strings.Split(nic, ",") {
			x.NIC = append(x.NIC, strings.Fields(s))
		}
		return x
	}
	mbr, both := mbrDisk(true, 0x83), gptDisk(t, true, gpt.BIOSBoot, gpt.EFISystemPartition)
	for _, c := range []struct {
		name, firmware, bus, nic string
		disk                     []byte
		wish                     Wish
		notes                    string // in the notes; empty wants none
	}{
		{"MBR with boot code", BIOS, "virtio-blk", "virtio-net", mbr, Wish{}, ""},
		{"a blank disk", BIOS, "virtio-blk", "virtio-net", make([]byte, diskSize), Wish{}, ""},
		{"MBR without boot code", BIOS, "virtio-blk", "virtio-net", mbrDisk(false, 0x83), Wish{}, ""},
		{"MBR with an ESP", UEFI, "virtio-blk", "virtio-net", mbrDisk(false, 0xef, 0x83), Wish{}, ""},
		{"MBR with an ESP and boot code", BIOS, "virtio-blk", "virtio-net", mbrDisk(true, 0xef, 0x83), Wish{}, ""},
		{"GPT with an ESP, whose MBR has code", UEFI, "virtio-blk", "virtio-net", gptDisk(t, true, gpt.EFISystemPartition, gpt.LinuxFilesystem), Wish{}, ""},
		{"GPT with a BIOS boot partition", BIOS, "virtio-blk", "virtio-net", gptDisk(t, true, gpt.BIOSBoot, gpt.LinuxFilesystem), Wish{}, ""},
		{"GPT with both", BIOS, "virtio-blk", "virtio-net", both, Wish{}, ""},
		{"GPT with both, without code", UEFI, "virtio-blk", "virtio-net", gptDisk(t, false, gpt.BIOSBoot, gpt.EFISystemPartition), Wish{}, ""},
		{"GPT with both, UEFI there", UEFI, "sata", "e1000", both, Wish{Target: target("uefi both", "hv_vmbus hv_storvsc sd_mod", "hv_vmbus hv_netvsc")}, "no disk controller as there has it (hv_vmbus hv_storvsc sd_mod): sata"},
		{"MBR, UEFI there", BIOS, "ide", "rtl8139", mbr, Wish{Target: target("uefi", "xen_blkfront,ata_piix sd_mod", "xen_netfront,8139cp,8139too,e1000")}, "no machines that start by BIOS"},
		{"wishes go before", UEFI, "nvme", "vmxnet3", mbr, Wish{Firmware: UEFI, Bus: "nvme", NIC: "vmxnet3", Target: target("bios uefi", "virtio_pci virtio_blk", "virtio_pci virtio_net")}, ""},
		{"VMware", BIOS, "pvscsi", "vmxnet3", mbr, Wish{Target: target("bios uefi both", "vmw_pvscsi sd_mod,mptspi sd_mod", "vmxnet3,e1000")}, ""},
		{"VirtualBox", BIOS, "sata", "e1000", mbr, Wish{Target: target("bios uefi both", "ahci sd_mod,ata_piix sd_mod", "e1000,virtio_pci virtio_net")}, ""},
		{"EC2", BIOS, "nvme", "e1000", mbr, Wish{Target: target("", "nvme,xen_blkfront", "ena,xen_netfront")}, "no network card as there has it (ena)"},
		{"Proxmox VE", BIOS, "virtio-scsi", "virtio-net", mbr, Wish{Target: target("bios uefi both", "virtio_pci virtio_scsi sd_mod,virtio_pci virtio_blk", "virtio_pci virtio_net")}, ""},
	} {
		m, err := Choose(bytes.NewReader(c.disk), diskSize, c.wish)
		if err != nil || m.Firmware != c.firmware || m.Bus != c.bus || m.NIC != c.nic || m.Why == "" {
			t.Errorf("%s: %+v, %v", c.name, m, err)
		}
		if all := strings.Join(m.Notes, "\n"); !strings.Contains(all, c.notes) || (c.notes == "") != (all == "") {
			t.Errorf("%s: notes %q, must have %q", c.name, all, c.notes)
		}
	}
	for _, w := range []Wish{{Firmware: "coreboot"}, {Bus: "floppy"}, {NIC: "token-ring"}} {
		if _, err := Choose(bytes.NewReader(mbr), diskSize, w); err == nil {
			t.Errorf("%+v is taken", w)
		}
	}
	broken := errors.New("broken")
	if _, err := Choose(badReader{broken}, diskSize, Wish{}); !errors.Is(err, broken) {
		t.Errorf("a disk that cannot be read: %v", err)
	}
}

type badReader struct{ err error }

func (r badReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// TestDevices: what stands for a driver is what QEMU has.
func TestDevices(t *testing.T) {
	for _, d := range busFor {
		if !slices.Contains(tool.DiskBuses(), d.word) {
			t.Errorf("%+v", d)
		}
	}
	for _, d := range nicFor {
		if !slices.Contains(tool.NICModels(), d.word) {
			t.Errorf("%+v", d)
		}
	}
}
