package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"migimg/verify"
)

// verifyFile verifies one image: its structure, its content by what is in o, and, where v
// is not nil, its filesystems.
func verifyFile(c *cli.Context, path, format string, o verify.Options, p *progress, v *volumeChecks) (*verify.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is neither an image file nor a migimg mount", path)
	}
	if (marker{path}).incomplete() {
		return nil, fmt.Errorf("%s: a sync or an export of it has not been completed, so it is nothing yet: do that again", path)
	}
	im := verify.Image{Name: path, Format: format, R: f, Size: st.Size(), Path: path}
	var more []io.Closer
	defer func() {
		for _, f := range more {
			f.Close()
		}
	}()
	im.Beside = func(name string) (io.ReaderAt, int64, error) {
		f, size, err := openBeside(path, name)
		if err != nil {
			return nil, 0, err
		}
		more = append(more, f)
		return f, size, nil
	}
	told := int64(0)
	o.Progress = func(done, total int64) {
		if done-told >= 16<<20 || done == total { // words for each chunk cost more than a hole
			told = done
			p.say("migimg: verifying %s: %s of %s", path, human(done), human(total))
		}
	}
	r, err := verify.Check(c.Context, im, o)
	if err != nil {
		return nil, err
	}
	if err := nameDifferences(c.Context, r, im); err != nil || v == nil {
		return r, err
	}
	return r, v.add(c.Context, r, im)
}

// openBeside opens a regular file in the folder of an image, and none that a symbolic
// link leads to: the name is the image's word.
func openBeside(image, name string) (*os.File, int64, error) {
	dir, err := os.OpenRoot(filepath.Dir(image))
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = dir.Close() }() // nothing was written
	if st, err := dir.Lstat(name); err != nil {
		return nil, 0, err
	} else if !st.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", name)
	}
	f, err := dir.Open(name)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}
