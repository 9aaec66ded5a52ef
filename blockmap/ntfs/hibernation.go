package ntfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// hiberHead is how much of hiberfil.sys is looked at: a file that is shorter is
// that of a Windows hibernated on another volume (ntfs-3g, libntfs-3g/volume.c,
// ntfs_volume_check_hiberfile).
const hiberHead = 4096

const hiberAdvice = ": shut it down completely (shutdown /s /f /t 0); Fast Startup hibernates at each shutdown, powercfg /h off ends that"

// hibernated says so where Windows is: what it keeps in memory of the volume is
// newer than what is on it.
func (f *fsys) hibernated() (string, error) {
	refs, err := f.lookup("hiberfil.sys")
	if err != nil {
		return "", err
	}
	for _, ref := range refs {
		why, err := f.hiberState(ref)
		if why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

func (f *fsys) hiberState(ref uint64) (string, error) {
	n := refNumber(ref)
	r, err := f.baseRecord(n)
	if err != nil {
		return "", err
	}
	if r.sequence() != refSequence(ref) {
		return "", damaged("hiberfil.sys is MFT record %d, which was used anew since", n)
	}
	s, err := f.open(n, typeData, "")
	switch {
	case err != nil:
		return "", err
	case s == nil || s.size < hiberHead:
		return "Windows is hibernated, on another volume" + hiberAdvice, nil
	case s.flags&(flagCompressed|flagEncrypted) != 0:
		return "hiberfil.sys is compressed or encrypted, so that it cannot be told whether Windows is hibernated: delete it (powercfg /h off)", nil
	}
	b := make([]byte, hiberHead)
	if err := f.readStream(s, b, 0, "hiberfil.sys"); err != nil {
		return "", err
	}
	switch strings.ToLower(string(b[:4])) {
	case "hibr":
		return "Windows is hibernated" + hiberAdvice, nil
	case "rstr": // the image was being read when the machine was switched off
		return "Windows was waking up from hibernation and did not end that" + hiberAdvice, nil
	}
	return "", nil
}

// An index of names (ntfs-3g, include/ntfs-3g/layout.h, INDEX_ROOT, INDEX_BLOCK
// and INDEX_ENTRY). A header at 16 of the root, at 24 of a block:
//
//	0    place of the first entry, 32 bits; 4 bytes in use, 32 bits, both from
//	     the header on
//
// An entry:
//
//	0    the file's record, 64 bits
//	8    bytes of the entry, 16 bits; 10 bytes of the name's attribute, 16 bits
//	12   flags, 16 bits: 2 for the last one, which names nothing
//	16   the name's attribute: characters at 64, 8 bits; the name at 66
const (
	indexName     = "$I30"
	rootHeader    = 16
	blockHeader   = 24
	entryHead     = 16
	entryLast     = 2
	maxIndexBlock = 64 << 10
)

// lookup is the records of the files in the root directory whose name is name,
// an ASCII one, in any case. All entries are looked at: the order in which they
// are needs a table of the volume's own, and this one name must not be missed.
func (f *fsys) lookup(name string) ([]uint64, error) {
	root, err := f.open(fileRoot, typeIndexRoot, indexName)
	if err != nil {
		return nil, err
	}
	if root == nil || root.runs != nil || len(root.resident) < rootHeader+16 {
		return nil, damaged("the root directory has no index")
	}
	var found []uint64
	if err := entries(root.resident[rootHeader:], name, &found); err != nil {
		return nil, damaged("index of the root directory: %v", err)
	}
	alloc, err := f.open(fileRoot, typeIndexAlloc, indexName)
	if err != nil || alloc == nil {
		return found, err
	}
	used, err := f.open(fileRoot, typeBitmap, indexName)
	if err != nil {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(root.resident[8:]))
	if size < stride || size > maxIndexBlock || size&(size-1) != 0 || !alloc.plain() || alloc.runs == nil || used == nil || !used.plain() {
		return nil, damaged("index of the root directory: blocks of %d bytes, stored in an impossible way", size)
	}
	err = f.lookupBlocks(alloc, used, size, name, &found)
	return found, err
}

// lookupBlocks looks through the blocks of an index that are in use.
func (f *fsys) lookupBlocks(alloc, used *stream, size int64, name string, found *[]uint64) error {
	const most = 8 * maxIndexBlock // bytes read at once: whole bytes of the bitmap
	per := most / size
	buf, all := make([]byte, most), make([]byte, per/8)
	// A bitmap that is shorter than the index says nothing of blocks behind it.
	blocks := min(alloc.size/size, used.size*8)
	for i := int64(0); i < blocks; i += per {
		n := min(per, blocks-i)
		bits := all[:(n+7)/8]
		if err := f.readStream(used, bits, i/8, "bitmap of the root directory's index"); err != nil {
			return err
		}
		if strings.Trim(string(bits), "\x00") == "" {
			continue
		}
		if err := f.readStream(alloc, buf[:n*size], i*size, "index of the root directory"); err != nil {
			return err
		}
		for k := range n {
			if bits[k/8]>>(k%8)&1 == 0 {
				continue
			}
			b := buf[k*size : (k+1)*size]
			if string(b[:4]) != "INDX" {
				return damaged("index of the root directory: block %d begins with %q", i+k, b[:4])
			}
			err := fixup(b)
			if err == nil {
				err = entries(b[blockHeader:], name, found)
			}
			if err != nil {
				return damaged("index of the root directory: block %d: %v", i+k, err)
			}
		}
	}
	return nil
}

// entries adds the records of the entries with the name to found. b begins with
// the header.
func entries(b []byte, name string, found *[]uint64) error {
	le := binary.LittleEndian
	from, to := int64(le.Uint32(b)), int64(le.Uint32(b[4:]))
	if from < 16 || from > to || to > int64(len(b)) {
		return fmt.Errorf("entries from %d to %d in %d bytes", from, to, len(b))
	}
	for b = b[from:to]; ; {
		if len(b) < entryHead {
			return errors.New("the entries do not end")
		}
		n, key := int(le.Uint16(b[8:])), int(le.Uint16(b[10:]))
		if n < entryHead || n%8 != 0 || n > len(b) {
			return fmt.Errorf("impossible entry of %d bytes", n)
		}
		if le.Uint16(b[12:])&entryLast != 0 {
			return nil
		}
		if k := b[entryHead:n]; key > len(k) || key < 66 || 66+2*int(k[64]) > key {
			return fmt.Errorf("impossible name of %d bytes", key)
		} else if int(k[64]) == len(name) && strings.EqualFold(text(k[66:66+2*len(name)]), name) {
			*found = append(*found, le.Uint64(b))
		}
		b = b[n:]
	}
}
