package boot

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"migimg/verify/ptable"
	"migimg/verify/tool"
)

// Kinds of firmware.
const (
	BIOS = "bios"
	UEFI = "uefi"
)

// Machine is what an image is started on.
type Machine struct {
	// Firmware is [BIOS] or [UEFI], and Why the reason for it.
	Firmware string `json:"firmware"`
	Why      string `json:"firmware_reason"`
	// Bus and NIC are words of package tool ("virtio-blk", "e1000").
	Bus string `json:"disk_bus"`
	NIC string `json:"nic"`
	// Accelerator is "kvm" or "tcg"; AccelWhy is how it was found out.
	Accelerator string `json:"accelerator"`
	AccelWhy    string `json:"accelerator_reason"`
	// Notes say what is not as the target has it, for people.
	Notes []string `json:"notes,omitempty"`
}

func (m Machine) String() string {
	return strings.Join([]string{strings.ToUpper(m.Firmware), m.Bus, m.NIC, m.Accelerator}, ", ")
}

// Wish is what the machine is to be like. What is empty is chosen.
type Wish struct {
	// Firmware, Bus and NIC are the user's own and go before all else.
	Firmware, Bus, NIC string
	Target             Target
}

// Check says what of the user's own wishes cannot be.
func (w Wish) Check() error {
	if w.Firmware != "" && w.Firmware != BIOS && w.Firmware != UEFI {
		return fmt.Errorf("firmware %q is none of %s, %s", w.Firmware, BIOS, UEFI)
	}
	for _, x := range []struct {
		what, wish string
		known      []string
	}{{"disk bus", w.Bus, tool.DiskBuses()}, {"network card", w.NIC, tool.NICModels()}} {
		if x.wish != "" && !slices.Contains(x.known, x.wish) {
			return fmt.Errorf("%s %q is none of %s", x.what, x.wish, strings.Join(x.known, ", "))
		}
	}
	return nil
}

// Target is what is known of the target's machines. The zero value knows nothing.
type Target struct {
	// Name is for messages.
	Name string
	// Firmware are the kinds it has ([BIOS], [UEFI], others are not looked at); none
	// is not known.
	Firmware []string
	// Disk and NIC are groups of Linux's modules that drive its disk and its network
	// card, the likeliest first.
	Disk, NIC [][]string
}

// device says what QEMU has for a driver of Linux's.
type device struct{ module, word string }

var (
	busFor = []device{
		{"virtio_blk", "virtio-blk"}, {"virtio_scsi", "virtio-scsi"}, {"nvme", "nvme"}, {"ahci", "sata"},
		{"ata_piix", "ide"}, {"vmw_pvscsi", "pvscsi"}, {"mptsas", "mptsas"},
	}
	nicFor = []device{
		{"virtio_net", "virtio-net"}, {"e1000", "e1000"}, {"e1000e", "e1000e"}, {"vmxnet3", "vmxnet3"},
		{"pcnet32", "pcnet"}, {"8139cp", "rtl8139"}, {"8139too", "rtl8139"},
	}
)

// Choose chooses the machine for a disk of size bytes. The error is that of a wish
// that cannot be, or of a partition table that cannot be read.
func Choose(disk io.ReaderAt, size int64, w Wish) (Machine, error) {
	var m Machine
	err := w.Check()
	if err != nil {
		return m, err
	}
	if m.Firmware, m.Why, err = firmware(disk, size, w); err != nil {
		return m, err
	}
	if t := w.Target; len(t.Firmware) > 0 && !slices.Contains(t.Firmware, m.Firmware) {
		m.Notes = append(m.Notes, fmt.Sprintf("%s has no machines that start by %s: that it starts here does not say that it does there", t.Name, strings.ToUpper(m.Firmware)))
	}
	m.Bus = m.choose("disk controller", w.Bus, w.Target.Name, w.Target.Disk, busFor, "sata")
	m.NIC = m.choose("network card", w.NIC, w.Target.Name, w.Target.NIC, nicFor, "e1000")
	return m, nil
}

// choose takes the wish, or the first of the target's that QEMU has, or another in
// its stead; without a target it is virtio, the first of the table.
func (m *Machine) choose(what, wish, target string, groups [][]string, table []device, instead string) string {
	if wish != "" {
		return wish
	}
	if len(groups) == 0 {
		return table[0].word
	}
	for _, g := range groups {
		for _, d := range table {
			if slices.Contains(g, d.module) {
				return d.word
			}
		}
	}
	m.Notes = append(m.Notes, fmt.Sprintf("QEMU has no %s as %s has it (%s): %s stands in, which proves nothing about that driver",
		what, target, strings.Join(groups[0], " "), instead))
	return instead
}

// What of a partition table a firmware starts from.
const (
	espGUID  = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	biosGUID = "21686148-6449-6E6F-744E-656564454649"
	espType  = "ef"
)

// firmware chooses by the wish, then by what the disk starts from and the target has:
// BIOS where both would do.
func firmware(disk io.ReaderAt, size int64, w Wish) (kind, why string, err error) {
	if w.Firmware != "" {
		return w.Firmware, "as was asked for", nil
	}
	bios, uefi, why, err := starts(disk, size)
	if err != nil {
		return "", "", err
	}
	takes := func(kind string) bool {
		return len(w.Target.Firmware) == 0 || slices.Contains(w.Target.Firmware, kind)
	}
	switch {
	case bios && uefi && !takes(BIOS):
		return UEFI, why + ", and " + w.Target.Name + " starts from UEFI", nil
	case bios || !uefi:
		return BIOS, why, nil
	}
	return UEFI, why, nil
}

// starts says from which firmware the disk can start, by its partition table and its
// boot sector. What it says is not that it does.
func starts(disk io.ReaderAt, size int64) (bios, uefi bool, why string, err error) {
	t, err := ptable.Read(disk, size)
	if err != nil {
		return false, false, "", err
	}
	const codeSize = 440 // of the boot sector; the disk's identifier follows
	code := make([]byte, min(codeSize, size))
	if n, err := disk.ReadAt(code, 0); n < len(code) {
		return false, false, "", fmt.Errorf("the boot sector could not be read: %w", err)
	}
	boots := slices.ContainsFunc(code, func(b byte) bool { return b != 0 })
	has := func(kind string) bool {
		return slices.ContainsFunc(t.Partitions, func(p ptable.Partition) bool { return strings.EqualFold(p.Type, kind) })
	}
	switch esp := has(espGUID) || has(espType); {
	case t.Kind == ptable.GPT && esp && !has(biosGUID):
		return false, true, "GPT with an EFI system partition and no BIOS boot partition", nil
	case esp && boots:
		return true, true, "boot code, and an EFI system partition, too", nil
	case esp:
		return false, true, "an EFI system partition and no boot code", nil
	case boots:
		return true, false, "boot code in the first sector", nil
	}
	return false, false, "neither boot code nor an EFI system partition", nil
}
