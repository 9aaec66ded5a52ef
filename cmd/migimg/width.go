package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// columns is how wide text for people may be: the terminal's width, or what COLUMNS
// says where stdout is none; 0 where nothing does: lines in a pipe stay whole.
func columns() int {
	if ws, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		return int(ws.Col)
	}
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil {
		return 0
	}
	return max(0, n)
}

// folded prints with lines broken between words at width columns, 0 for none. The
// rest of a line goes below its last column of text.
func folded(w io.Writer, width int, print func(io.Writer) error) error {
	if width == 0 {
		return print(w)
	}
	var b bytes.Buffer
	err := print(&b)
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		for _, l := range fold(line, width, hang(line, width)) {
			fmt.Fprintln(w, l)
		}
	}
	return err
}

// printHelp has what print makes, a help text, fit into the terminal, or into 80
// columns where there is none.
func printHelp(print func(io.Writer, string, any, map[string]any)) func(io.Writer, string, any, map[string]any) {
	return func(w io.Writer, template string, data any, funcs map[string]any) {
		width := columns()
		if width == 0 {
			width = 80
		}
		_ = folded(w, width, func(w io.Writer) error { // a broken pipe is nobody's to hear of
			print(w, template, data, funcs)
			return nil
		})
	}
}

// reflow breaks the paragraphs of a text at width columns, and leaves indented lines as
// they are.
func reflow(text string, width int) string {
	var out, paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			out = append(out, fold(strings.Join(paragraph, " "), width, 0)...)
			paragraph = nil
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || strings.HasPrefix(line, " ") {
			end()
			out = append(out, line)
			continue
		}
		paragraph = append(paragraph, line)
	}
	end()
	return strings.Join(out, "\n")
}

// hang is where the last column of a line of text begins: behind the last gap in its
// first half.
func hang(line string, width int) int {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	at := min(indent+2, width/2)
	for i := indent + 1; i < min(len(line), width/2)-1; i++ {
		if line[i] == ' ' && line[i-1] == ' ' && line[i+1] != ' ' {
			at = utf8.RuneCountInString(line[:i+1])
		}
	}
	return at
}

// fold breaks a line at blanks so that no part is wider than width, if that is
// possible; the parts after the first have an indent.
func fold(line string, width, indent int) (parts []string) {
	for utf8.RuneCountInString(line) > width {
		cut, n := -1, 0
		for i, r := range line {
			if r == ' ' && n > indent && (n <= width || cut < 0) {
				cut = i
			}
			n++
		}
		if cut < 0 {
			break
		}
		parts = append(parts, strings.TrimRight(line[:cut], " "))
		line = strings.Repeat(" ", indent) + strings.TrimLeft(line[cut:], " ")
	}
	return append(parts, line)
}
