package texts

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"migimg/preflight/checks"
)

// core are the checks that decide whether a machine boots and can be reached:
// what they say is there in every language.
var core = []string{"disk.partition-table", "boot.firmware", "boot.root-spec", "driver.boot-disk", "driver.network", "mount.fstab-resolves",
	"disk.required-mounts", "net.addressing", "cloudinit.datasource", "access.login-path", "agent.conflicts", "disk.size-limit"}

// sentences are the templates that each check can say, by check id, read from
// the source: the calls of pass, fail and so on in its value and in whatever
// functions of the package it reaches.
func sentences(t *testing.T) map[string][]string {
	t.Helper()
	funcs := map[string]ast.Node{}
	vars := map[string]ast.Node{}
	set := token.NewFileSet()
	entries, err := os.ReadDir("../checks")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, "../checks/"+e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Body != nil {
					funcs[d.Name.Name] = d.Body
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == 1 {
						vars[v.Names[0].Name] = v.Values[0]
					}
				}
			}
		}
	}
	out := map[string][]string{}
	for _, v := range vars {
		lit, ok := v.(*ast.CompositeLit)
		if !ok {
			continue
		}
		id := ""
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == "ID" {
				id = text(kv.Value)
			}
		}
		if c := checks.Find(id); c != nil {
			out[id] = append([]string{c.Title, c.Impact}, said(v, funcs, map[string]bool{})...)
		}
	}
	return out
}

func text(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	if b, ok := e.(*ast.BinaryExpr); ok && b.Op == token.ADD {
		return text(b.X) + text(b.Y)
	}
	return ""
}

