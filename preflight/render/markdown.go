package render

import (
	"bufio"
	"io"
	"strings"

	"migimg/preflight"
	"migimg/preflight/checks"
)

// Markdown writes the report for a ticket or a merge request (GitHub's
// dialect): verdicts, a table of what needs attention, and each of those checks
// in full. Text of the guest cannot become markup in it.
func Markdown(w io.Writer, r *preflight.Report, o Options) error {
	b := bufio.NewWriter(w)
	p := &page{b, r, o, o.texts()}
	t := p.t
	p.line("# migimg preflight: %s", md(r.Source.Devices(", ")))
	p.line("")
	if r.OS != nil {
		p.line("%s, %s", md(or(r.OS.Pretty, t.Text("an operating system"))), strings.ToUpper(md(r.OS.Firmware)))
		p.line("")
	}
	p.line("| %s | %s | %s |", t.Text("Target"), t.Text("Verdict"), t.Text("Predicted error"))
	p.line("|---|---|---|")
	for _, x := range r.Targets {
		p.line("| %s | **%s** | %s |", x.ID, t.Text(verdicts[x.Verdict].text), strings.Join(predicted(x), ", "))
	}
	rows := p.sorted()
	p.line("")
	p.line("## %s", t.Text("Findings"))
	p.line("")
	if len(rows) == 0 {
		p.line("%s", t.Text("Nothing needs attention."))
	} else {
		head, rule := "| "+t.Text("Status")+" | "+t.Text("Check")+" | "+t.Text("Summary")+" |", "|---|---|---|"
		for _, x := range r.Targets {
			head, rule = head+" "+x.ID+" |", rule+"---|"
		}
		p.line("%s", head)
		p.line("%s", rule)
	}
	plain := Options{Texts: o.Texts}
	cells := &page{b, r, plain, p.t}
	for _, c := range rows {
		s := "| " + t.Text(words[statusWord(c)].text) + " | `" + c.ID + "` | " + md(t.Say(c.Message, c.Summary)) + " |"
		for _, x := range r.Targets {
			s += " " + strings.TrimSpace(cells.cell(c, x.ID)) + " |"
		}
		p.line("%s", s)
	}
	for _, c := range rows {
		if c.Status != checks.Pass && c.Status != checks.Skip {
			p.section(c)
		}
	}
	if r.Redaction == "full" {
		p.line("")
		p.line("%s", t.Text("Names, addresses, UUIDs and serial numbers in this report are pseudonyms."))
	}
	return b.Flush()
}

// section is one check in full.
func (p *page) section(c preflight.CheckResult) {
	t := p.t
	p.line("")
	p.line("### `%s` %s", c.ID, md(t.Text(c.Title)))
	p.line("")
	p.line("%s", md(t.Say(c.Message, c.Summary)))
	if c.Impact != "" {
		p.line("")
		p.line("%s", md(t.Format("What it leads to: %s", t.Text(c.Impact))))
	}
	for _, x := range p.r.Targets {
		if w, ok := c.Waived[x.ID]; ok {
			p.line("")
			p.line("%s:%s", x.ID, md(t.Format(" (waived until %s by %s: %s)", w.Until, w.Who, w.Reason)))
		}
	}
	if len(c.Evidence) > 0 {
		p.line("")
		p.line("%s", t.Text("Evidence:"))
		p.line("")
	}
	for _, e := range c.Evidence {
		p.line("- %s", code(evidenceLine(t, e)))
	}
	if len(c.Remedies) > 0 {
		p.line("")
		p.line("%s", t.Text("What to do:"))
	}
	for _, m := range c.Remedies {
		p.line("")
		switch m.Type {
		case "command":
			p.block(m.Argv)
		case "link":
			if address(m.URL) {
				p.line("<%s> %s", m.URL, md(m.Text))
			} else {
				p.line("%s %s", md(m.URL), md(m.Text))
			}
		default:
			p.line("%s", md(advice(t, m)))
		}
	}
}

// block is a fenced block of commands; the fence is longer than any in it.
func (p *page) block(argv [][]string) {
	var list []string
	fence := "```"
	for _, a := range argv {
		list = append(list, clean(shell(a)))
		for strings.Contains(list[len(list)-1], fence) {
			fence += "`"
		}
	}
	p.line("%ssh", fence)
	for _, s := range list {
		p.line("%s", s)
	}
	p.line("%s", fence)
}

// address says that a link's address is one that a person may be sent to.
func address(s string) bool {
	return strings.HasPrefix(s, "https://") && !strings.ContainsAny(clean(s), "<>[]()|\"'`\\* ") && clean(s) == s
}

// mdEscape are the characters that mean something in Markdown or HTML.
var mdEscape = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;",
	"#", `\#`, "|", `\|`, "~", `\~`, "!", `\!`, "&", "&amp;", "@", "&#64;", "://", "&#58;//")

// md is text of whomever as Markdown text: no markup, no mention, no link.
func md(s string) string { return mdEscape.Replace(clean(s)) }

// code is text as a code span; its fence is longer than any in it.
func code(s string) string {
	s = strings.TrimSpace(clean(s))
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}
