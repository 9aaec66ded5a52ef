package preflight

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"migimg/preflight/checks"
	"migimg/preflight/facts"
)

// SchemaVersion is the document's: a minor change only adds fields, and readers
// ignore fields they do not know.
const SchemaVersion = "1.1"

// Verdict is what the checks come to.
type Verdict string

// The verdicts.
const (
	Ready    Verdict = "ready"
	Warnings Verdict = "ready-with-warnings"
	Blocked  Verdict = "blocked"
	Unknown  Verdict = "unknown"
)

// Report is preflight.json. Its order is fixed: two runs over an unchanged disk
// differ in the times alone.
type Report struct {
	// Schema is SchemaID.
	Schema        string        `json:"$schema"`
	SchemaVersion string        `json:"schema_version"`
	Tool          Tool          `json:"tool"`
	GeneratedAt   time.Time     `json:"generated_at"`
	DurationMS    int64         `json:"duration_ms"`
	Generation    int           `json:"generation"`
	Source        SourceInfo    `json:"source"`
	OS            *OSInfo       `json:"os,omitempty"`
	Summary       Summary       `json:"summary"`
	Targets       []TargetInfo  `json:"targets"`
	Checks        []CheckResult `json:"checks"`
	Coverage      Coverage      `json:"coverage"`
	// Waivers are what was waived, and the waivers that had no effect.
	Waivers []WaiverResult `json:"waivers,omitempty"`
	// Redaction is "standard", or "full" where names were replaced, too.
	Redaction string `json:"redaction"`

	names facts.Names // of the guest, for Anonymise
}

// Tool is what made the report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Catalog is the version of the list of checks.
	Catalog string `json:"catalog"`
}

// SourceInfo is the disk.
type SourceInfo struct {
	Device string `json:"device"`
	Image  bool   `json:"image"`
	// SizeBytes is the disk's size; CarriedBytes what the image carries of it.
	SizeBytes     int64 `json:"size_bytes"`
	CarriedBytes  int64 `json:"carried_bytes"`
	LogicalSector int64 `json:"logical_sector,omitempty"`
	// Live: the operating system's files were read from a mounted tree.
	Live        bool      `json:"live"`
	Backend     string    `json:"backend,omitempty"`
	Consistency string    `json:"consistency,omitempty"`
	Root        *RootInfo `json:"root,omitempty"`
	Scope       Scope     `json:"scope"`
	// Outputs are the image files.
	Outputs []OutputResult `json:"outputs,omitempty"`
	// Volumes are what lies on the disk, as the tree of volumes names it.
	Volumes []VolumeResult `json:"volumes"`
	// CarriedMap is how much of each equal part of the disk is carried: a row of
	// hex digits, "0" nothing and "f" all.
	CarriedMap string `json:"carried_map,omitempty"`
	// Disks are all of the machine's, where there are several: first the one that it
	// starts from, of which the fields above are, but for live, root and volumes.
	Disks []DiskInfo `json:"disks,omitempty"`
}

// Devices are the devices of all disks, apart by sep.
func (s *SourceInfo) Devices(sep string) string {
	if len(s.Disks) == 0 {
		return s.Device
	}
	var list []string
	for _, d := range s.Disks {
		list = append(list, d.Device)
	}
	return strings.Join(list, sep)
}

// DiskInfo is one of several disks.
type DiskInfo struct {
	// Name is that of its folder in a mount, with which its volumes' names begin.
	Name          string         `json:"name"`
	Device        string         `json:"device"`
	Image         bool           `json:"image"`
	SizeBytes     int64          `json:"size_bytes"`
	CarriedBytes  int64          `json:"carried_bytes"`
	LogicalSector int64          `json:"logical_sector,omitempty"`
	Outputs       []OutputResult `json:"outputs,omitempty"`
}

// RootInfo is the root filesystem.
type RootInfo struct {
	// Volume is its name in the tree of volumes: the partition's number.
	Volume string `json:"volume"`
	FSType string `json:"fstype,omitempty"`
	UUID   string `json:"uuid,omitempty"`
}

