package targets

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// FormatWords are the words for image formats in a target's file, with what they
// stand for.
var FormatWords = map[string]string{
	"raw": "the disk's bytes", "qcow2": "qcow2", "vhd": "dynamic VHD", "vhd-fixed": "fixed VHD", "vhdx": "VHDX",
	"vmdk": "streamOptimized VMDK", "vmdk-sparse": "monolithicSparse VMDK", "vmdk-flat": "flat VMDK with its descriptor (vmfs)",
	"vmdk-flat-hosted": "flat VMDK with its descriptor (monolithicFlat)", "vdi": "VDI",
	"ova": "OVA with a streamOptimized VMDK", "tar.gz": "disk.raw in a tar of the GNU kind, with gzip", "raw.gz": "the disk's bytes with gzip",
}

var (
	idWord     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	dateWord   = regexp.MustCompile(`^20\d\d(-\d\d(-\d\d)?)?$`)
	moduleWord = regexp.MustCompile(`^[a-z0-9_]+$`)
	kernelWord = regexp.MustCompile(`^\d+\.\d+(\.\d+)?$`)
	checkWord  = regexp.MustCompile(`^[a-z]+\.[a-z0-9-]+$`)

	severities    = []string{"blocker", "high", "medium", "low", "info"}
	confidences   = []string{Confirmed, Old, Doubtful}
	tables        = []string{"mbr", "gpt", "hybrid"}
	firmwares     = []string{"bios", "uefi", "both"}
	architectures = []string{"x86_64", "i386", "arm64"}
	steps         = []string{"upload", "try", "import"}
)

// problems collects what is wrong with a file, by field.
type problems []error

func (p *problems) add(place, format string, a ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", place, fmt.Sprintf(format, a...)))
}

// word asks for one of a list.
func (p *problems) word(place, w string, list []string) {
	if !slices.Contains(list, w) {
		p.add(place, "%q is not one of %s", w, strings.Join(list, ", "))
	}
}

// optional is word, for a field that may be empty.
func (p *problems) optional(place, w string, list []string) {
	if w != "" {
		p.word(place, w, list)
	}
}

// list asks for known words, each once; known nil takes any.
func (p *problems) list(place string, ws, known []string) {
	for i, w := range ws {
		if known != nil {
			p.word(place, w, known)
		}
		if w == "" || slices.Contains(ws[:i], w) {
			p.add(place, "%q is empty or there twice", w)
		}
	}
}

// validate says what is wrong with a target; each error begins with the field.
// That severity and error_codes name checks which exist is asked by preflight,
// which knows them.
func validate(t *Target) error {
	var p problems
	if !idWord.MatchString(t.ID) {
		p.add("id", "%q is not made of small letters, digits and hyphens", t.ID)
	}
	if t.Family != "" && (!idWord.MatchString(t.Family) || t.Family == t.ID) {
		p.add("family", "%q is not a name of several targets", t.Family)
	}
	if t.Title == "" {
		p.add("title", "is missing")
	}
	if !dateWord.MatchString(t.AsOf) {
		p.add("as_of", "%q is not a date as 2026-11-23", t.AsOf)
	}
	for i, s := range t.Sources {
		if s.Ref == "" || s.Title == "" || !dateWord.MatchString(s.Date) {
			p.add(fmt.Sprintf("sources[%d]", i), "needs ref, title and a date")
		}
	}
	if len(t.Formats.Values) == 0 {
		p.add("formats", "is missing")
	}
	eachFact(t, func(place string, f *Fact) {
		if f.Source < 0 || f.Source >= len(t.Sources) {
			p.add(place, "source %d is none of the %d, which count from 0", f.Source, len(t.Sources))
		}
		p.word(place+".confidence", f.Sure, confidences)
	})
	if t.ErrorSource < 0 || t.ErrorSource >= max(1, len(t.Sources)) {
		p.add("error_codes_source", "source %d is none of the %d, which count from 0", t.ErrorSource, len(t.Sources))
	}
	p.figures(t)
	p.words(t)
	p.rules(t)
	return errors.Join(p...)
}

