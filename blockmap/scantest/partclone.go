package scantest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"migimg/blockmap"
)

// Partclone is an oracle: what the domain log of one of the partclone programs,
// "partclone.vfat" for instance, says is free of the filesystem in the file img.
func Partclone(t testing.TB, program, img string) (free []blockmap.Range) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	shell(t, `"$P" -q -L "$LOG.txt" -D -s "$IMG" -o "$LOG"`, "P="+program, "LOG="+log, "IMG="+img)
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var r blockmap.Range
		var status string
		if n, _ := fmt.Sscanf(line, "0x%x 0x%x %s", &r.Off, &r.Len, &status); n == 3 && status == "?" {
			free = append(free, r)
		}
	}
	return free
}
