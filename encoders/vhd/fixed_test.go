package vhd_test

import (
	"io"
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/vhd"
	decoder "migimg/verify/vhd"
)

func TestFixed(t *testing.T) { encodertest.Run(t, vhd.Fixed{}) }
func TestFixedReadBack(t *testing.T) {
	open := encodertest.Decoded("disk.vhd", decoder.Open)
	encodertest.ReadBack(t, vhd.Fixed{}, func(files map[string]*io.SectionReader) (*io.SectionReader, error) {
		if f := files["disk.vhd"]; f.Size()%512 != 0 {
			t.Errorf("the file has %d bytes", f.Size())
		}
		return open(files)
	})
}
