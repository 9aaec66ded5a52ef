package boot

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"strings"
)

// Text memory of a VGA card in its colour text modes: 32 KiB, for each cell the
// character's code and its colours (IBM VGA; FreeVGA, "Text mode").
const (
	textMemory     = 0xb8000
	textMemorySize = 32 << 10
	columns        = 80
)

// rows reads the text memory: all of it, for Linux scrolls by moving the screen's
// start through it. A row that is full goes on in the next one. Empty rows are left
// out.
func rows(memory []byte) []string {
	lines := []string{}
	var line strings.Builder
	end := func() {
		if s := strings.TrimRight(line.String(), " "); s != "" {
			lines = append(lines, s)
		}
		line.Reset()
	}
	for len(memory) >= 2*columns {
		for i := range columns {
			c := memory[2*i]
			if c < ' ' || c > '~' { // the rest of code page 437 is frames
				c = ' '
			}
			line.WriteByte(c)
		}
		if memory[2*(columns-1)] <= ' ' || line.Len() >= longest {
			end()
		}
		memory = memory[2*columns:]
	}
	end()
	return lines // not nil: an empty screen was read, too
}

// textMode says that a picture of this size is a screen in text mode, 80 columns of 9
// and 25 rows of 16 dots.
func textMode(p image.Rectangle) bool { return p.Dx() == 9*columns && p.Dy() == 25*16 }

// maxPixels bounds a picture.
const maxPixels = 16 << 20

// pixmap reads a portable pixmap as QEMU writes it (netpbm, ppm(5), P6 with a
// largest value of 255).
func pixmap(b []byte) (*image.RGBA, error) {
	var w, h, most int
	r := bytes.NewReader(b)
	if _, err := fmt.Fscanf(r, "P6\n%d %d\n%d\n", &w, &h, &most); err != nil {
		return nil, fmt.Errorf("screen: no portable pixmap: %w", err)
	}
	if w <= 0 || h <= 0 || w > maxPixels || h > maxPixels/w || most != 255 {
		return nil, fmt.Errorf("screen: a pixmap of %d times %d, largest value %d", w, h, most)
	}
	dots := b[len(b)-r.Len():]
	if len(dots) < 3*w*h {
		return nil, fmt.Errorf("screen: the pixmap has %d of %d bytes", len(dots), 3*w*h)
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		m.SetRGBA(i%w, i/w, color.RGBA{dots[3*i], dots[3*i+1], dots[3*i+2], 0xff})
	}
	return m, nil
}
