package boot

import (
	"fmt"
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"
)

// page is text memory with these rows from a row on, white on black.
func page(from int, lines ...string) []byte {
	b := make([]byte, textMemorySize)
	for i := 0; i < len(b); i += 2 {
		b[i], b[i+1] = ' ', 7
	}
	for i, line := range lines {
		for j, c := range []byte(line) {
			b[2*(columns*(from+i)+j)] = c
		}
	}
	return b
}

func TestRows(t *testing.T) {
	full := strings.Repeat("x", columns)
	for _, c := range []struct {
		name   string
		memory []byte
		want   []string
	}{
		{"a screen", page(0, "SeaBIOS", "", "GRUB loading."), []string{"SeaBIOS", "GRUB loading."}},
		{"scrolled down", page(100, "error: no such device.", "grub rescue>"), []string{"error: no such device.", "grub rescue>"}},
		{"a row that goes on", page(3, full, "end", "next"), []string{full + "end", "next"}},
		{"frames", page(0, "\xda\xc4\xbf", "\xb3 a \xb3"), []string{"  a"}},
		{"empty", page(0), []string{}},
		{"zeros", make([]byte, textMemorySize), []string{}},
		{"cut", page(0, "a")[:100], []string{}},
	} {
		got := rows(c.memory)
		if got == nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, must be %q", c.name, got, c.want)
		}
	}
}

func TestPixmap(t *testing.T) {
	m, err := pixmap([]byte("P6\n2 1\n255\n\x01\x02\x03\n\x05\x06"))
	if err != nil || m.Bounds() != image.Rect(0, 0, 2, 1) || m.RGBAAt(0, 0) != (color.RGBA{1, 2, 3, 255}) || m.RGBAAt(1, 0) != (color.RGBA{'\n', 5, 6, 255}) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, bad := range []string{"", "P5\n1 1\n255\n\x00", "P6\n2 1\n255\n\x00", "P6\n0 1\n255\n", "P6\n-1 -1\n255\n\x00\x00\x00",
		"P6\n1 1\n65535\n\x00\x00\x00", "P6\n100000 100000\n255\n", "P6\n9223372036854775807 2\n255\n"} {
		if _, err := pixmap([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if !textMode(image.Rect(0, 0, 720, 400)) || textMode(image.Rect(0, 0, 1280, 800)) {
		t.Error("text mode")
	}
}

func FuzzScreen(f *testing.F) {
	f.Add([]byte("P6\n2 1\n255\n\x01\x02\x03\x04\x05\x06"))
	f.Add(page(3, "GRUB loading.")[:1000])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := pixmap(b); err == nil && 3*m.Bounds().Dx()*m.Bounds().Dy() > len(b) {
			t.Error(fmt.Sprint("more dots than bytes: ", m.Bounds()))
		}
		for _, line := range rows(b) {
			if len(line) > longest+columns {
				t.Errorf("%d bytes in a line", len(line))
			}
		}
	})
}
