// Package texts says what a preflight report has to say in other languages.
//
// # How it works
//
// Every sentence is known by its English template: "no volume of %s has %s=%s".
// The files ja/*.yaml and zh/*.yaml map templates to their translations, in
// which {1} is what the first verb stands for. Checks know nothing of this
// package: a new check, or a sentence that was worded anew, is said in English
// until somebody translates it. Titles and impacts are sentences like any other.
//
// Values that are sentences themselves (why a fact is missing) are looked up in
// turn; those of them that have values in them are in facts.yaml.
package texts

import (
	"embed"
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"migimg/preflight/checks"
)

//go:embed ja zh
var files embed.FS

// Languages are the codes that For takes.
func Languages() []string { return []string{"en", "ja", "zh"} }

// Texts is one language.
type Texts struct {
	lang     string
	all      map[string]string
	patterns []pattern
}

// pattern recognises a sentence with values in it.
type pattern struct {
	find *regexp.Regexp
	id   string
}

// For returns the texts of a language, "" being English.
func For(lang string) (*Texts, error) {
	switch lang {
	case "", "en":
		return &Texts{lang: "en"}, nil
	case "ja", "zh":
	default:
		return nil, fmt.Errorf("--lang %s is not one of %s", lang, strings.Join(Languages(), ", "))
	}
	t := &Texts{lang: lang, all: map[string]string{}}
	entries, err := files.ReadDir(lang)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		m, err := load(path.Join(lang, e.Name()))
		if err != nil {
			return nil, err
		}
		for _, item := range m {
			id := fmt.Sprint(item.Key)
			t.all[id] = fmt.Sprint(item.Value)
			if e.Name() == "facts.yaml" && len(checks.Verbs(id)) > 0 {
				t.patterns = append(t.patterns, pattern{matcher(id), id})
			}
		}
	}
	return t, nil
}

func load(name string) (yaml.MapSlice, error) {
	b, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var m yaml.MapSlice
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("texts %s: %w", name, err)
	}
	return m, nil
}

// matcher matches what a template becomes.
func matcher(id string) *regexp.Regexp {
	s := regexp.QuoteMeta(id)
	for _, v := range checks.Verbs(id) {
		s = strings.Replace(s, regexp.QuoteMeta(v), "(.+?)", 1)
	}
	return regexp.MustCompile("(?s)^" + s + "$")
}

// Lang is the language's code, as HTML and XML want it.
func (t *Texts) Lang() string { return t.lang }

// Text is a sentence without values; English where there is no translation.
func (t *Texts) Text(english string) string {
	if s, ok := t.all[english]; ok {
		return s
	}
	return english
}

// Has says whether there is a translation.
func (t *Texts) Has(english string) bool {
	_, ok := t.all[english]
	return ok || t.lang == "en"
}

// Format is a sentence with values.
func (t *Texts) Format(english string, a ...any) string {
	m := checks.Message{ID: english}
	for i, v := range checks.Verbs(english) {
		m.Args = append(m.Args, fmt.Sprintf(v, a[i]))
	}
	return t.one(m, false)
}

// Say puts a summary together; english is what it is where the report has no
// messages for it.
func (t *Texts) Say(messages []checks.Message, english string) string {
	if t.lang == "en" {
		return english
	}
	if len(messages) == 0 {
		return t.value(english, 2)
	}
	var b strings.Builder
	for _, m := range messages {
		b.WriteString(t.one(m, true))
	}
	return b.String()
}

func (t *Texts) one(m checks.Message, values bool) string {
	args := m.Args
	if values {
		args = make([]string, len(m.Args))
		for i, a := range m.Args {
			args[i] = t.value(a, 2)
		}
	}
	s, ok := t.all[m.ID]
	if !ok {
		return checks.Message{ID: m.ID, Args: args}.String()
	}
	return fill(s, args)
}

// fill puts values in for {1}, {2} ...; a value is not looked into again.
func fill(s string, args []string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		number, after, ok := strings.Cut(rest, "}")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 1 || n > len(args) {
			b.WriteByte('{')
			s = rest
			continue
		}
		b.WriteString(args[n-1])
		s = after
	}
}

// value translates a value that is a sentence itself, and what is in it, down to
// a depth.
func (t *Texts) value(s string, depth int) string {
	if !strings.Contains(s, " ") { // a word is a name, not a sentence
		return s
	}
	if x, ok := t.all[s]; ok {
		return x
	}
	if depth == 0 || len(s) > 1000 {
		return s
	}
	for _, p := range t.patterns {
		if m := p.find.FindStringSubmatch(s); m != nil {
			args := m[1:]
			for i := range args {
				args[i] = t.value(args[i], depth-1)
			}
			return fill(t.all[p.id], args)
		}
	}
	return s
}

// FromEnvironment is the language of the locale (POSIX: LC_ALL, LC_MESSAGES,
// LANG): English where there are no texts for it, or where the locale's
// characters are not UTF-8.
func FromEnvironment() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			return fromLocale(v)
		}
	}
	return "en"
}

func fromLocale(s string) string {
	s, _, _ = strings.Cut(s, "@")
	lang, charset, _ := strings.Cut(strings.ToLower(s), ".")
	if charset != "" && charset != "utf-8" && charset != "utf8" {
		return "en"
	}
	lang, _, _ = strings.Cut(lang, "_")
	switch lang {
	case "ja", "zh":
		return lang
	}
	return "en"
}