// Scope is which parts of the disk the image carries.
type Scope struct {
	Mode       string `json:"mode"`
	Partitions []int  `json:"partitions"`
}

// OutputResult is one image file, or why it is absent.
type OutputResult struct {
	Format      string `json:"format"`
	Path        string `json:"path,omitempty"`
	Size        int64  `json:"size,omitempty"`
	VirtualSize int64  `json:"virtual_size,omitempty"`
	Absent      string `json:"absent,omitempty"`
}

// OSInfo is the operating system.
type OSInfo struct {
	ID string `json:"id,omitempty"`
	// Hostname is what the guest's own files call it.
	Hostname  string       `json:"hostname,omitempty"`
	VersionID string       `json:"version_id,omitempty"`
	Pretty    string       `json:"pretty,omitempty"`
	Firmware  string       `json:"firmware,omitempty"`
	Loader    string       `json:"boot_loader,omitempty"`
	Kernels   []KernelInfo `json:"kernels,omitempty"`
}

// KernelInfo is a kernel of the boot menu. Version is known of the default one.
type KernelInfo struct {
	Version string   `json:"version,omitempty"`
	Path    string   `json:"path"`
	Default bool     `json:"default"`
	Initrds []string `json:"initramfs,omitempty"`
}

// Summary is the report in one line.
type Summary struct {
	// Verdict is the worst of the targets'.
	Verdict  Verdict               `json:"verdict"`
	Counts   map[checks.Status]int `json:"counts"`
	Headline string                `json:"headline"`
}

// TargetInfo is the verdict for one target; the lists hold check ids.
type TargetInfo struct {
	ID        string      `json:"id"`
	Title     string      `json:"title"`
	Verdict   Verdict     `json:"verdict"`
	Blockers  []string    `json:"blockers"`
	Warnings  []string    `json:"warnings"`
	Unknown   []string    `json:"unknown"`
	Waived    []string    `json:"waived,omitempty"`
	Predicted []Predicted `json:"predicted_errors"`
	AsOf      string      `json:"profile_as_of"`
	// From are the user's files that the target was read from or changed by.
	From []string `json:"profile_files,omitempty"`
	// Formats are what it takes, best first.
	Formats []string `json:"formats"`
}

// Predicted is an error that the target's importer would answer.
type Predicted struct {
	Code  string `json:"code"`
	Check string `json:"check"`
}

// CheckResult is one check. Status, Severity and Summary are those of the target
// it goes worst for; ByTarget has each one's.
type CheckResult struct {
	ID         string            `json:"id"`
	Code       string            `json:"code"`
	Title      string            `json:"title"`
	Category   string            `json:"category"`
	Status     checks.Status     `json:"status"`
	Severity   checks.Severity   `json:"severity"`
	SeverityBy map[string]string `json:"severity_by_target"`
	StatusBy   map[string]string `json:"status_by_target"`
	Summary    string            `json:"summary"`
	SummaryBy  map[string]string `json:"summary_by_target,omitempty"`
	// Message is what Summary is made of, for other languages; absent where it
	// is not made of templates. MessageBy is the same of SummaryBy.
	Message   []checks.Message            `json:"message,omitempty"`
	MessageBy map[string][]checks.Message `json:"message_by_target,omitempty"`
	Impact    string                      `json:"impact,omitempty"`
	Evidence  []checks.Evidence           `json:"evidence"`
	Remedies  []checks.Remediation        `json:"remediation"`
	MapsTo    map[string]string           `json:"maps_to,omitempty"`
	// Waived are the targets for which the owner lives with the finding.
	Waived map[string]Waiver `json:"waived,omitempty"`
}

// Coverage is what could not be read, and which checks did not apply.
type Coverage struct {
	Unreadable []string          `json:"unreadable"`
	Skipped    map[string]string `json:"skipped_reason"`
	Privileges string            `json:"privileges"`
}

// WriteJSON writes the report as preflight.json: indented, one newline at the
// end.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
