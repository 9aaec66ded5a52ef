package scantest

import (
	"testing"

	"migimg/blockmap"
	"migimg/verify/tool"
)

// Partclone is an oracle: what one of the partclone programs, "partclone.vfat" for
// instance, says is free of the filesystem in the file img.
func Partclone(t testing.TB, program, img string) (free []blockmap.Range) {
	t.Helper()
	list, err := tool.Partclone(t.Context(), program, img)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		free = append(free, blockmap.Range{Off: e.Off, Len: e.Len})
	}
	return free
}
