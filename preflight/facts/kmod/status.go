package kmod

import "migimg/preflight/facts/initramfs"

// Status is where a driver is when the kernel looks for the root filesystem.
type Status string

// The statuses. Only the first two let a guest boot from a disk that needs the
// driver.
const (
	StatusBuiltin   Status = "builtin"      // in the kernel image
	StatusInitramfs Status = "initramfs"    // in the initramfs, with all it depends on
	StatusModule    Status = "modules-only" // below /lib/modules, too late for the root
	StatusAbsent    Status = "absent"       // the kernel does not have it
	StatusUnknown   Status = "unknown"      // the files do not tell
)

// Status says where the driver name is. in is the initramfs that is booted with
// the kernel, nil where there is none. missing are the dependencies that are
// neither built in nor in the initramfs: with them the driver is there but
// cannot be loaded, and the status is modules-only.
func (t *Tree) Status(name string, in *initramfs.Archive) (s Status, missing []string) {
	name = normal(name)
	builtin := t.Builtin(name)
	if builtin == Yes {
		return StatusBuiltin, nil
	}
	_, isModule := t.paths[name]
	if in != nil {
		if _, ok := in.Module(name, t.Release); ok {
			return t.closure(name, in)
		}
		if in.Opaque != "" && (isModule || builtin == Unknown || t.Dir == "") {
			return StatusUnknown, nil
		}
	}
	switch {
	case isModule:
		return StatusModule, nil
	case builtin == No && t.Dir != "":
		return StatusAbsent, nil
	}
	// Without the folder of modules, "not built in" may mean a module that is
	// just not there, or one on a filesystem that could not be read.
	return StatusUnknown, nil
}

// closure is Status of a driver that is in the initramfs.
func (t *Tree) closure(name string, in *initramfs.Archive) (Status, []string) {
	deps, ok := t.Deps(name)
	if !ok {
		return StatusUnknown, nil
	}
	var missing []string
	unsure := false
	for _, d := range deps {
		if _, ok := in.Module(d, t.Release); ok {
			continue
		}
		switch b := t.Builtin(d); {
		case b == Yes:
		case in.Opaque != "" || b == Unknown:
			unsure = true
		default:
			missing = append(missing, d)
		}
	}
	switch {
	case unsure:
		return StatusUnknown, missing
	case len(missing) > 0:
		return StatusModule, missing
	}
	return StatusInitramfs, nil
}
