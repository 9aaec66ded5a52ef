package tool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// E2fsck checks an ext2/3/4 filesystem that begins offset bytes into a file or
// device, without writing: clean says whether nothing was found. output is the
// program's report.
func E2fsck(ctx context.Context, path string, offset int64) (clean bool, output string, err error) {
	p, err := find("e2fsck")
	if err != nil {
		return false, "", err
	}
	if offset != 0 {
		// e2fsck's unix_io takes the offset after the name.
		path = fmt.Sprintf("%s?offset=%d", path, offset)
	}
	out, err := run(ctx, time.Hour, nil, p, "-f", "-n", path)
	var exit *ExitError
	// The exit code is a sum; 4 is errors left uncorrected, which -n leaves all,
	// and 8 goes with it where the program gave up on the filesystem.
	if errors.As(err, &exit) && exit.Code > 0 && exit.Code&4 != 0 {
		return false, out, nil
	}
	return err == nil, out, err
}
