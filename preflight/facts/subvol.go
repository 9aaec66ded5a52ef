package facts

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"migimg/blockmap/device/mounttable"
	"migimg/preflight/guestfs"
)

// Subvolume is a btrfs subvolume that a line of fstab mounts.
type Subvolume struct {
	// Line is the line's number, Name the subvolume's path from the top.
	Line int
	Name string
	// There is whether the subvolume exists; Why is the reason where it is not
	// known.
	There Answer
	Why   string
}

// subvolumes looks for the subvolumes of fstab: on the running system in what is
// mounted, else in the volume's own tree, opened once a volume.
func (g *gatherer) subvolumes(m *Mounts) {
	trees := map[int]guestfs.Tree{}
	defer func() {
		for _, t := range trees {
			if t != nil {
				_ = t.Close() // read only
			}
		}
	}()
	for _, l := range g.f.Fstab.Lines {
		name := ""
		for _, o := range l.Options {
			if v, ok := strings.CutPrefix(o, "subvol="); ok {
				name = strings.Trim(path.Clean("/"+v), "/")
			}
		}
		if name == "" || l.Resolved.Place != OnDisk || g.f.Disk.Volumes[l.Resolved.Volume].Type != "btrfs" || len(m.Subvolumes) == maxPlaced {
			continue
		}
		s := Subvolume{Line: l.Line, Name: name, There: AnswerUnknown}
		if g.f.Guest.Live && g.f.Guest.RootPath == "/" {
			s.mounted(g.src, l.Point)
		} else {
			s.look(g, l.Resolved.Volume, trees)
		}
		m.Subvolumes = append(m.Subvolumes, s)
	}
}

// mounted: what is mounted now exists.
func (s *Subvolume) mounted(src *Source, point string) {
	s.Why = "it is not mounted now"
	table, err := mounttable.Read(path.Join(src.proc(), "1/mountinfo"))
	if err != nil {
		s.Why = err.Error()
		return
	}
	for _, m := range table {
		if m.Point == point && m.FSType == "btrfs" && strings.Trim(m.Root, "/") == s.Name {
			s.There, s.Why = AnswerYes, ""
		}
	}
}

func (s *Subvolume) look(g *gatherer, volume int, trees map[int]guestfs.Tree) {
	t, opened := trees[volume]
	if !opened {
		var err error
		if t, err = g.offline(g.f.Disk.Volumes[volume]); err != nil {
			s.Why = err.Error()
			t = nil
		}
		trees[volume] = t
	}
	if t == nil {
		s.Why = or(s.Why, "the filesystem cannot be opened")
		return
	}
	switch _, err := t.Lstat(s.Name); {
	case err == nil:
		s.There = AnswerYes
	case errors.Is(err, fs.ErrNotExist) && isTop(t, g.f.Disk.Volumes[volume].Name, g):
		s.There = AnswerNo
	default:
		s.Why = "it is not in the default subvolume"
	}
}

// isTop says that what is mounted without a subvolume's name is the top of the
// filesystem: a name of another subvolume of fstab is there. Otherwise a default
// subvolume may hide them all.
func isTop(t guestfs.Tree, volume string, g *gatherer) bool {
	for _, l := range g.f.Fstab.Lines {
		for _, o := range l.Options {
			v, ok := strings.CutPrefix(o, "subvol=")
			if !ok || l.Resolved.Place != OnDisk || g.f.Disk.Volumes[l.Resolved.Volume].Name != volume {
				continue
			}
			if _, err := t.Lstat(strings.Trim(path.Clean("/"+v), "/")); err == nil {
				return true
			}
		}
	}
	return false
}
