package fusefs

import (
	"maps"
	"slices"
	"syscall"
)

// getxattr answers getxattr(2): the value's length, and the value where dest is
// long enough.
func getxattr(attrs map[string]string, name string, dest []byte) (uint32, syscall.Errno) {
	v, ok := attrs[name]
	if !ok {
		return 0, syscall.ENODATA
	}
	return reply(v, dest)
}

// listxattr answers listxattr(2): the names, each with a NUL.
func listxattr(attrs map[string]string, dest []byte) (uint32, syscall.Errno) {
	var names string
	for _, n := range slices.Sorted(maps.Keys(attrs)) {
		names += n + "\x00"
	}
	return reply(names, dest)
}

func reply(v string, dest []byte) (uint32, syscall.Errno) {
	if len(dest) < len(v) {
		return uint32(len(v)), syscall.ERANGE
	}
	return uint32(copy(dest, v)), 0
}
