package blockmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Paths finds names of files of a volume that was frozen when it was scanned; see
// [FreezableScanner]. view is the device as it was then, as [NewView] shows it.
func Paths(ctx context.Context, scanners []Scanner, volume *VolumeInfo, view io.ReaderAt, files []FileID) (map[FileID]string, error) {
	f, err := volume.File(view, nil)
	if err != nil {
		return nil, err
	}
	v := Bytes(f, f.Size(), 0)
	for _, sc := range scanners {
		fs, ok := sc.(FreezableScanner)
		if !ok {
			continue
		}
		switch err := sc.Probe(v); {
		case err == nil:
			return pathsSafely(ctx, fs, v, files)
		case !errors.Is(err, ErrNotMine):
			return nil, err
		}
	}
	return nil, fmt.Errorf("volume %s: no scanner finds the names of files in %s", volume.Name, volume.Type)
}

// PlainName is a file's name for a path: as it is, or, where it is no text (names
// are any bytes; those of encrypted files are such) or has a slash, as only damage
// has, as Go quotes it, without the quotes.
func PlainName(name []byte) string {
	s := string(name)
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], "/", `\x2f`)
}

func pathsSafely(ctx context.Context, sc FreezableScanner, v Volume, files []FileID) (paths map[FileID]string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: the scanner crashed, please report it: %v", sc.Name(), p)
		}
	}()
	return sc.Paths(ctx, v, files)
}
