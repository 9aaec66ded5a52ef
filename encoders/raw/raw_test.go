package raw_test

import (
	"io"
	"testing"

	"migimg/encoders/encodertest"
	"migimg/encoders/raw"
)

func TestConformance(t *testing.T) { encodertest.Run(t, raw.Encoder{}) }

func TestReadBack(t *testing.T) {
	encodertest.ReadBack(t, raw.Encoder{}, func(files map[string]*io.SectionReader) (*io.SectionReader, error) {
		return files["disk.raw"], nil
	})
}
