package facts

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// UnitState is whether a systemd unit is started at boot, as far as the links
// on the disk say (systemd.unit(5)).
type UnitState string

// The states of a unit.
const (
	UnitEnabled  UnitState = "enabled"
	UnitDisabled UnitState = "disabled" // installed and not wanted by anything
	UnitMasked   UnitState = "masked"   // a link to /dev/null
	UnitAbsent   UnitState = "absent"
	UnitUnknown  UnitState = "unknown"
)

// unitDirs are searched in systemd's order of preference.
var unitDirs = []string{"etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// unit tells the state of a systemd unit. Units that a generator wants at run
// time are not seen: callers that know of one say so themselves.
func (g *gatherer) unit(name string) UnitState {
	found := false
	for _, d := range unitDirs {
		p := path.Join(d, name)
		if link, err := g.fs.ReadLink(p); err == nil && (link == "/dev/null" || strings.HasSuffix(link, "/dev/null")) {
			return UnitMasked
		}
		switch _, err := g.fs.Lstat(p); {
		case err == nil:
			found = true
		case !errors.Is(err, fs.ErrNotExist):
			return UnitUnknown
		}
	}
	for _, d := range unitDirs {
		entries, err := g.fs.ReadDir(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return UnitUnknown
		}
		for _, e := range entries {
			n := e.Name()
			if !strings.HasSuffix(n, ".wants") && !strings.HasSuffix(n, ".requires") {
				continue
			}
			if _, err := g.fs.Lstat(path.Join(d, n, name)); err == nil && found {
				return UnitEnabled
			}
		}
	}
	if !found {
		return UnitAbsent
	}
	return UnitDisabled
}

// initScript tells whether a System V or OpenRC service is started at boot.
func (g *gatherer) initScript(name string) bool {
	for _, d := range []string{"etc/rc2.d", "etc/rc3.d", "etc/rc5.d", "etc/rcS.d", "etc/rc.d/rc3.d", "etc/rc.d/rc5.d", "etc/init.d/rc3.d", "etc/init.d/rc5.d"} {
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			n := e.Name()
			return len(n) > 3 && n[0] == 'S' && strings.TrimLeft(n[1:], "0123456789") == name
		}) {
			return true
		}
	}
	for _, d := range []string{"etc/runlevels/default", "etc/runlevels/boot"} {
		if _, err := g.fs.Lstat(path.Join(d, name)); err == nil {
			return true
		}
	}
	return false
}
