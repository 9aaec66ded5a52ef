// Package facts gathers what preflight's checks judge: of the disk, and of the
// operating system on it. Facts are gathered once, for all targets; checks are
// pure functions of them.
//
// A fact that could not be had is absent, with the reason ([Facts.Absent]): a
// check that needs it is then unknown, or is skipped where the fact does not
// apply (a data disk has no boot loader). Nothing here holds a password, a hash
// or a key.
package facts

import (
	"time"

	"migimg/preflight/facts/initramfs"
	"migimg/preflight/guestfs"
)

// Key names a group of facts that a check may need.
type Key string

// The keys. Disk facts are always there.
const (
	KeyGuest     Key = "guest"      // there is an operating system, and its root can be read
	KeyOS        Key = "os"         // os-release
	KeyBoot      Key = "boot"       // boot loader configuration and default entry
	KeyLoader    Key = "loader"     // boot sectors and EFI system partitions
	KeyDrivers   Key = "drivers"    // kernel, initramfs and their modules
	KeyKernels   Key = "kernels"    // installed kernels and what belongs to them
	KeyModprobe  Key = "modprobe"   // rules for loading modules
	KeyGrub      Key = "grub"       // what GRUB's configuration is made from
	KeyFstab     Key = "fstab"      // /etc/fstab
	KeyNet       Key = "net"        // network configuration
	KeyAccounts  Key = "accounts"   // passwd and shadow
	KeyCloudInit Key = "cloud-init" // cloud-init's files and units
	KeyAgents    Key = "agents"     // guest tools and agents of hypervisors and clouds
	KeyPackages  Key = "packages"   // databases of installed packages
	KeyTraces    Key = "traces"     // what the tables of signs found
	KeyState     Key = "state"      // how the operating system is set up
	KeySSH       Key = "ssh"        // the SSH server
	KeyLogins    Key = "logins"     // the accounts of people
	KeyPAM       Key = "pam"        // modules of PAM that ask for more, or keep people out
	KeyDirectory Key = "directory"  // accounts from elsewhere
	KeyServices  Key = "services"   // which services are started at boot
	KeyLVM       Key = "lvm"        // LVM's configuration
	KeyRAID      Key = "raid"       // mdadm.conf and multipath.conf
	KeyCrypttab  Key = "crypttab"   // /etc/crypttab
	KeyMounts    Key = "mounts"     // what mounts filesystems besides fstab
	KeySwap      Key = "swap"       // swap, resume, and what grows the root
)

// Absence is why a group of facts is missing.
type Absence struct {
	// NotApplicable: the facts do not exist for this disk, as opposed to: they
	// could not be read.
	NotApplicable bool
	Reason        string
}

// Facts is everything the checks may look at.
type Facts struct {
	Disk      Disk
	Guest     Guest
	OS        OS
	Firmware  Firmware
	Boot      Boot
	Loader    Loader
	Drivers   Drivers
	Early     Early // with KeyDrivers
	Kernels   Kernels
	Modprobe  []ModprobeRule
	Grub      GrubFiles
	Fstab     Fstab
	Net       Net
	Accounts  Accounts
	CloudInit CloudInit
	Agents    []Agent
	// AgentProblems are places where an agent may be that was not seen.
	AgentProblems []string
	Packages      Packages
	Traces        Traces
	State         State
	// Template says that many machines are made of the image, and not one.
	Template bool
	// Now is when the facts were gathered, for what ends at a date.
	Now       time.Time
	Firewall  Firewall
	NetRefs   NetRefs
	SSH       SSH
	Logins    Logins
	PAM       PAM
	Directory Directory
	Services  Services
	LVM       LVM
	RAID      RAID
	Crypttab  Crypttab
	// LUKS are the headers of the encrypted volumes; Space the free space of the
	// filesystems; Load what the running system writes. None needs a guest.
	LUKS  []LUKSVolume
	Space []Space
	Load  Load
	// Machine is what the running system runs on.
	Machine Machine
	Mounts  Mounts
	Swap    Swap
	Names   Names
	// OtherMounts are mounts of the running system whose device is not on this
	// disk; empty unless the guest is this machine's own system.
	OtherMounts []OtherMount

	absent map[Key]Absence
}

// SetAbsent records that a group of facts is missing.
func (f *Facts) SetAbsent(k Key, a Absence) {
	if f.absent == nil {
		f.absent = map[Key]Absence{}
	}
	f.absent[k] = a
}

// Absent says whether, and why, a group of facts is missing.
func (f *Facts) Absent(k Key) (Absence, bool) {
	a, ok := f.absent[k]
	return a, ok
}

// Guest is how the operating system's files were read.
type Guest struct {
	// Found says that the disk holds an operating system.
	Found bool
	// Live: the files are those of a mounted tree.
	Live bool
	// Backend is guestfs's word for the root's reader.
	Backend string
	// Root is the name of the volume that holds "/", and RootPath where it is
	// mounted on this machine, when Live.
	Root, RootPath string
	// RootType and RootUUID are the root filesystem's.
	RootType, RootUUID string
	// Subvolume is the folder of a btrfs that was read as the root; empty for the
	// filesystem's own, or where it is not known.
	Subvolume string
	// Others are further volumes that hold a system; the checks are about Root.
	Others []string
	// Problems are what could not be read, in words.
	Problems []string
	// Mounted is what was put into the tree besides the root, by guest path.
	Mounted []Placed
}

// Placed is a filesystem in the guest's tree.
type Placed struct {
	At, Volume, Backend string
	// Unreadable is why its files are unknown; empty where they are not.
	Unreadable string
}

// Options steer Gather.
type Options struct {
	// Modules are the kernel modules whose state is wanted, by name.
	Modules []string
	// Template says that the image is for many machines.
	Template bool
	// Now is the time by which accounts and releases have expired; the zero time
	// means the clock's.
	Now time.Time
	// Watch, if set, remembers what is read.
	Watch *Watch
}

// gatherer carries what the gatherers share.
type gatherer struct {
	f   *Facts
	fs  guestfs.FS
	src *Source
	o   Options
	// early is the initramfs of the default entry, nil where it was not read.
	early *initramfs.Archive
}
