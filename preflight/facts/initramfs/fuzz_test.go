package initramfs

import (
	"bytes"
	"testing"

	"migimg/internal/need"
)

func FuzzInitramfs(f *testing.F) {
	need.Seeds(f, 8<<10, "cpio-3cpio/*.cpio", "u-root/cpio/*.cpio")
	f.Add(gz(newc(reg("lib/modules/1/a.ko", "x"), member{"lib", modeLink, "lib"})))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Read(t.Context(), bytes.NewReader(b), int64(len(b)), Limits{Decompressed: 8 << 20, Entries: 1000})
		if err != nil {
			t.Fatalf("an error without one of the reader: %v", err)
		}
		end := int64(0)
		for _, s := range a.Segments {
			if s.Offset < end || s.Size <= 0 || s.Offset+s.Size > int64(len(b)) {
				t.Fatalf("segment %+v of %d bytes", s, len(b))
			}
			end = s.Offset + s.Size
		}
		for _, file := range a.Files {
			a.Find(file.Path)
		}
	})
}
