package facts

import "migimg/preflight/guestfs"

// Flags and Xattr hand on what the subvolume's tree says.

func (r rooted) Flags(name string) (guestfs.Flags, error) {
	return guestfs.FlagsOf(guestfs.Compose(r.Tree), name)
}

func (r rooted) Xattr(name, attr string) ([]byte, error) {
	return guestfs.Xattr(guestfs.Compose(r.Tree), name, attr)
}
