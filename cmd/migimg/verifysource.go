package main

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"migimg/blockmap"
	"migimg/blockmap/device"
	"migimg/blockmap/ptable"
	"migimg/verify"
)

// openSource opens what an image is compared with: the device of a mount, by
// that mount's map in the document blocks, in the disk's folder, or a device that is
// mapped now.
func openSource(c *cli.Context, path, blocks string, p *progress) (*verify.Source, func(), error) {
	abs, mounted := isMountpoint(path)
	if !mounted {
		o, err := sourceOptionsFrom(c)
		if err != nil {
			return nil, nil, err
		}
		o.progress = p
		s, err := open(c.Context, devicesOf(path), o)
		if err != nil {
			return nil, nil, err
		}
		d := s.disks[0] // the others are there for what lies on several
		src := &verify.Source{R: d.edit.View(endless{d.dev, d.dev.Size()}), Size: d.blocks.Size(), Where: where(d.volumes), Carried: func(yield func(verify.Range) bool) {
			for r := range d.blocks.Ranges(0, d.blocks.Size()) {
				if !yield(verify.Range(r)) {
					return
				}
			}
		}}
		if s.consistency.Level == levelLive {
			src.Moving = &verify.Moving{Written: always, Words: func() string { return s.consistency.Detail }}
		}
		return src, s.Close, nil
	}
	abs, blocks = filepath.Join(abs, filepath.Dir(filepath.Dir(blocks))), filepath.Join(".migimg", filepath.Base(blocks))
	var doc mapDocument
	if err := readJSON(abs, blocks, &doc); err != nil {
		return nil, nil, err
	}
	st, err := readStatus(abs)
	if err != nil {
		return nil, nil, err
	}
	dev, err := device.Open(doc.Source.Device)
	if err != nil {
		return nil, nil, err
	}
	if dev.Size() != doc.Source.Size {
		dev.Close()
		return nil, nil, fmt.Errorf("%s had %d bytes when it was mounted and has %d now: mount it again", doc.Source.Device, doc.Source.Size, dev.Size())
	}
	edit := ptable.Edit{Patches: doc.Patches}
	src := &verify.Source{R: edit.View(endless{dev, dev.Size()}), Size: doc.Map.DiskSize, Carried: pairs(doc.Ranges), Where: where(doc.Volumes)}
	if l := st.Consistency.Level; l != levelOffline && l != levelFrozen {
		m := &movingMount{point: abs}
		src.Moving = &verify.Moving{Written: m.written, Words: m.words}
	}
	return src, dev.Close, nil
}

// devicesOf are the devices of --source: a path, or several with commas between them.
func devicesOf(path string) []string {
	if _, err := os.Stat(path); err == nil {
		return []string{path}
	}
	return strings.Split(path, ",")
}

// movingMount knows what was written to the device of a mount since its T0, as that
// tells. It is asked by several at once.
type movingMount struct {
	point string

	mu    sync.Mutex
	known spans
}

// written asks the mount again where it had not heard of a write.
func (m *movingMount) written(r verify.Range) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := spans{blockmap.Range(r)}
	if len(asked.within(m.known)) > 0 {
		return true, nil
	}
	var now written
	if err := readJSON(m.point, writtenPath, &now); err != nil {
		return false, err
	}
	if now.Unknown != "" {
		return true, nil // perhaps
	}
	m.known = spansFrom(now.Ranges)
	return len(asked.within(m.known)) > 0, nil
}

func (m *movingMount) words() string {
	st, err := readStatus(m.point)
	if err != nil {
		return err.Error()
	}
	return st.Drift
}

// always is all that is known of a device in use that nobody tracks.
func always(verify.Range) (bool, error) { return true, nil }

// endless has zeros beyond the device's end: the images' disk may be larger.
type endless struct {
	io.ReaderAt
	size int64
}

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	n := max(0, min(int64(len(p)), e.size-off))
	clear(p[n:])
	if m, err := e.ReaderAt.ReadAt(p[:n], off); int64(m) < n {
		return m, err
	}
	return len(p), nil
}

func pairs(list [][2]int64) iter.Seq[verify.Range] {
	return func(yield func(verify.Range) bool) {
		for _, r := range list {
			if !yield(verify.Range{Off: r[0], Len: r[1]}) {
				return
			}
		}
	}
}

// where names what lies at an offset of the device.
func where(root *blockmap.VolumeInfo) func(off int64) string {
	return func(off int64) string {
		v := volumeAt(root, off)
		switch {
		case v.Name != "" && v.Type != "":
			return fmt.Sprintf("%s (%s)", volumeWord(v.Name), v.Type)
		case v.Name != "":
			return volumeWord(v.Name)
		case len(root.Children) > 0:
			return "outside any partition"
		}
		return or(root.Type, "the device")
	}
}
