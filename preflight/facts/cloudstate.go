package facts

import (
	"errors"
	"io/fs"
	"strings"

	"migimg/preflight/guestfs"
)

// CloudState is what cloud-init left from earlier boots, below /var/lib/cloud.
type CloudState struct {
	// Instance is the id of the last instance, "" where there was none; Datasource
	// the words that cloud-init noted of where its data came from.
	Instance, Datasource string
	// Done is how many modules are marked as having run for the instance.
	Done int
	// ManualClean: the last instance is kept on a new machine, too.
	ManualClean bool
}

func (g *gatherer) cloudState(c *CloudInit) {
	line := func(name string) string {
		b, err := guestfs.ReadFile(g.fs, name, guestfs.MaxConfig)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				c.Problems = append(c.Problems, err.Error())
			}
			return ""
		}
		s, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
		return s[:min(len(s), 200)]
	}
	s := &c.State
	s.Instance = line("var/lib/cloud/data/instance-id")
	// "DataSourceEc2: DataSourceEc2Local": a web address may hold a token.
	s.Datasource, _, _ = strings.Cut(line("var/lib/cloud/instance/datasource"), " [")
	s.ManualClean = c.Identify.ManualClean
	if entries, err := g.fs.ReadDir("var/lib/cloud/instance/sem"); err == nil {
		s.Done = len(entries)
	}
}
