package facts

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseModprobe(t *testing.T) {
	const file = `# comment
blacklist  virtio-blk
  install vfat /bin/true # not a comment here
alias scsi_hostadapter mpt-spi
options x a=b
install \
  udf   /bin/false
blacklist
`
	var got []string
	for _, r := range ParseModprobe("/f", RuleGuest, file) {
		b, sure := r.Blocks()
		got = append(got, fmt.Sprintf("%d %s %s %q %v %v", r.Line, r.Kind, r.Module, r.Value, b, sure))
	}
	want := []string{`2 blacklist virtio_blk "" true true`, `3 install vfat "/bin/true # not a comment here" true true`,
		`4 alias scsi_hostadapter "mpt_spi" false true`, `6 install udf "/bin/false" true true`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for value, want := range map[string]string{"/bin/true": "true true", "/usr/bin/false": "true true", "/sbin/modprobe --ignore-install x": "false false", "/sbin/x": "true false"} {
		b, sure := ModprobeRule{Kind: RuleInstall, Value: value}.Blocks()
		if got := fmt.Sprint(b, sure); got != want {
			t.Errorf("install x %s: %s, want %s", value, got, want)
		}
	}
}

func FuzzParseModprobe(f *testing.F) {
	f.Add("blacklist a\\\nb\ninstall x \\")
	f.Fuzz(func(t *testing.T, s string) {
		last := 0
		for _, r := range ParseModprobe("/f", RuleGuest, s) {
			if r.Line < last || r.Module == "" {
				t.Errorf("%+v after line %d", r, last)
			}
			last = r.Line
		}
	})
}
