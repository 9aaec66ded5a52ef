package render

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"migimg/preflight/targets"
)

// Target writes what is known of one target as a page in Markdown: docs/targets/ID.md.
func Target(w io.Writer, t *targets.Target) error {
	b := bufio.NewWriter(w)
	line := func(format string, a ...any) { fmt.Fprintf(b, format+"\n", a...) } // bufio keeps the first error for Flush
	line("<!-- Made by: make golden. What it says is in preflight/targets/%s.json. -->", t.ID)
	line("<!-- docs: page not run: each target's mount is tried in TestTargetFolders; the rest are others' tools, with words that are the reader's -->")
	line("# %s", t.ID)
	line("")
	line("%s. What is known of it, as of %s; how to read it: [targets](../targets.md).", markdown(t.Title), t.AsOf)
	line("")
	line("```sh")
	line("migimg preflight /dev/sda --target %s", t.ID)
	line("migimg mount --target %s /dev/sda /mnt/migimg", t.ID)
	line("cat /mnt/migimg/targets/%s/UPLOAD.md", t.ID)
	line("```")
	if t.Family != "" {
		line("")
		line("`--target %s` chooses it too, with the others of its family.", t.Family)
	}
	line("")
	line("| | |")
	line("|---|---|")
	for _, row := range [][2]string{
		{"formats, best first", names(t.Formats)}, {"limits", limits(t)}, {"starts by", starts(t)},
		{"drivers", drivers(t)}, {"data source of cloud-init", names(t.Datasources)},
	} {
		line("| %s | %s |", row[0], cell(row[1]))
	}
	section := func(title string) { line("\n## %s\n", title) }
	if len(t.Commands) > 0 {
		section("Commands")
		line("`UPLOAD.md` has them with the name and size of the file for your disk. Words in capitals are your own.")
	}
	for _, c := range t.Commands {
		note := markdown(remark(c.Fact))
		if note != "" {
			note = " (" + note + ")"
		}
		line("")
		line("%s%s:", strings.ToUpper(c.Step[:1])+c.Step[1:], note)
		line("")
		line("```sh")
		line("%s", c.Text)
		line("```")
	}
	if len(t.Restrictions)+len(t.Extra) > 0 {
		section("What else to know")
	}
	for _, r := range t.Restrictions {
		line("- %s%s", markdown(r.Text), mark(r.Fact))
	}
	for _, x := range t.Extra {
		line("- %s: %s%s.", strings.Join(x.Any, " or "), markdown(x.Why), mark(x.Fact))
	}
	if len(t.Errors) > 0 {
		section("What the importer answers to a failed check")
	}
	for _, id := range slices.Sorted(maps.Keys(t.Errors)) {
		line("- `%s`: %s", id, markdown(t.Errors[id]))
	}
	if len(t.Sources) > 0 {
		section("Sources")
	}
	for _, s := range t.Sources {
		line("- %s, %s: %s", markdown(s.Title), s.Date, markdown(s.Ref))
	}
	return b.Flush()
}

// remark is a command's note, and that it is not certain.
func remark(f targets.Fact) string {
	if f.Sure == targets.Doubtful {
		return strings.TrimPrefix(f.Note+"; not confirmed", "; ")
	}
	return f.Note
}
