package storage

import "strings"

// LVMDevices is a devices file of LVM's, /etc/lvm/devices/system.devices
// (lvmdevices(8)).
type LVMDevices struct {
	// ProductUUID and Hostname say that LVM noted which machine wrote the file: on
	// another one it looks for the physical volumes again (LVM2 since 2.03.24,
	// device_ids_refresh). Their values are not kept.
	ProductUUID, Hostname bool
	Entries               []LVMDevice
	// Odd are the numbers of lines that are none.
	Odd []int
}

// LVMDevice is an entry of a devices file.
type LVMDevice struct {
	Line int
	// IDType is how the device is known ("sys_wwid", "sys_serial", "devname",
	// "mpath_uuid", "md_uuid", "crypt_uuid", "lvmlv_uuid", "loop_file"), IDName its
	// value, PVID the physical volume's UUID without dashes.
	IDType, IDName, DevName, PVID string
}

// Hardware says that the entry fits this machine's disk alone.
func (d LVMDevice) Hardware() bool {
	switch d.IDType {
	case "sys_wwid", "sys_serial", "mpath_uuid", "wwid_naa", "wwid_eui", "wwid_t10":
		return true
	}
	return false
}

// ParseLVMDevices reads a devices file.
func ParseLVMDevices(s string) (f LVMDevices) {
	n := 0
	for line := range strings.Lines(s) {
		n++
		if n > maxLines {
			f.Odd = append(f.Odd, n)
			break
		}
		t := strings.TrimSpace(line)
		if t == "" || t[0] == '#' {
			continue
		}
		d := LVMDevice{Line: n}
		known := false
		for _, w := range fields(t) {
			k, v, _ := strings.Cut(w, "=")
			switch k {
			case "VERSION", "SYSTEMID":
				known = true
			case "PRODUCT_UUID":
				known, f.ProductUUID = true, true
			case "HOSTNAME":
				known, f.Hostname = true, true
			case "IDTYPE":
				d.IDType = v
			case "IDNAME":
				d.IDName = v
			case "DEVNAME":
				d.DevName = v
			case "PVID":
				d.PVID = v
			}
		}
		switch {
		case d.IDType != "":
			f.Entries = append(f.Entries, d)
		case !known:
			f.Odd = append(f.Odd, n)
		}
	}
	return f
}
