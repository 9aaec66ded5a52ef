//go:build integration

package bootcfg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"migimg/internal/need"
)

// emu runs a script in GRUB itself, as a program of the running system, and
// answers what it prints. GRUB wants a terminal, which script(1) makes.
func emu(t *testing.T, script string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for n, s := range files {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "grub.cfg"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qc", "grub-emu -d "+dir, "/dev/null")
	cmd.Env = append(os.Environ(), "TERM=dumb")
	cmd.Stdin = bytes.NewReader(nil)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("grub-emu: %v: %s", err, out)
	}
	return string(out)
}

// TestGRUBEmu compares the default entry with the one that GRUB boots.
func TestGRUBEmu(t *testing.T) {
	need.Tool(t, "grub-emu", "script")
	const menu = `
menuentry "one" --id first { echo "BOOT:one:"; exit; }
submenu "sub a" --id subid {
 menuentry "two" --id xid { echo "BOOT:two:"; exit; }
 menuentry "three > x" { echo "BOOT:three > x:"; exit; }
}
menuentry "5 four" { echo "BOOT:5 four:"; exit; }
menuentry "five" --id 1abc { echo "BOOT:five:"; exit; }
submenu "sub b" { set default=1
 menuentry "six" { echo "BOOT:six:"; exit; }
 menuentry "seven" { echo "BOOT:seven:"; exit; }
}
`
	booted := regexp.MustCompile(`BOOT:([^:]*):`)
	unknown := 0
	for _, spec := range []string{
		"", "0", "1", "2", "3", "4", "9", "first", "sub a", "sub a>two", "subid>xid", "1>1", "1>9", "5 four", "1abc",
		"sub a>three >> x", "nosuch", "2 ", " 2", "0x2", "02", "2>0", ">0", "-1", "4>0", "sub b>six", "five", "sub a>",
	} {
		t.Run(spec, func(t *testing.T) {
			script := fmt.Sprintf("set timeout=0\nset default=%q\n", spec) + menu
			m := booted.FindStringSubmatch(emu(t, script, nil))
			if m == nil {
				t.Fatal("GRUB booted nothing")
			}
			cfg := first(t, guest(map[string]string{"boot/grub/grub.cfg": script}), Env{Firmware: "bios"})
			e, ok := cfg.DefaultEntry()
			if !ok {
				// Other releases of GRUB answer otherwise.
				unknown++
				t.Logf("GRUB boots %q; %s", m[1], cfg.DefaultWhy)
				return
			}
			if e.Title != m[1] {
				t.Errorf("GRUB boots %q, not %q (%s)", m[1], e.Title, cfg.DefaultWhy)
			}
		})
	}
	if unknown > 3 {
		t.Errorf("%d answers are unknown", unknown)
	}
}

// TestGRUBEmuScript compares how words, variables and conditions are read: each
// line is the command line of an entry and, in GRUB, what echo prints.
func TestGRUBEmuScript(t *testing.T) {
	need.Tool(t, "grub-emu", "script")
	const setup = `
set v="x  y"
set empty=
set e=ee
export e
function f { set fr="$1-$2-$#"; }
f a "b c"
function g { return 1; }
if g; then set gr=yes; else set gr=no; fi
if [ -n "$v" -a ! -z "$e" ]; then set t1=yes; else set t1=no; fi
if [ "$v" = "x  y" -o a = b ]; then set t2=yes; else set t2=no; fi
if [ 10 -gt 9 ]; then set t3=yes; else set t3=no; fi
if [ b \> a ]; then set t4=yes; else set t4=no; fi
if [ x$empty = x ]; then set t5=yes; elif true; then set t5=elif; fi
if [ "(" a = b ")" -o c = c ]; then set t6=yes; else set t6=no; fi
if [ -f $prefix/there ]; then set t7=yes; else set t7=no; fi
if [ -s $prefix/there ]; then set t8=yes; else set t8=no; fi
if [ -e $prefix/nowhere ]; then set t9=yes; else set t9=no; fi
if [ -d $prefix ]; then set t10=yes; else set t10=no; fi
if ! false; then set t11=yes; else set t11=no; fi
set n=
for i in 1 2 $v "a b"; do set n="$n,$i"; done
w=$v
set s=p $v
until [ "$n" != "" ]; do set n=never; done
load_env -f $prefix/env
`
	words := []string{
		`plain`, `a$e`, `$v`, `"$v"`, `z$v"w"`, `$empty`, `"$empty"`, `$nope`, `'$v'`, `a\ b`, `"a\"b"`, `a\$e`, `"a\$e"`, `'a\b'`, `"a\b"`,
		`${e}x`, `$e'q'"r"`, `a#b`, `""`, `$fr`, `$gr`, `"$n"`, `$w`, `"$s"`, `a=b`, `"x y"z`, `\'`, `$saved`, `"$esc"`, `"$v$e"`,
		`$t1 $t2 $t3 $t4 $t5 $t6 $t7 $t8 $t9 $t10 $t11`,
	}
	files := map[string]string{"there": "", "env": env("saved=a b", `esc=c\\d`)}
	var script strings.Builder
	script.WriteString(setup)
	for i, w := range words {
		fmt.Fprintf(&script, "echo \"<<%d\" %s \">>\"\n", i, w)
	}
	script.WriteString("exit\n")
	out := emu(t, script.String(), files)
	for i, w := range words {
		t.Run(w, func(t *testing.T) {
			_, rest, ok := strings.Cut(out, fmt.Sprintf("<<%d ", i))
			want, _, ok2 := strings.Cut(rest, ">>")
			if !ok || !ok2 {
				t.Fatalf("GRUB printed %q", out)
			}
			g := guest(map[string]string{"boot/grub/there": "", "boot/grub/env": files["env"],
				"boot/grub/grub.cfg": setup + "menuentry T { setparams\nset q=1\n linux /k " + w + "\n}\n"})
			cfg := first(t, g, Env{Firmware: "bios"})
			if len(cfg.Entries) != 1 {
				t.Fatalf("%d: %+v", i, cfg)
			}
			// echo does not escape.
			got := unquote(cfg.Entries[0].Cmdline)
			if strings.TrimRight(want, " ") != strings.TrimRight(got, " ") {
				t.Errorf("GRUB reads %q as %q, not %q; %q", w, want, got, cfg.Problems)
			}
		})
	}
}

// unquote takes back what grubCmdline does to an argument.
func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] != '"':
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
