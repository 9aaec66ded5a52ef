package facts

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"migimg/preflight/guestfs"
)

// CloudSettings are what of cloud-init's merged configuration decides about
// logins and about what is run again. They hold no user data.
type CloudSettings struct {
	// DefaultUser is the name of the user that gets the target's key, "" where
	// the list of users has no default one.
	DefaultUser string
	// RootKey: root gets the key as well (disable_root is false). PasswordAuth is
	// ssh_pwauth ("" for not set).
	RootKey      bool
	PasswordAuth string
	// KeepHostKeys: ssh_deletekeys is false. PreserveHostname and
	// ManualCacheClean are those settings.
	KeepHostKeys, PreserveHostname, ManualCacheClean bool
	// NoModules are modules that logins need and that the configuration does not
	// run: users-groups, ssh, set-passwords.
	NoModules []string
	// From is the file of each setting that a file makes, by its name.
	From map[string]string
}

// cloudTop are the keys that count, at the top of a file.
var cloudTop = []string{"users", "disable_root", "ssh_pwauth", "ssh_deletekeys", "preserve_hostname", "manual_cache_clean", "cloud_init_modules", "cloud_config_modules", "system_info"}

// cloudConfig merges cloud.cfg with the files of cloud.cfg.d in the order of
// their names. A later file wins; mappings are merged key by key, lists are
// replaced (cloud-init, util.read_conf_with_confd and the default merger).
func (g *gatherer) cloudConfig(c *CloudInit) {
	names := []string{"etc/cloud/cloud.cfg"}
	entries, err := g.fs.ReadDir("etc/cloud/cloud.cfg.d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.Problems = append(c.Problems, err.Error())
	}
	for _, e := range entries[:min(len(entries), 1000)] {
		if strings.HasSuffix(e.Name(), ".cfg") {
			names = append(names, path.Join("etc/cloud/cloud.cfg.d", e.Name()))
		}
	}
	merged := map[string]ast.Node{}
	c.Config.From = map[string]string{}
	for _, n := range names {
		b, err := guestfs.ReadFile(g.fs, n, guestfs.MaxConfig)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			c.Problems = append(c.Problems, err.Error())
			continue
		}
		f, err := ParseCloudConfig(b)
		if err != nil {
			c.Problems = append(c.Problems, fmt.Sprintf("/%s: %v", n, err))
			continue
		}
		if f.Datasources != nil {
			c.Datasources, c.DatasourcesFrom = f.Datasources, "/"+n
		}
		switch f.Network {
		case "disabled":
			c.NetworkDisabled = "/" + n
		case "set":
			c.NetworkDisabled = ""
		}
		for k, v := range f.top {
			if !slices.Contains(cloudTop, k) {
				continue
			}
			if k == "system_info" {
				// Only the default user is asked of it; a file seldom sets half of one.
				if m, ok := yamlMap(v); ok && m["default_user"] != nil {
					merged["default_user"] = m["default_user"]
				}
				continue
			}
			merged[k], c.Config.From[k] = v, "/"+n
		}
	}
	c.Config.fill(merged)
}

func (s *CloudSettings) fill(m map[string]ast.Node) {
	flag := func(k string, def bool) bool {
		v := strings.ToLower(yamlString(m[k]))
		if v == "" {
			return def
		}
		return slices.Contains([]string{"true", "1", "on", "yes"}, v)
	}
	s.RootKey = !flag("disable_root", true)
	s.PasswordAuth = strings.ToLower(yamlString(m["ssh_pwauth"]))
	s.KeepHostKeys = !flag("ssh_deletekeys", true)
	s.PreserveHostname = flag("preserve_hostname", false)
	s.ManualCacheClean = flag("manual_cache_clean", false)
	if users, set := m["users"]; !set || hasDefault(users) {
		s.DefaultUser = "the default user"
		if u, ok := yamlMap(m["default_user"]); ok && yamlString(u["name"]) != "" {
			s.DefaultUser = yamlString(u["name"])
		}
	}
	if list, ok := m["cloud_init_modules"]; ok {
		for _, want := range []string{"users-groups", "ssh"} {
			if !hasModule(list, want) && !hasModule(m["cloud_config_modules"], want) {
				s.NoModules = append(s.NoModules, want)
			}
		}
	}
	if list, ok := m["cloud_config_modules"]; ok && !hasModule(list, "set-passwords") && !hasModule(m["cloud_init_modules"], "set-passwords") {
		s.NoModules = append(s.NoModules, "set-passwords")
	}
}

// hasDefault says whether the list of users has the default one: "default", in a
// list, a mapping's name, or alone.
func hasDefault(n ast.Node) bool {
	if s, ok := n.(*ast.SequenceNode); ok {
		return slices.ContainsFunc(s.Values, func(v ast.Node) bool {
			m, ok := yamlMap(v)
			return yamlString(v) == "default" || ok && strings.EqualFold(yamlString(m["default"]), "true") || ok && yamlString(m["name"]) == "default"
		})
	}
	if m, ok := yamlMap(n); ok {
		_, ok := m["default"]
		return ok
	}
	return slices.Contains(strings.Fields(strings.ReplaceAll(yamlString(n), ",", " ")), "default")
}

// hasModule looks for a module, whose name may be written with _ or -, alone or
// as the first of a list with its frequency.
func hasModule(n ast.Node, name string) bool {
	s, ok := n.(*ast.SequenceNode)
	return ok && slices.ContainsFunc(s.Values, func(v ast.Node) bool {
		if inner, ok := v.(*ast.SequenceNode); ok && len(inner.Values) > 0 {
			v = inner.Values[0]
		}
		return strings.ReplaceAll(yamlString(v), "_", "-") == name
	})
}
