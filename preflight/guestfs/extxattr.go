package guestfs

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Attributes: Linux, Documentation/filesystems/ext4/attributes.rst. They lie
// behind the fields of a large inode, and in one block more.
const (
	extAttrMagic  = 0xEA020000
	extAttrEntry  = 16 // bytes before an entry's name
	extAttrHeader = 32 // of the block
)

// extPrefixes are the beginnings of names that an entry has by number.
var extPrefixes = map[byte]string{1: "user.", 4: "trusted.", 6: "security.", 7: "system."}

// Xattr reads an attribute.
func (t *extTree) Xattr(name, attr string) ([]byte, error) {
	i, err := t.find("xattr", name)
	if err != nil {
		return nil, err
	}
	v, err := t.s.xattr(i.number, attr)
	if err != nil {
		return nil, t.fail("xattr", name, err)
	}
	return v, nil
}

func (s *extSuper) xattr(ino int64, attr string) ([]byte, error) {
	b, err := s.inodeBytes(ino)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if len(b) > 132 {
		if at := 128 + int(le.Uint16(b[128:])); at+4 <= len(b) && le.Uint32(b[at:]) == extAttrMagic {
			v, err := extAttr(b[at+4:], 0, attr)
			if v != nil || err != nil {
				return v, err
			}
		}
	}
	n := int64(le.Uint32(b[0x68:])) | int64(le.Uint16(b[0x76:]))<<32
	if n == 0 {
		return nil, nil
	}
	block, err := s.block(n)
	if err != nil {
		return nil, err
	}
	if le.Uint32(block) != extAttrMagic {
		return nil, fmt.Errorf("ext: inode %d: its block of attributes is none", ino)
	}
	return extAttr(block, extAttrHeader, attr)
}

// extAttr finds an attribute in the entries that begin at b[at:]; the values'
// offsets are those in b. Nil is an attribute that is not there.
func extAttr(b []byte, at int, attr string) ([]byte, error) {
	le := binary.LittleEndian
	for at+4 <= len(b) && le.Uint32(b[at:]) != 0 {
		if at+extAttrEntry > len(b) || at+extAttrEntry+int(b[at]) > len(b) {
			return nil, fmt.Errorf("ext: an attribute at %d leaves its place", at)
		}
		n, prefix := int(b[at]), extPrefixes[b[at+1]]
		name := string(b[at+extAttrEntry : at+extAttrEntry+n])
		rest, ok := strings.CutPrefix(attr, prefix)
		if !ok || rest != name || prefix == "" {
			at += extAttrEntry + (n+3)&^3
			continue
		}
		if le.Uint32(b[at+4:]) != 0 {
			return nil, fmt.Errorf("ext: the value of %s is in an inode of its own", attr)
		}
		off, size := int64(le.Uint16(b[at+2:])), int64(le.Uint32(b[at+8:]))
		if off+size > int64(len(b)) {
			return nil, fmt.Errorf("ext: %d bytes of %s at %d", size, attr, off)
		}
		return append([]byte{}, b[off:off+size]...), nil
	}
	return nil, nil
}
