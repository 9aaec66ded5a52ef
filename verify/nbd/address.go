package nbd

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// defaultPort is the protocol's, registered with IANA.
const defaultPort = "10809"

// IsAddress says whether s is written like an address of an export, and not like
// a path.
func IsAddress(s string) bool {
	return strings.HasPrefix(s, "nbd://") || strings.HasPrefix(s, "nbds://") ||
		strings.HasPrefix(s, "nbd+unix://") || strings.HasPrefix(s, "nbds+unix://")
}

// parse takes an address as the protocol's doc/uri.md has it:
// nbd://HOST[:PORT]/EXPORT and nbd+unix:///EXPORT?socket=PATH.
func parse(address string) (network, addr, export string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", "", fmt.Errorf("%s: %w", address, err)
	}
	export = strings.TrimPrefix(u.Path, "/")
	if len(export) > maxName {
		return "", "", "", fmt.Errorf("%s: the export's name is longer than the protocol's %d bytes", address, maxName)
	}
	socket := u.Query().Get("socket")
	switch {
	case u.Scheme == "nbds" || u.Scheme == "nbds+unix":
		return "", "", "", fmt.Errorf("%s: TLS is not supported; let a tunnel (ssh -L) carry the connection and use nbd:// or nbd+unix://", address)
	case u.Scheme == "nbd" && u.Hostname() != "" && socket == "":
		port := u.Port()
		if port == "" {
			port = defaultPort
		}
		return "tcp", net.JoinHostPort(u.Hostname(), port), export, nil
	case u.Scheme == "nbd+unix" && u.Host == "" && socket != "":
		return "unix", socket, export, nil
	}
	return "", "", "", fmt.Errorf("%s is no address of an NBD export: write nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH", address)
}
