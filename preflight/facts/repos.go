package facts

import (
	"slices"
	"strings"
)

// Repos are the package repositories that the guest is configured with.
type Repos struct {
	List []Repo
	// Proxies are the files that name a proxy for packages, with its host.
	Proxies  []RepoProxy
	Problems []string
}

// Repo is one place that packages come from. URL and Host never hold a user's
// name, a password or a query.
type Repo struct {
	File      string
	Line      int
	URL, Host string
	Disabled  bool
	// Media: packages come from a CD-ROM or a folder.
	Media bool
}

// RepoProxy is a proxy.
type RepoProxy struct {
	File string
	Line int
	Host string
}

// maxRepos bounds the repositories that are kept.
const maxRepos = 2000

func (r *Repos) add(file string, line int, url string, disabled bool) {
	if len(r.List) == maxRepos {
		r.Problems = appendNew(r.Problems, "more repositories than are read")
		return
	}
	x := Repo{File: "/" + file, Line: line, Disabled: disabled}
	x.URL, x.Host = cleanURL(url)
	scheme, _, _ := strings.Cut(strings.ToLower(x.URL), ":")
	x.Media = slices.Contains([]string{"cdrom", "cd", "dvd", "iso", "hd", "dir", "file"}, scheme) || strings.HasPrefix(x.URL, "/")
	r.List = append(r.List, x)
}

// cleanURL drops what may be secret of an address, and finds its host.
func cleanURL(url string) (clean, host string) {
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "#")
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url[:min(len(url), 300)], ""
	}
	authority, p, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	host = authority
	if !strings.HasPrefix(host, "[") {
		host, _, _ = strings.Cut(host, ":")
	} else if i := strings.IndexByte(host, ']'); i > 0 {
		host = host[:i+1]
	}
	clean = scheme + "://" + authority
	if slash {
		clean += "/" + p
	}
	return clean[:min(len(clean), 300)], strings.ToLower(host)
}

func (g *gatherer) repos() {
	r := &g.f.State.Repos
	each := func(patterns []string, f func(name, text string)) {
		for _, p := range patterns {
			for _, n := range g.matching(p, &r.Problems) {
				if s, ok := g.text(n, &r.Problems); ok {
					f(n, s)
				}
			}
		}
	}
	each([]string{"etc/apt/sources.list", "etc/apt/sources.list.d/*.list"}, r.aptList)
	each([]string{"etc/apt/sources.list.d/*.sources"}, r.deb822)
	each([]string{"etc/yum.repos.d/*.repo", "etc/zypp/repos.d/*.repo", "etc/distro.repos.d/*.repo"}, r.yum)
	each([]string{"etc/apk/repositories"}, func(name, text string) {
		eachLine(text, func(n int, line string) {
			w := strings.Fields(line)
			r.add(name, n, w[len(w)-1], false)
		})
	})
	each([]string{"etc/pacman.d/mirrorlist"}, func(name, text string) {
		for _, kv := range ParseINI(text) {
			if kv.Key == "Server" {
				r.add(name, kv.Line, kv.Value, false)
			}
		}
	})
	each([]string{"etc/apt/apt.conf", "etc/apt/apt.conf.d/*"}, func(name, text string) {
		eachLine(text, func(n int, line string) {
			low := strings.ToLower(line)
			if strings.Contains(low, "proxy") && !strings.HasPrefix(line, "//") {
				r.proxy(name, n, line)
			}
		})
	})
	each([]string{"etc/yum.conf", "etc/dnf/dnf.conf"}, func(name, text string) {
		for _, kv := range ParseINI(text) {
			if kv.Key == "proxy" && kv.Value != "" && kv.Value != "_none_" {
				r.proxy(name, kv.Line, kv.Value)
			}
		}
	})
}

// proxy finds the address in a line.
func (r *Repos) proxy(file string, n int, line string) {
	for w := range strings.FieldsSeq(line) {
		if _, host := cleanURL(strings.Trim(w, `"';`)); host != "" && len(r.Proxies) < maxRepos {
			r.Proxies = append(r.Proxies, RepoProxy{"/" + file, n, host})
			return
		}
	}
}

// aptList reads one-line sources (sources.list(5)).
func (r *Repos) aptList(name, text string) {
	eachLine(text, func(n int, line string) {
		w := strings.Fields(line)
		if w[0] != "deb" {
			return // deb-src is for sources
		}
		rest := strings.TrimSpace(strings.TrimPrefix(line, "deb"))
		if strings.HasPrefix(rest, "[") {
			_, after, ok := strings.Cut(rest, "]")
			// A CD-ROM's name is in brackets, too, but behind its scheme.
			if !ok {
				return
			}
			rest = strings.TrimSpace(after)
		}
		if strings.HasPrefix(rest, "cdrom:") {
			r.add(name, n, "cdrom:", false)
			return
		}
		if w := strings.Fields(rest); len(w) > 0 {
			r.add(name, n, w[0], false)
		}
	})
}

// deb822 reads sources as paragraphs.
func (r *Repos) deb822(name, text string) {
	var urls []string
	begin, off, binary, key := 0, false, true, ""
	flush := func() {
		for _, u := range urls {
			if binary {
				r.add(name, begin, u, off)
			}
		}
		urls, off, binary, key = nil, false, true, ""
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		t := strings.TrimSpace(line)
		switch {
		case t == "":
			flush()
		case t[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if key == "uris" {
				urls = append(urls, strings.Fields(t)...)
			}
		default:
			k, v, _ := strings.Cut(t, ":")
			switch key = strings.ToLower(k); key {
			case "uris":
				urls, begin = append(urls, strings.Fields(v)...), n
			case "enabled":
				off = slices.Contains([]string{"no", "false", "0"}, strings.ToLower(strings.TrimSpace(v)))
			case "types":
				binary = slices.Contains(strings.Fields(v), "deb")
			}
		}
	}
	flush()
}

// yum reads .repo files (dnf.conf(5)), which zypper's are, too.
func (r *Repos) yum(name, text string) {
	type repo struct {
		line int
		urls []string
		off  bool
	}
	var list []*repo
	section := ""
	for _, kv := range ParseINI(text) {
		if kv.Section != section || len(list) == 0 {
			section = kv.Section
			list = append(list, &repo{line: kv.Line})
		}
		x := list[len(list)-1]
		switch kv.Key {
		case "baseurl", "mirrorlist", "metalink":
			x.line = kv.Line
			x.urls = append(x.urls, strings.FieldsFunc(kv.Value, func(c rune) bool { return c == ' ' || c == ',' })...)
		case "enabled":
			x.off = slices.Contains([]string{"0", "no", "false", "off"}, strings.ToLower(kv.Value))
		}
	}
	for _, x := range list {
		for _, u := range x.urls {
			r.add(name, x.line, u, x.off)
		}
	}
}
