// Package distros knows until when the releases of Linux distributions get
// updates: a data file with its source and date, embedded.
package distros

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed distros.json
var data []byte

// Table is what is known of all distributions.
type Table struct {
	// AsOf is the date of the data, as 2026-08-22.
	AsOf   string `json:"as_of"`
	Source Source `json:"source"`
	// Rolling are the ids of distributions without releases.
	Rolling []string `json:"rolling"`
	Distros []Distro `json:"distros"`
}

// Source is where the data was read.
type Source struct {
	Ref   string `json:"ref"`
	Title string `json:"title"`
	Date  string `json:"date"`
}

// Distro is a distribution.
type Distro struct {
	// ID is os-release's, but for CentOS Stream, which says "centos" there.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Parts is how many numbers of a version make a release: Debian 12.5 is of
	// release 12.
	Parts int `json:"parts"`
	// Ref is where the distribution itself announces its dates.
	Ref string `json:"ref"`
	// ExtendedForAll says that nobody has to ask for the extended updates.
	ExtendedForAll bool      `json:"extended_for_all,omitempty"`
	Releases       []Release `json:"releases"`
}

// Release is a release. Dates are as 2026-08-22, and empty where there is none.
type Release struct {
	Version string `json:"version"`
	// End is the last day of updates for all, Extended that of updates that are
	// paid for or made by others (LTS, ELS, LTSS, ESM).
	End      string `json:"end,omitempty"`
	Extended string `json:"extended,omitempty"`
}

// Load reads the embedded table.
func Load() (*Table, error) {
	t := &Table{}
	if err := json.Unmarshal(data, t); err != nil {
		return nil, fmt.Errorf("distros: %w", err)
	}
	return t, nil
}

// alias are ids of os-release that mean another's releases.
var alias = map[string]string{"sled": "sles", "sles_sap": "sles", "suse": "sles", "opensuse": "opensuse-leap", "redhat": "rhel"}

// Find returns a release by the id and version of os-release and the name for
// people, which tells CentOS from CentOS Stream. distro is nil where the
// distribution is not in the table, release where its version is not.
func (t *Table) Find(id, version, pretty string) (distro *Distro, release *Release) {
	if a, ok := alias[id]; ok {
		id = a
	}
	if id == "centos" && strings.Contains(strings.ToLower(pretty), "stream") {
		id = "centos-stream"
	}
	i := slices.IndexFunc(t.Distros, func(d Distro) bool { return d.ID == id })
	if i < 0 {
		return nil, nil
	}
	d := &t.Distros[i]
	parts := strings.Split(version, ".")
	want := strings.Join(parts[:min(len(parts), d.Parts)], ".")
	for k := range d.Releases {
		// SLES 15 without a service pack has the VERSION_ID 15.
		if v := d.Releases[k].Version; v == want || v == want+".0" {
			return d, &d.Releases[k]
		}
	}
	return d, nil
}

// IsRolling says whether a distribution has no releases that end.
func (t *Table) IsRolling(id string) bool { return slices.Contains(t.Rolling, id) }