func (p *problems) figures(t *Target) {
	for _, f := range []struct {
		place string
		*Figure
	}{{"min_virtual_bytes", t.MinVirtual}, {"max_virtual_bytes", t.MaxVirtual}, {"max_image_bytes", t.MaxImage}, {"max_compressed_bytes", t.MaxCompressed},
		{"virtual_multiple_bytes", t.Multiple}, {"sector_size", t.SectorSize}, {"nics", t.NICs}} {
		if f.Figure == nil {
			continue
		}
		if f.Value <= 0 || f.CertainTo < 0 || f.CertainTo > f.Value {
			p.add(f.place, "value %d and certain_to %d are no limit", f.Value, f.CertainTo)
		}
		p.optional(f.place+".otherwise", f.Otherwise, severities)
	}
	if t.MinVirtual != nil && t.MaxVirtual != nil && t.MinVirtual.Value > t.MaxVirtual.Value {
		p.add("min_virtual_bytes", "%d is above max_virtual_bytes %d", t.MinVirtual.Value, t.MaxVirtual.Value)
	}
	for i, s := range t.Larger {
		place := fmt.Sprintf("larger_disks[%d]", i)
		if s.Above <= 0 || s.Why == "" || i > 0 && s.Above <= t.Larger[i-1].Above {
			p.add(place, "needs above_bytes, larger than the one before, and why")
		}
		p.list(place+".formats", s.Formats, formatWords())
	}
	if t.MinKernel != nil && !kernelWord.MatchString(t.MinKernel.Value) {
		p.add("min_kernel.value", "%q is not a version as 3.10", t.MinKernel.Value)
	}
	if t.Seed != nil && t.Seed.Value != OnRequest {
		p.add("datasource_seed.value", "%q is not %q", t.Seed.Value, OnRequest)
	}
}

func (p *problems) words(t *Target) {
	p.list("formats.values", t.Formats.Values, formatWords())
	p.list("architectures.values", t.Architectures.Values, architectures)
	for place, n := range map[string]Names{"console": t.Console, "disk_names": t.DiskNames, "nic_names": t.NICNames, "datasources": t.Datasources} {
		p.list(place+".values", n.Values, nil)
	}
	p.list("agent_platforms", t.Agents, nil)
	modules := func(place string, ms []string) {
		if len(ms) == 0 {
			p.add(place, "is empty")
		}
		for _, m := range ms {
			if !moduleWord.MatchString(m) {
				p.add(place, "%q is not a kernel module's name, with _ for -", m)
			}
		}
		p.list(place, ms, nil)
	}
	for place, g := range map[string]Groups{"boot_disk_any_of": t.Disk, "nic_any_of": t.NIC} {
		for i, ms := range g.AnyOf {
			modules(fmt.Sprintf("%s[%d]", place, i), ms)
		}
	}
	for i, x := range t.Extra {
		place := fmt.Sprintf("extra_modules[%d]", i)
		modules(place+".any", x.Any)
		p.optional(place+".severity", x.Severity, severities)
		if x.Why == "" {
			p.add(place+".why", "is missing")
		}
	}
	for i, c := range t.Commands {
		p.word(fmt.Sprintf("commands[%d].step", i), c.Step, steps)
		if c.Text == "" || strings.Contains(c.Text, "\n") {
			p.add(fmt.Sprintf("commands[%d].text", i), "has to be one line")
		}
	}
	for i, r := range t.Restrictions {
		if r.Text == "" {
			p.add(fmt.Sprintf("restrictions[%d].text", i), "is missing")
		}
	}
}

func (p *problems) rules(t *Target) {
	rule := func(place string, r *Rule, known []string) {
		if len(r.Values) == 0 && r.Otherwise == "" {
			return // not said
		}
		if len(r.Values) == 0 {
			p.add(place+".values", "is missing")
		}
		p.list(place+".values", r.Values, known)
		p.word(place+".otherwise", r.Otherwise, severities)
	}
	rule("partition_tables", &t.Tables, tables)
	rule("firmware", &t.Firmware, firmwares)
	if t.Filesystems != nil {
		rule("root_filesystems", t.Filesystems, nil)
	}
	refusal := func(place string, r *Refusal, kinds bool) {
		p.word(place+".severity", r.Severity, severities)
		if r.Why == "" {
			p.add(place+".why", "is missing")
		}
		if kinds {
			p.list(place+".types", r.Types, volumeKinds())
		}
	}
	if t.OnePartition != nil {
		refusal("one_partition", t.OnePartition, false)
	}
	if t.Physical != nil {
		refusal("physical_machine", t.Physical, false)
	}
	for i := range t.Refused {
		place := fmt.Sprintf("refused_filesystems[%d]", i)
		refusal(place, &t.Refused[i], false)
		if len(t.Refused[i].Types) == 0 {
			p.add(place+".types", "is missing")
		}
	}
	for i := range t.Volumes {
		refusal(fmt.Sprintf("refused_volumes[%d]", i), &t.Volumes[i], true)
	}
	for id, o := range t.Severity {
		p.word("severity."+id, o.Severity, severities)
		if o.Why == "" || !checkWord.MatchString(id) {
			p.add("severity."+id, "needs a check's id and why")
		}
	}
	for id, code := range t.Errors {
		if code == "" || !checkWord.MatchString(id) {
			p.add("error_codes."+id, "needs a check's id and the importer's word")
		}
	}
}

func formatWords() []string { return sortedKeys(FormatWords) }
func volumeKinds() []string { return sortedKeys(VolumeKinds) }

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
