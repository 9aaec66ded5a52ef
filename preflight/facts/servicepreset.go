package facts

import (
	"maps"
	"path"
	"slices"
	"strings"

	"migimg/preflight/guestfs"
)

// preset is a line of a preset file (systemd.preset(5)).
type preset struct {
	enable  bool
	pattern string
}

// maxPresets bounds the lines of all preset files.
const maxPresets = 20_000

// gatherPresets reads the preset files: sorted by name over all folders, one of
// /etc hides its namesakes, and the first line that fits a unit decides.
func (g *gatherer) gatherPresets(s *Services) {
	files := map[string]string{}
	for _, d := range []string{"etc/systemd/system-preset", "usr/local/lib/systemd/system-preset", "usr/lib/systemd/system-preset", "lib/systemd/system-preset"} {
		entries, err := g.fs.ReadDir(d)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if n := e.Name(); strings.HasSuffix(n, ".preset") && files[n] == "" && len(files) < maxUnits {
				files[n] = path.Join(d, n)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(files)) {
		b, err := guestfs.ReadFile(g.fs, files[n], maxUnitSize)
		if err != nil {
			continue // a link to /dev/null hides a file
		}
		for line := range strings.Lines(string(b)) {
			w := strings.Fields(line)
			if len(w) >= 2 && (w[0] == "enable" || w[0] == "disable") && len(s.presets) < maxPresets {
				s.presets = append(s.presets, preset{w[0] == "enable", w[1]})
			}
		}
	}
}

// preset says whether the presets enable a unit. Without a line for it systemd
// does, unless the distribution built it otherwise.
func (s *Services) preset(name string) Answer {
	names := []string{name}
	if tmpl, _, ok := template(name); ok {
		names = append(names, tmpl)
	}
	for _, p := range s.presets {
		if slices.ContainsFunc(names, func(n string) bool { ok, err := path.Match(p.pattern, n); return err == nil && ok }) {
			if p.enable {
				return AnswerYes
			}
			return AnswerNo
		}
	}
	return AnswerUnknown
}
