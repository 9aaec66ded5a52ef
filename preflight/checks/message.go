package checks

import (
	"fmt"
	"strings"
)

// Message is a sentence kept as its template and what is put into it, so that
// it can be said in other languages. The English template, with the verbs of
// package fmt, is its id: texts of other languages are found by it, and where
// there are none the sentence stays English.
type Message struct {
	ID   string   `json:"id"`
	Args []string `json:"args,omitempty"`
}

// message takes a template and its values apart.
func message(format string, a ...any) Message {
	m := Message{ID: format}
	for _, v := range Verbs(format) {
		if len(m.Args) == len(a) {
			break // vet finds those
		}
		m.Args = append(m.Args, fmt.Sprintf(v, a[len(m.Args)]))
	}
	return m
}

// String is the sentence in English.
func (m Message) String() string {
	var b strings.Builder
	n := 0
	for lit, verb := range pieces(m.ID) {
		b.WriteString(lit)
		if verb != "" && n < len(m.Args) {
			b.WriteString(m.Args[n])
			n++
		}
	}
	return b.String()
}

// Verbs are the verbs of a template, in order: "%s", "%04o".
func Verbs(format string) (verbs []string) {
	for _, v := range pieces(format) {
		if v != "" {
			verbs = append(verbs, v)
		}
	}
	return verbs
}

// pieces yields the template's literal parts, each with the verb that follows
// it; "" at the end. "%%" is a literal percent sign.
func pieces(format string) func(yield func(lit, verb string) bool) {
	return func(yield func(lit, verb string) bool) {
		lit := ""
		for {
			i := strings.IndexByte(format, '%')
			if i < 0 || i == len(format)-1 {
				yield(lit+format, "")
				return
			}
			lit, format = lit+format[:i], format[i:]
			if format[1] == '%' {
				lit, format = lit+"%", format[2:]
				continue
			}
			n := 1
			for n < len(format)-1 && strings.IndexByte("+-# 0123456789.", format[n]) >= 0 {
				n++
			}
			if !yield(lit, format[:n+1]) {
				return
			}
			lit, format = "", format[n+1:]
		}
	}
}

// Said are the messages that a result's summary consists of; nil where it was
// put together in another way, and cannot be translated.
func (r Result) Said() []Message {
	s := ""
	for _, m := range r.said {
		s += m.String()
	}
	if s != r.Summary {
		return nil
	}
	return r.said
}

// more appends to the summary.
func (r Result) more(format string, a ...any) Result {
	m := message(format, a...)
	r.Summary += m.String()
	r.said = append(r.said[:len(r.said):len(r.said)], m)
	return r
}

// also appends the other's summary.
func (r Result) also(o Result) Result {
	r = r.more("; ")
	r.Summary += o.Summary
	r.said = append(r.said, o.said...)
	return r
}

// saying replaces the summary.
func (r Result) saying(format string, a ...any) Result {
	m := message(format, a...)
	r.Summary, r.said = m.String(), []Message{m}
	return r
}