// said are the templates in a piece of source and in the functions it calls.
func said(n ast.Node, funcs map[string]ast.Node, seen map[string]bool) (out []string) {
	at := map[string]int{"pass": 0, "skip": 0, "unknown": 0, "fail": 1, "warn": 1, "result": 2, "hint": 0, "more": 0, "saying": 0}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if i, ok := at[name]; ok && len(n.Args) > i {
				if s := text(n.Args[i]); letters(s) {
					out = append(out, s)
				}
			}
		case *ast.Ident:
			if body, ok := funcs[n.Name]; ok && !seen[n.Name] {
				seen[n.Name] = true
				out = append(out, said(body, funcs, seen)...)
			}
		}
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// letters says whether a template has anything to translate besides its verbs.
func letters(s string) bool {
	for _, v := range checks.Verbs(s) {
		s = strings.Replace(s, v, "", 1)
	}
	return strings.ContainsAny(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz")
}

// No core check lacks a sentence in any language.
func TestCoreChecks(t *testing.T) {
	all := sentences(t)
	for _, lang := range Languages() {
		x, err := For(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range core {
			if checks.Find(id) == nil {
				t.Logf("there is no check %s yet", id)
				continue
			}
			for _, s := range all[id] {
				if !x.Has(s) {
					t.Errorf("%s: %s says in English only: %q: write it into texts/%s/%s.yaml", lang, id, s, lang, strings.Split(id, ".")[0])
				}
			}
		}
		n, whole := 0, 0
		for id, list := range all {
			missing := slices.ContainsFunc(list, func(s string) bool { return !x.Has(s) })
			whole++
			if !missing {
				n++
			} else if slices.Contains(core, id) {
				t.Errorf("%s lacks %s", lang, id)
			}
		}
		t.Logf("%s: %d of %d checks whole", lang, n, whole)
	}
}

var placeholder = regexp.MustCompile(`\{(\d+)\}`)

// Translations take all values and no others, are in no two files differently,
// and are of sentences that somebody says.
func TestFiles(t *testing.T) {
	source := ""
	for _, dir := range []string{"../checks", "../facts", "../render", "../facts/bootcfg", "../facts/kmod"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			b, err := os.ReadFile(dir + "/" + p)
			source += string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"../render/page.html", "../render/images.html", "../render/fleet.html"} {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		source += string(b)
	}
	counts := map[string]int{}
	for _, lang := range Languages()[1:] {
		seen := map[string]string{}
		entries, err := files.ReadDir(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			m, err := load(lang + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range m {
				id, s := fmt.Sprint(item.Key), fmt.Sprint(item.Value)
				if was, twice := seen[id]; twice && was != s {
					t.Errorf("%s/%s: %q is translated twice", lang, e.Name(), id)
				}
				seen[id] = s
				counts[id]++
				want := map[string]bool{}
				for i := range checks.Verbs(id) {
					want[strconv.Itoa(i+1)] = true
				}
				got := map[string]bool{}
				for _, p := range placeholder.FindAllStringSubmatch(s, -1) {
					got[p[1]] = true
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s/%s: %q has the values %v, its translation %v", lang, e.Name(), id, want, got)
				}
				if q := strconv.Quote(id); !strings.Contains(source, q[1:len(q)-1]) && !strings.Contains(source, id) {
					t.Errorf("%s/%s: nobody says %q any more", lang, e.Name(), id)
				}
			}
		}
	}
	for id, n := range counts {
		if n != len(Languages())-1 {
			t.Errorf("%q is not in all languages", id)
		}
	}
}

func TestSay(t *testing.T) {
	x, err := For("ja")
	if err != nil {
		t.Fatal(err)
	}
	m := func(id string, args ...string) checks.Message { return checks.Message{ID: id, Args: args} }
	for _, c := range []struct {
		name     string
		messages []checks.Message
		english  string
		want     string
	}{
		{"a sentence", []checks.Message{m("root=%s is not on a disk", "/dev/nfs")}, "", "root=/dev/nfs はディスク上にありません"},
		{"two", []checks.Message{m("kernel %s has no %s", "6.1", "virtio_net"), m("; likewise %s", "x")}, "", "カーネル 6.1 に virtio_net がありません。x も同様です"},
		{"a reason in it", []checks.Message{m("root=%s: %s", "UUID=a", "no volume of /dev/sda has UUID=a")}, "", "root=UUID=a：/dev/sda に UUID=a を持つボリュームはありません"},
		{"a reason alone", nil, "data disk: no volume holds an operating system", "データディスク：オペレーティングシステムを含むボリュームがありません"},
		{"nobody translated it", []checks.Message{m("a %s of %d", "b", "7")}, "", "a b of 7"},
		{"nobody knows what it is made of", nil, "something new", "something new"},
		{"a value with a placeholder", []checks.Message{m("%s lists %s, the target offers %s", "{2}", "{3}", "{1}")}, "", "{2} には {3} が挙げられていますが、ターゲットが提供するのは {1} です"},
		{"too few values", []checks.Message{m("kernel %s has no %s", "6.1")}, "", "カーネル 6.1 に {2} がありません"},
		{"a name is no sentence", []checks.Message{m("root=%s is not on a disk", "none")}, "", "root=none はディスク上にありません"},
	} {
		if got := x.Say(c.messages, c.english); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	en, _ := For("")
	if got := en.Say([]checks.Message{m("x")}, "y"); got != "y" {
		t.Errorf("English: %q", got)
	}
	if _, err := For("xx"); err == nil || !strings.Contains(err.Error(), "ja") {
		t.Error(err)
	}
}

func TestLocale(t *testing.T) {
	for s, want := range map[string]string{"ja_JP.UTF-8": "ja", "ja_JP.utf8": "ja", "ja": "ja", "ja_JP.eucJP": "en", "zh_CN.UTF-8": "zh", "zh_TW.UTF-8@x": "zh", "zh_CN.GB18030": "en", "C": "en", "C.UTF-8": "en", "POSIX": "en", "de_DE.UTF-8": "en", "jaxx": "en"} {
		if got := fromLocale(s); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
	t.Setenv("LC_ALL", "")
	t.Setenv("LC_MESSAGES", "ja_JP.UTF-8")
	t.Setenv("LANG", "zh_CN.UTF-8")
	if got := FromEnvironment(); got != "ja" {
		t.Error(got)
	}
	t.Setenv("LC_ALL", "C")
	if got := FromEnvironment(); got != "en" {
		t.Error(got)
	}
}
