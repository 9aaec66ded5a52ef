package ntfs

import "encoding/binary"

// $LogFile begins with two restart pages, written in turn; the one with the
// higher number of a log entry is the current one (ntfs-3g, include/ntfs-3g/
// logfile.h, RESTART_PAGE_HEADER and RESTART_AREA):
//
//	0    "RSTR", or "CHKD" where chkdsk has been there
//	4    place of the update sequence, 6 its words, 16 bits each
//	8    last log entry that chkdsk found, 64 bits
//	16   bytes of a system page, 32 bits; 20 bytes of a log page, 32 bits
//	24   place of the restart area, 16 bits
//	26   minor version, 28 major version, 16 bits each
//
// and from there on
//
//	0    current log entry, 64 bits
//	8    clients, 10 first free client, 12 first client in use, 16 bits each
//	14   flags, 16 bits: 2 where the volume was unmounted cleanly
//	20   bytes of the area, 16 bits; 22 place of the clients in it, 16 bits
//	24   bytes of the log, 64 bits
const (
	restartHead    = 32
	restartArea    = 48
	restartClean   = 2
	noClient       = 0xffff
	logPage        = 4096
	logMinPages    = 2 + 48 // ntfs-3g, MinLogRecordPages
	maxLog         = 1 << 32
	maxSystemPage  = 64 << 10
	logClientBytes = 160
)

const unclean = "shut Windows down completely (shutdown /s /f /t 0, with Fast Startup off), or run chkdsk /f"

// restart is a restart page.
type restart struct {
	entry        uint64 // number of the current log entry
	major, minor uint16
	open         bool // not closed cleanly
}

// logState says why $LogFile may hold changes that are not on the volume yet.
// It decides as ntfs-3g does before it mounts (libntfs-3g/logfile.c,
// ntfs_check_logfile and ntfs_is_logfile_clean; volume.c,
// ntfs_volume_check_logfile).
func (f *fsys) logState() (string, error) {
	s, err := f.open(fileLog, typeData, "")
	if err != nil {
		return "", err
	}
	if s == nil || s.runs == nil || !s.plain() || s.size < logMinPages*logPage {
		return "", damaged("$LogFile is too short, or stored in an impossible way")
	}
	size := min(s.size, maxLog) &^ (logPage - 1)
	var found []restart
	empty := true
	b := make([]byte, stride)
	// A page may begin at 0, and then where a page of any size ends.
	for pos := int64(0); pos < size; pos = max(stride, pos*2) {
		if err := f.readStream(s, b, pos, "$LogFile"); err != nil {
			return "", err
		}
		magic := string(b[:4])
		if magic != "\xff\xff\xff\xff" {
			empty = false
		} else if !empty {
			break
		}
		if magic == "RCRD" {
			break
		}
		if magic != "RSTR" && magic != "CHKD" {
			continue
		}
		r, ok, err := f.restartPage(s, b, pos)
		if err != nil {
			return "", err
		}
		if ok {
			found = append(found, r)
			if pos > 0 {
				break
			}
		}
	}
	if empty {
		return "", nil // what empties it does so after the last change is in place
	}
	if len(found) == 0 {
		return "$LogFile has no valid restart page: run chkdsk /f", nil
	}
	now := found[0]
	for _, r := range found[1:] {
		if r.entry > now.entry {
			now = r
		}
	}
	switch {
	case now.major == 2:
		// Since Windows 8, while metadata is kept in memory over a restart.
		return "Windows keeps metadata of this volume in its hibernation image, or was cut off: " + unclean, nil
	case now.open:
		return "$LogFile holds changes that are not on the volume yet, for it was not unmounted cleanly: " + unclean, nil
	}
	return "", nil
}

// restartPage reads the restart page at pos of the log, which begins with head.
// It says no where that is none, or was torn.
func (f *fsys) restartPage(s *stream, head []byte, pos int64) (r restart, ok bool, err error) {
	le := binary.LittleEndian
	page := int64(le.Uint32(head[16:]))
	if page < stride || page > maxSystemPage || page&(page-1) != 0 || pos != 0 && pos != page || page > s.size-pos {
		return r, false, nil
	}
	b := make([]byte, page)
	if err := f.readStream(s, b, pos, "$LogFile"); err != nil {
		return r, false, err
	}
	byChkdsk := string(b[:4]) == "CHKD"
	if !byChkdsk || le.Uint16(b[6:]) != 0 { // chkdsk leaves it out
		if fixup(b) != nil {
			return r, false, nil
		}
	}
	r.minor, r.major = le.Uint16(b[26:]), le.Uint16(b[28:])
	if (r.major != 1 || r.minor != 1) && (r.major != 2 || r.minor != 0) {
		return r, false, nil
	}
	at := int64(le.Uint16(b[24:]))
	if at%8 != 0 || at < restartHead || at+restartArea > page {
		return r, false, nil
	}
	a := b[at:]
	n, clients, area := int64(le.Uint16(a[8:])), int64(le.Uint16(a[22:])), int64(le.Uint16(a[20:]))
	free, used := int64(le.Uint16(a[10:])), int64(le.Uint16(a[12:]))
	switch {
	case clients%8 != 0 || clients < restartArea || clients+n*logClientBytes > area || area > int64(len(a)):
		return r, false, nil
	case free != noClient && free >= n || used != noClient && used >= n:
		return r, false, nil
	}
	r.entry = le.Uint64(a)
	if byChkdsk {
		r.entry = le.Uint64(b[8:])
	}
	r.open = used != noClient && le.Uint16(a[14:])&restartClean == 0
	return r, true, nil
}
