package tool

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
)

// Guest is a machine to start an image on.
type Guest struct {
	// Image is the file and Format verify's name for its format ("vhd"). The file
	// is never written: what the guest writes goes to an overlay.
	Image, Format string
	// UEFI starts OVMF without Secure Boot; else SeaBIOS.
	UEFI bool
	// Disk and NIC are of [DiskBuses] and [NICModels].
	Disk, NIC string
	// KVM is to be asked of [QemuSystem.KVM] first; without it the processor is
	// emulated.
	KVM bool
	// Dir is where the overlay lies, nameless; empty is TMPDIR, or /tmp.
	Dir string
}

// memory of a guest in MiB. Installers of current systems ask for 1.5 GiB; what
// the guest does not touch costs nothing.
const memory = 2048

// disks are the arguments that put the drive "disk" onto each bus.
var disks = map[string][]string{
	"virtio-blk":  {"-device", "virtio-blk-pci,drive=disk,bootindex=0"},
	"virtio-scsi": {"-device", "virtio-scsi-pci,id=ctl", "-device", "scsi-hd,drive=disk,bus=ctl.0,bootindex=0"},
	"nvme":        {"-device", "nvme,serial=migimg,drive=disk,bootindex=0"},
	"sata":        {"-device", "ich9-ahci,id=ctl", "-device", "ide-hd,drive=disk,bus=ctl.0,bootindex=0"},
	"ide":         {"-device", "ide-hd,drive=disk,bus=ide.0,bootindex=0"},
	"pvscsi":      {"-device", "pvscsi,id=ctl", "-device", "scsi-hd,drive=disk,bus=ctl.0,bootindex=0"},
	"mptsas":      {"-device", "mptsas1068,id=ctl", "-device", "scsi-hd,drive=disk,bus=ctl.0,bootindex=0"},
}

// nics are QEMU's devices.
var nics = map[string]string{
	"virtio-net": "virtio-net-pci",
	"e1000":      "e1000",
	"e1000e":     "e1000e",
	"vmxnet3":    "vmxnet3",
	"pcnet":      "pcnet",
	"rtl8139":    "rtl8139",
}

// DiskBuses are the words for Guest.Disk.
func DiskBuses() []string { return slices.Sorted(maps.Keys(disks)) }

// NICModels are the words for Guest.NIC.
func NICModels() []string { return slices.Sorted(maps.Keys(nics)) }

// The descriptors that QEMU inherits: exec.Cmd puts its ExtraFiles at 3 and on.
const (
	fdConsole = 3 + iota
	fdFirmware
	fdPackets
	fdScratch
	fdQMP
)

// arguments are those of the program. image are its options as imageOptions
// makes them, ovmf the code and the template of the variables.
func (g Guest) arguments(image string, ovmf [2]string) ([]string, error) {
	disk, nic := disks[g.Disk], nics[g.NIC]
	if disk == nil || nic == "" {
		return nil, fmt.Errorf("qemu: disk bus %q or network card %q is none of %q, %q", g.Disk, g.NIC, DiskBuses(), NICModels())
	}
	// One emulated processor: two on a busy machine wait for each other.
	accel, cpu, smp := "tcg", "max", 1
	if g.KVM {
		accel, cpu, smp = "kvm", "host", min(2, runtime.NumCPU())
	}
	args := []string{
		"-nodefaults", "-no-user-config",
		"-machine", "pc,accel=" + accel, "-cpu", cpu, "-smp", fmt.Sprint(smp), "-m", fmt.Sprint(memory),
		"-display", "none", "-no-shutdown", "-S", "-boot", "strict=on",
		// The image is anybody's: what runs it starts no programs and gains no rights.
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny",
		"-chardev", file("console", fdConsole), "-serial", "chardev:console",
		// SeaBIOS says there what it does, screen or no screen (src/fw/paravirt.c).
		"-chardev", file("firmware", fdFirmware), "-device", "isa-debugcon,iobase=0x402,chardev=firmware",
		"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", fdQMP), "-mon", "chardev=qmp,mode=control",
		"-device", "virtio-rng-pci",
		// No way out but answers to what came in; slot 3 is the one that hypervisors
		// use, so the card is called ens3.
		"-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22",
		"-device", nic + ",netdev=net,addr=3,romfile=",
		"-object", fmt.Sprintf("filter-dump,id=dump,netdev=net,maxlen=600,file=/dev/fd/%d", fdPackets),
		"-drive", image + ",if=none,id=disk,snapshot=on",
	}
	if g.UEFI {
		args = append(args, "-device", "VGA",
			"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+escape(ovmf[0]),
			"-drive", "if=pflash,unit=1,format=raw,snapshot=on,file="+escape(ovmf[1]))
	} else {
		// Linux has no graphics driver for an ISA card: its console stays in text mode,
		// where it can be read.
		args = append(args, "-device", "isa-vga")
	}
	return append(args, disk...), nil
}

func file(id string, fd int) string { return fmt.Sprintf("file,id=%s,path=/dev/fd/%d", id, fd) }

// image are the options of the image for -drive.
func (g Guest) image() (string, error) {
	f, err := os.Open(g.Image)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return imageOptions(f, g.Image, driver(g.Format))
}
