package facts

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseShellFile(t *testing.T) {
	const file = `# If you change this file, run 'update-grub'
GRUB_DEFAULT=0
export GRUB_TIMEOUT='5'
GRUB_DISTRIBUTOR=` + "`lsb_release -i -s 2> /dev/null || echo Debian`" + `
GRUB_CMDLINE_LINUX="a \"b\" $HOME" # comment
if [ x = y ]; then
  A="two
lines"
fi
B+=" more"
C=$(cat "/x y")
D=a b
`
	s := ParseShellFile("/f", file)
	var got []string
	for _, x := range s.Settings {
		got = append(got, fmt.Sprintf("%d %s %q %v %v", x.Line, x.Key, x.Value, x.Dynamic, x.Append))
	}
	want := []string{`2 GRUB_DEFAULT "0" false false`, `3 GRUB_TIMEOUT "5" false false`,
		"4 GRUB_DISTRIBUTOR \"`lsb_release -i -s 2> /dev/null || echo Debian`\" true false",
		`5 GRUB_CMDLINE_LINUX "a \"b\" $HOME" true false`, `7 A "two\nlines" false false`, `10 B " more" false true`,
		`11 C "$(cat \"/x y\")" true false`, `12 D "a" false false`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(s.Problems) != 1 || s.Problems[0].Line != 12 || s.Open {
		t.Errorf("%+v open %v", s.Problems, s.Open)
	}
	if s := ParseShellFile("/f", "A=1\nB='x\nC=2"); len(s.Problems) != 1 || s.Problems[0].Line != 2 || !s.Open {
		t.Errorf("open quotes: %+v", s)
	}
}

func FuzzParseShellFile(f *testing.F) {
	f.Add("A=\"x\nB='y' z\nC=$(`\n")
	f.Fuzz(func(t *testing.T, s string) {
		x := ParseShellFile("/f", s)
		last := 0
		for _, y := range x.Settings {
			if y.Line < last || y.Line > strings.Count(s, "\n")+1 || len(y.Value) > len(s) {
				t.Errorf("%+v after line %d", y, last)
			}
			last = y.Line
		}
	})
}
