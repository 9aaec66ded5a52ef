package targets

// Source is a document.
type Source struct {
	// Ref is an address or a repository path with a commit; Date that of its
	// text, Title what it is.
	Ref   string `json:"ref"`
	Title string `json:"title"`
	Date  string `json:"date"`
}

// Fact is what every figure has: its source's index, from 0, and how sure it is.
type Fact struct {
	Source int    `json:"source"`
	Sure   string `json:"confidence"`
	Note   string `json:"note,omitempty"`
}

// How sure a figure is. Doubtful figures warn and never block: see
// [Target.Certain].
const (
	Confirmed = "confirmed" // read in the source
	Old       = "old"       // read in a source of more than three years
	Doubtful  = "doubtful"  // second hand, or sources contradict each other
)

// Figure is a number of bytes, or a count.
type Figure struct {
	Value int64 `json:"value"`
	// CertainTo is up to where a limit holds whatever the document's unit is
	// (400 GB may be 400·10⁹ bytes or 400 GiB); what lies between it and Value
	// is a warning. 0 is Value.
	CertainTo int64 `json:"certain_to,omitempty"`
	// Otherwise is the severity for a disk outside; "" is the check's own.
	Otherwise string `json:"otherwise,omitempty"`
	Advice    string `json:"advice,omitempty"`
	// Error is what the importer answers, where it has a word for this limit.
	Error string `json:"error_code,omitempty"`
	Fact
}

// Names is a list of words.
type Names struct {
	Values []string `json:"values"`
	Fact
}

// OnRequest is the Seed of targets whose machines have a data source only if
// their owner attaches one.
const OnRequest = "on-request"

// Word is one word, such as a version.
type Word struct {
	Value string `json:"value"`
	Fact
}

// Text is a sentence.
type Text struct {
	Text string `json:"text"`
	Fact
}

// Groups are alternatives, each a set of kernel modules that belong together,
// the likeliest first.
type Groups struct {
	AnyOf [][]string `json:"any_of"`
	Fact
}

// Extra are modules of which one should be there, and why.
type Extra struct {
	Any []string `json:"any"`
	Why string   `json:"why"`
	// Early: it has to be there before the root is mounted.
	Early bool `json:"early,omitempty"`
	// Severity is that of its absence; "" is the check's own.
	Severity string `json:"severity,omitempty"`
	Fact
}

// Rule names what is taken, and what follows for anything else.
type Rule struct {
	Values []string `json:"values"`
	// Otherwise is the severity for a kind that is not in Values.
	Otherwise string `json:"otherwise"`
	// Advice is what to do then, Error what the importer answers.
	Advice string `json:"advice,omitempty"`
	Error  string `json:"error_code,omitempty"`
	Fact
}

// Step is what changes for disks above a size.
type Step struct {
	// Above is in bytes; Formats are what is taken from there on, none where it
	// is the same.
	Above   int64    `json:"above_bytes"`
	Formats []string `json:"formats,omitempty"`
	Why     string   `json:"why"`
	Advice  string   `json:"advice,omitempty"`
	Fact
}

// Refusal is something on the disk that the target refuses or discourages.
type Refusal struct {
	// Types are types of filesystems ("ext4", "btrfs"), or, among volumes, the
	// words of [VolumeKinds].
	Types []string `json:"types"`
	// Feature is one of which the filesystem must not have; "" is any. The word
	// "subvolumes" is btrfs with more than its top subvolume in use.
	Feature  string `json:"feature,omitempty"`
	Severity string `json:"severity"`
	Why      string `json:"why"`
	Advice   string `json:"advice,omitempty"`
	Error    string `json:"error_code,omitempty"`
	Fact
}

// Override is a severity for one check, with its reason.
type Override struct {
	Severity string `json:"severity"`
	Why      string `json:"why"`
	Fact
}

// Command is a step of the way into the target, as a template: words in capitals
// are the reader's own.
type Command struct {
	// Step is "upload", "import" or "try" (checks without importing).
	Step string `json:"step"`
	Text string `json:"text"`
	Fact
}

// VolumeKinds are the words for what lies on a disk besides filesystems, and the
// scan's types that each stands for.
var VolumeKinds = map[string][]string{
	"lvm":  {"LVM2_member"},
	"md":   {"linux_raid_member", "ddf_raid_member", "isw_raid_member"},
	"luks": {"crypto_LUKS", "BitLocker"},
	"swap": {"swap", "swsuspend"},
}
