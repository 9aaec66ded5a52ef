package encodertest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"migimg/encoders"
	"migimg/encoders/layout"
	"migimg/internal/golden"
)

// checkGolden compares a plan with its text in testdata/golden.
func checkGolden(t *testing.T, format string, c Case, out encoders.Output) {
	t.Helper()
	golden.Check(t, filepath.Join("testdata", "golden", format, c.Name+"."+out.Path+".txt"), dump(t, out))
}

// dump is a plan as text: the segments, and the SHA-256 of the metadata in each.
func dump(t *testing.T, out encoders.Output) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d bytes, %d allocated, virtual size %d\n", out.Path, out.Format, out.Layout.Size(), out.Layout.Allocated(), out.VirtualSize)
	for _, s := range out.Layout.Segments() {
		fmt.Fprintf(&b, "%d +%d %s %s", s.Offset, s.Length, s.Kind, s.Name)
		if s.Records > 0 {
			fmt.Fprintf(&b, " %d records of %d", s.Records, s.RecordLength)
		}
		h, n := sha256.New(), int64(0)
		for sp := range out.Layout.Spans(s.Offset, s.Length) {
			if sp.Kind == layout.Meta {
				p := make([]byte, sp.Len)
				if err := sp.Compute(p, nil); err != nil {
					t.Fatal(err)
				}
				_, _ = h.Write(p) // a hash never fails
				n += sp.Len
			}
		}
		if n > 0 {
			fmt.Fprintf(&b, " sha256 %x", h.Sum(nil))
		}
		_, _ = io.WriteString(&b, "\n")
	}
	return b.String()
}
