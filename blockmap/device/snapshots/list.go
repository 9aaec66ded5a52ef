package snapshots

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Items of the root tree (kernel, include/uapi/linux/btrfs_tree.h).
const (
	rootTree    = 1
	topLevel    = 5
	lastTree    = 1<<64 - 256
	rootItem    = 132
	rootBackref = 144

	rootRefs = 216 // in struct btrfs_root_item: 0 where it is being deleted
	rootUUID = 247

	maxNested = 256
)

// maxSubvolumes bounds how many snapshots are made: each waits for a commit.
const maxSubvolumes = 4096

// place is where a subvolume is in another one.
type place struct {
	tree, dir uint64
	name      string
}

// subvolumes lists the subvolumes of the filesystem, by their numbers, but those
// that lie in the folder of snapshots.
func subvolumes(top *os.File) ([]subvolume, error) {
	var found []subvolume
	places := map[uint64]place{}
	err := search(int(top.Fd()), func(id, kind, off uint64, b []byte) {
		subvolumeID := id == topLevel || id >= 256
		switch {
		case !subvolumeID:
		case kind == rootItem && len(b) >= rootUUID+16 && (id == topLevel || binary.LittleEndian.Uint32(b[rootRefs:]) > 0):
			found = append(found, subvolume{ID: id, UUID: [16]byte(b[rootUUID:])})
		case kind == rootBackref && len(b) >= 18:
			n := min(int(binary.LittleEndian.Uint16(b[16:])), len(b)-18)
			places[id] = place{off, binary.LittleEndian.Uint64(b), string(b[18:][:n])}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing the subvolumes: %w", err)
	}
	var out []subvolume
	for _, s := range found {
		s.Path, err = pathOf(int(top.Fd()), s.ID, places)
		if err != nil {
			continue // it was deleted in the meantime, and cannot be snapshotted
		}
		if !strings.HasPrefix(s.Path+"/", Dir+"/") {
			out = append(out, s)
		}
	}
	if len(out) > maxSubvolumes {
		return nil, fmt.Errorf("has %d subvolumes; a snapshot of each is made of %d at most", len(out), maxSubvolumes)
	}
	return out, nil
}

// pathOf is a subvolume's path from the top level.
func pathOf(top int, id uint64, places map[uint64]place) (string, error) {
	var names []string
	for ; id != topLevel; id = places[id].tree {
		p, ok := places[id]
		if !ok || len(names) > maxNested {
			return "", unix.ENOENT
		}
		dir, err := dirPath(top, p.tree, p.dir)
		if err != nil {
			return "", err
		}
		names = append(names, dir+p.name)
	}
	slices.Reverse(names)
	return strings.Join(names, "/"), nil
}

// search calls visit for the items of the root tree from the top level's on.
//
// struct btrfs_ioctl_search_args_v2: tree, lowest and highest id, offset and
// transaction, lowest and highest kind (32), number of items (32), 36 bytes, size of the
// buffer, buffer. The buffer has a header of 32 bytes before each item: transaction,
// id, offset, kind (32), length (32).
func search(top int, visit func(id, kind, off uint64, b []byte)) error {
	const head = 112
	b := make([]byte, head+64<<10)
	id, kind, off := uint64(topLevel), uint64(0), uint64(0)
	for {
		clear(b[:head])
		native.PutUint64(b, rootTree)
		native.PutUint64(b[8:], id)
		native.PutUint64(b[16:], lastTree)
		native.PutUint64(b[24:], off)
		native.PutUint64(b[32:], ^uint64(0))
		native.PutUint64(b[48:], ^uint64(0))
		native.PutUint32(b[56:], uint32(kind))
		native.PutUint32(b[60:], 255)
		native.PutUint32(b[64:], ^uint32(0))
		native.PutUint64(b[104:], uint64(len(b)-head))
		if err := ioctl(top, searchTree, b); err != nil {
			return err
		}
		n := native.Uint32(b[64:])
		if n == 0 {
			return nil
		}
		for rest := b[head:]; n > 0 && len(rest) >= 32; n-- {
			size := int(native.Uint32(rest[28:]))
			if size > len(rest)-32 {
				return fmt.Errorf("an item of %d bytes: %w", size, unix.EIO)
			}
			id, off, kind = native.Uint64(rest[8:]), native.Uint64(rest[16:]), uint64(native.Uint32(rest[24:]))
			visit(id, kind, off, rest[32:][:size])
			rest = rest[32+size:]
		}
		if off++; off == 0 {
			if kind++; kind > 255 {
				id, kind = id+1, 0
			}
		}
	}
}

// openSubvolume opens the root of s, if it still is where it was found.
func openSubvolume(top *os.File, s subvolume) (*os.File, error) {
	path := s.Path
	if path == "" {
		path = "."
	}
	f, err := openAt(int(top.Fd()), path, openDir)
	if err != nil {
		return nil, err
	}
	if is, err := infoOf(int(f.Fd())); err != nil || is.ID != s.ID {
		f.Close()
		return nil, fmt.Errorf("subvolume %d is not at %s any more: %w", s.ID, s.Path, unix.ENOENT)
	}
	return f, nil
}
