package boot

import (
	"bytes"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"strings"
)

// logSize bounds the console's log in bytes: a guest may print for ever.
const logSize = 8 << 20

// limited keeps the first bytes that are written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) {
	if room := logSize - l.Len(); room > 0 {
		l.Buffer.Write(b[:min(room, len(b))])
	}
}

// keep writes what the guest said and shows now into dir, and names the files in r.
func (s *session) keep(r *Result, dir string) error {
	if dir == "" {
		if r.Verdict == Pass {
			return nil
		}
		d, err := os.MkdirTemp("", "migimg-boot-")
		if err != nil {
			return err
		}
		dir = d
	}
	s.log.Write(s.guest.Console.Next())
	console := filepath.Join(dir, "console.log")
	if err := os.WriteFile(console, s.log.Bytes(), 0o600); err != nil {
		return err
	}
	r.Console = console
	ppm, text, err := s.screen()
	if err != nil {
		return err
	}
	m, err := pixmap(ppm)
	if err != nil {
		return err
	}
	picture := filepath.Join(dir, "screen.png")
	f, err := os.OpenFile(picture, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(png.Encode(f, m), f.Close()); err != nil {
		return err
	}
	r.Picture = picture
	if len(text) == 0 {
		return nil
	}
	r.Text = filepath.Join(dir, "screen.txt")
	return os.WriteFile(r.Text, []byte(strings.Join(text, "\n")+"\n"), 0o600)
}
