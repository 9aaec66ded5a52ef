package qcow2_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"migimg/blockmap"
	"migimg/encoders"
	"migimg/encoders/encodertest"
	"migimg/encoders/qcow2"

	reader "github.com/lima-vm/go-qcow2reader/image/qcow2"
)

func TestConformance(t *testing.T) { encodertest.Run(t, qcow2.Encoder{}) }

// open decodes with go-qcow2reader, which knows nothing of this project.
func open(files map[string]*io.SectionReader) (*io.SectionReader, error) {
	img, err := reader.Open(files["disk.qcow2"], nil)
	if err != nil {
		return nil, err
	}
	if err := img.Readable(); err != nil {
		return nil, err
	}
	if img.Version >= 3 && (img.IncompatibleFeatures != 0 || img.CompatibleFeatures != 0 || img.AutoclearFeatures != 0) {
		return nil, fmt.Errorf("feature bits are set: %+v", img.Header)
	}
	return io.NewSectionReader(img, 0, img.Size()), nil
}

func TestReadBack(t *testing.T) { encodertest.ReadBack(t, qcow2.Encoder{}, open) }

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		size    int64
		cluster int64
		limit   bool
		want    string
	}{
		{"not a power of two", 1 << 20, 65535, false, "power of two"},
		{"too small", 1 << 20, 2048, false, "power of two"},
		{"too large", 1 << 20, 4 << 20, false, "power of two"},
		{"negative", 1 << 20, -4096, false, "power of two"},
		{"L1 beyond 32 MiB", 8<<40 + 1, 4096, true, "L1 table"},
		// 8 TiB of file minus its metadata is what a refcount table of 8 MiB holds.
		{"refcount table beyond 8 MiB", 8 << 40, 4096, true, "refcount table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := blockmap.NewMap(c.size, 64<<10)
			if err != nil {
				t.Fatal(err)
			}
			_, err = qcow2.Encoder{}.Plan(encoders.Disk{Map: m}, encoders.Options{ClusterSize: c.cluster})
			if err == nil || errors.Is(err, encoders.ErrLimit) != c.limit || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
