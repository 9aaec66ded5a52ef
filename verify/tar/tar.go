// Package tar checks and decodes tar archives for verify: the disk as disk.raw, sparse
// in the old GNU form or plain, as Google Cloud imports it, and the members of others
// (an OVA).
//
// It is written from POSIX ("ustar Interchange Format") and GNU tar's manual. Archives
// with pax headers are not read: the importers that take archives refuse them.
package tar

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"migimg/verify/decoder"
)

const (
	// DiskName is the member that is the disk.
	DiskName = "disk.raw"
	// manifestName may come before it: Google's own export writes it.
	manifestName = "manifest.json"
	// record is what archives are padded to, in bytes: GNU tar and Python write 20 blocks
	// at a time.
	record = 20 * block
	// maxMembers bounds a listing.
	maxMembers = 1000
)

// HeaderSize is how many bytes [First] needs.
const HeaderSize = block

// First is the name of the first member of an archive that begins with b; false where
// that is no header of one.
func First(b []byte) (name string, ok bool) {
	if len(b) < HeaderSize {
		return "", false
	}
	h, err := parseHeader(b[:HeaderSize])
	return h.name, err == nil && (h.gnu || h.posix)
}

// Member is a file in an archive.
type Member struct {
	Name string
	// Header is the offset of its header in the archive, Off that of its data, and
	// Stored how many bytes of data there are.
	Header, Off, Stored int64
	// Size is that of the file: more than Stored where it is sparse.
	Size int64
	// GNU and POSIX say whose header it is; neither is older than both.
	GNU, POSIX bool
	sparse     *sparseMap // nil: plain
}

// Sparse says that not all of the file is in the archive.
func (m *Member) Sparse() bool { return m.sparse != nil }

// List reads the headers of an archive and checks them, the padding between its
// members, and its end; what is wrong goes to ps. It is not ok where there may be
// members that were not found.
func List(ctx context.Context, f decoder.File, ps *decoder.Problems) (members []Member, ok bool, err error) {
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		b, err := f.Bytes(at, block)
		if err != nil {
			ps.Err(at, "tar: there is no end of the archive, which is two blocks of zeros", err)
			return members, false, nil
		}
		if allZero(b) {
			end(f, at, ps)
			return members, true, nil
		}
		if len(members) == maxMembers {
			ps.Failf(at, "tar: more than %d members", maxMembers)
			return members, false, nil
		}
		m, ok := member(f, b, at, ps)
		if !ok {
			return members, false, nil
		}
		members = append(members, m)
		at = padding(f, m.Off+m.Stored, ps)
	}
}

// member reads the headers of one.
func member(f decoder.File, b []byte, at int64, ps *decoder.Problems) (m Member, ok bool) {
	h, err := parseHeader(b)
	if err != nil {
		ps.Failf(at, "tar: header: %v", err)
		return m, false
	}
	h.odd(at, ps)
	m = Member{Name: h.name, Header: at, Off: at + block, Stored: h.size, Size: h.size, GNU: h.gnu, POSIX: h.posix}
	switch h.kind {
	case typeRegular, typeOld:
	case typeSparse:
		if !h.gnu {
			ps.Failf(at, "tar: %.60q is sparse, with a header that is not GNU's", h.name)
			return m, false
		}
		if !m.readMap(f, &h, ps) {
			return m, false
		}
	case 'x', 'g':
		ps.Failf(at, "tar: a pax header: Google Cloud and vSphere refuse such archives, and this check does not read them (GNU tar: --format=oldgnu)")
		return m, false
	default:
		ps.Failf(at, "tar: %.60q is of the type %q: no file", h.name, h.kind)
		return m, false
	}
	if m.Stored > f.Size-m.Off {
		ps.Failf(at, "tar: %.60q is in bytes %d to %d, but the archive ends at %d: a short copy", h.name, m.Off, m.Off+m.Stored, f.Size)
		return m, false
	}
	return m, true
}

// padding checks what is between the end of a member's data and the next block, which
// it gives.
func padding(f decoder.File, end int64, ps *decoder.Problems) (next int64) {
	next = (end + block - 1) / block * block
	b, err := f.Bytes(end, next-end)
	switch {
	case err != nil:
		ps.Err(end, "tar: the padding of the last member", err)
	case !allZero(b):
		ps.Failf(end, "tar: bytes that are not 0 after a member's end")
	}
	return next
}

// end checks how the archive ends: two blocks of zeros, and zeros up to a record.
func end(f decoder.File, at int64, ps *decoder.Problems) {
	rest := f.Size - at
	switch {
	case rest < 2*block:
		ps.Failf(at, "tar: the archive ends with one block of zeros, and %d bytes: a short copy", rest-block)
		return
	case rest > 2*block && (f.Size%record != 0 || rest-2*block >= record):
		ps.Failf(at+2*block, "tar: %d bytes after the end of the archive", rest-2*block)
		return
	}
	b, err := f.Bytes(at, rest)
	if err != nil {
		ps.Err(at, "tar: end of the archive", err)
	} else if i := bytes.IndexFunc(b, func(r rune) bool { return r != 0 }); i >= 0 {
		ps.Failf(at+int64(i), "tar: bytes that are not 0 after the end of the archive")
	}
}

// Open checks an archive, adds what is wrong to ps, and opens the disk in it. d is the
// archive itself, which may be packed. The disk is nil where none is found; a problem
// then says why. The string sums the archive up for people. The error is that of a
// cancelled context.
func Open(ctx context.Context, d decoder.Disk, ps *decoder.Problems) (decoder.Disk, string, error) {
	f := decoder.File{R: d, Size: d.Size()}
	members, _, err := List(ctx, f, ps)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(members, func(m Member) bool { return m.Name == DiskName })
	if i < 0 {
		if len(members) == 0 {
			if ps.Count(decoder.Fail)+ps.Count(decoder.Unknown) == 0 {
				ps.Failf(0, "tar: the archive is empty")
			}
			return nil, "", nil
		}
		i = len(members) - 1
		ps.Failf(members[i].Header, "tar: no member is called %s, the only name that Google Cloud takes; the last one is %.60q", DiskName, members[i].Name)
	}
	for k, m := range members {
		if k != i && (k > i || m.Name != manifestName) {
			ps.Failf(m.Header, "tar: %.60q is there beside %s: importers refuse it", m.Name, DiskName)
		}
	}
	m := members[i]
	if !m.GNU {
		ps.Warnf(m.Header+257, "tar: the header is not GNU tar's: Google Cloud takes the formats GNU and OLDGNU (GNU tar: --format=oldgnu)")
	}
	kind := "plain"
	if m.Sparse() {
		kind = fmt.Sprintf("sparse, %d pieces", m.sparse.count)
	}
	return &disk{d, m}, fmt.Sprintf("tar, %s of %d bytes, %s", m.Name, m.Size, kind), nil
}

// allZero compares b with itself, moved by one byte.
func allZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
