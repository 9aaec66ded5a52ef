package encodertest

import (
	"context"
	"fmt"
	"io"

	"migimg/verify/decoder"
)

// Decoded is an Opener by one of verify's decoders, which share no code with the
// encoders. It must find nothing wrong in the file at path, nor anything odd.
func Decoded(path string, open func(context.Context, decoder.File, *decoder.Problems) (decoder.Disk, string, error)) Opener {
	return func(files map[string]*io.SectionReader) (*io.SectionReader, error) {
		f, ok := files[path]
		if !ok {
			return nil, fmt.Errorf("there is no %s", path)
		}
		var ps decoder.Problems
		d, _, err := open(context.Background(), decoder.File{R: f, Size: f.Size()}, &ps)
		if err != nil {
			return nil, err
		}
		if list := ps.List(); len(list) > 0 {
			return nil, fmt.Errorf("%s: %s at byte %d", path, list[0].What, list[0].FileOffset)
		}
		return io.NewSectionReader(d, 0, d.Size()), nil
	}
}
