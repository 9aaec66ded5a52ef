package preflight

import (
	"fmt"
	"regexp"
	"unicode/utf8"

	"migimg/preflight/checks"
)

// Bounds of one check's part in the report, which a hostile guest could fill.
const (
	maxEvidence = 50
	maxRemedies = 20
	maxText     = 2000 // bytes of one string
)

// Lines of fstab and kernel command lines may hold passwords: mount.cifs(8)
// takes password=, crypttab and LUKS arguments take keys, and network sources
// take them in front of the host's name.
var (
	secretOption = regexp.MustCompile(`(?i)\b([a-z0-9_.-]*(?:pass|password|passwd|passphrase|passwd2|password2|secret|token|credential|key))=("[^"]*"|'[^']*'|[^\s,;]+)`)
	secretLogin  = regexp.MustCompile(`((?://|#)[^\s/:@]+):[^\s/@]+@`)
)

// plainKeys are arguments that end in "key" or the like and hold no secret.
var plainKeys = regexp.MustCompile(`(?i)^(?:.*keymap|access_key_id)$`)

// redact takes what looks like a secret out of a text, and bounds its length.
func redact(s string) string {
	if len(s) > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "..."
	}
	s = secretOption.ReplaceAllStringFunc(s, func(m string) string {
		p := secretOption.FindStringSubmatch(m)
		if plainKeys.MatchString(p[1]) {
			return m
		}
		return p[1] + "=REDACTED"
	})
	return secretLogin.ReplaceAllString(s, "$1:REDACTED@")
}

func evidence(list []checks.Evidence) []checks.Evidence {
	out := []checks.Evidence{}
	for i, e := range list {
		if i == maxEvidence {
			return append(out, checks.Evidence{Kind: "value", Key: "more", Actual: fmt.Sprint(len(list) - i)})
		}
		e.Path, e.Text, e.Key, e.Actual, e.Expected = redact(e.Path), redact(e.Text), redact(e.Key), redact(e.Actual), redact(e.Expected)
		if e.Detail != nil {
			d := map[string]string{}
			for k, v := range e.Detail {
				d[k] = redact(v)
			}
			e.Detail = d
		}
		out = append(out, e)
	}
	return out
}

// remedies bounds the list and leaves out what is said twice.
func remedies(list []checks.Remediation) []checks.Remediation {
	out := []checks.Remediation{}
	seen := map[string]bool{}
	for _, m := range list {
		m.Text = redact(m.Text)
		if m.Message = clean(m.Message); m.Message.String() != m.Text {
			m.Message = checks.Message{}
		}
		for i, argv := range m.Argv {
			clean := make([]string, len(argv))
			for k, a := range argv {
				clean[k] = redact(a)
			}
			if i == 0 {
				m.Argv = append([][]string{}, m.Argv...)
			}
			m.Argv[i] = clean
		}
		key := fmt.Sprint(m)
		if seen[key] || len(out) == maxRemedies {
			continue
		}
		seen[key] = true
		out = append(out, m)
	}
	return out
}

// messages are a result's, without secrets; none where the summary could not be
// put together from them.
func messages(x checks.Result) []checks.Message {
	var out []checks.Message
	s := ""
	for _, m := range x.Said() {
		out = append(out, clean(m))
		s += out[len(out)-1].String()
	}
	if s != redact(x.Summary) {
		return nil
	}
	return out
}

func clean(m checks.Message) checks.Message {
	args := make([]string, len(m.Args))
	for i, a := range m.Args {
		args[i] = redact(a)
	}
	m.Args = args
	return m
}
