package facts

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"migimg/preflight/guestfs"
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

// On a mounted tree: a masked file is empty, and a FIFO is an error and no wait.
func TestModprobeFiles(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"/etc/modprobe.d", "/usr/lib/modprobe.d"} {
		if err := os.MkdirAll(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"x", "y"} {
		if err := os.WriteFile(dir+"/usr/lib/modprobe.d/"+f+".conf", []byte("blacklist "+f+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/null", dir+"/etc/modprobe.d/x.conf"); err != nil {
		t.Fatal(err)
	}
	tree, err := guestfs.Live(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := &gatherer{f: &Facts{}, fs: guestfs.Compose(tree)}
	defer func() { _ = g.fs.Close() }()
	if rules, err := g.modprobeFiles(); err != nil || len(rules) != 1 || rules[0].Module != "y" {
		t.Errorf("%+v, %v", rules, err)
	}
	if err := syscall.Mkfifo(dir+"/etc/modprobe.d/z.conf", 0o600); err != nil {
		t.Fatal(err)
	}
	g.modprobe()
	if _, absent := g.f.Absent(KeyModprobe); !absent {
		t.Error("a FIFO is taken for a file")
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
