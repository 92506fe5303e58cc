package raftstorage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// DefaultPort is the port of entries of the join list that name none.
const DefaultPort = "7373"

// resolver is the part of [net.Resolver] that finds members.
type resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// CheckJoin says what is wrong with one entry of the join list. It looks nothing up.
func CheckJoin(entry string) error {
	_, err := parseJoin(entry)
	return err
}

// joinEntry is one entry of the join list.
type joinEntry struct {
	scheme string // "", dns or srv
	host   string
	port   string // "" for srv
}

// parseJoin reads host:port, dns://name:port or srv://_dgate._tcp.name.
func parseJoin(entry string) (joinEntry, error) {
	scheme, rest, found := strings.Cut(entry, "://")
	if !found {
		scheme, rest = "", entry
	}
	wrong := func(problem string) (joinEntry, error) {
		return joinEntry{}, fmt.Errorf("join %s %s: it is host:port, dns://name:port or srv://_dgate._tcp.name", entry, problem)
	}
	switch scheme {
	case "", "dns":
	case "srv":
		if !strings.HasPrefix(rest, "_") || strings.Contains(rest, ":") || strings.Count(rest, ".") < 2 {
			return wrong("does not name a service, such as srv://_dgate._tcp.example.com")
		}
		return joinEntry{scheme: scheme, host: rest}, nil
	default:
		return wrong("has an unknown scheme")
	}
	host, port, err := splitAddress(rest)
	if err != nil {
		return wrong("is no address (" + err.Error() + ")")
	}
	return joinEntry{scheme: scheme, host: host, port: port}, nil
}

// splitAddress splits an address; the port can be left out.
func splitAddress(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	var missing *net.AddrError
	if errors.As(err, &missing) && missing.Err == "missing port in address" {
		host, port, err = strings.Trim(address, "[]"), DefaultPort, nil
	}
	if err != nil {
		return "", "", err
	}
	if host == "" || strings.ContainsAny(host, "/ @") {
		return "", "", errors.New("it has no host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("port %q is none", port)
	}
	return host, port, nil
}

// resolveJoin looks up the addresses behind the entries of the join list, each once and in order.
// What cannot be looked up is in the error, by its entry; the other addresses are returned too.
func resolveJoin(ctx context.Context, r resolver, entries []string) (addresses []string, err error) {
	var problems []error
	for _, text := range entries {
		entry, err := parseJoin(text)
		if err == nil {
			var found []string
			if found, err = entry.resolve(ctx, r); err == nil && len(found) == 0 {
				err = errors.New("there is no address behind it")
			}
			addresses = append(addresses, found...)
			if err != nil {
				err = fmt.Errorf("join %s: %w", text, err)
			}
		}
		problems = append(problems, err)
	}
	var unique []string
	for _, a := range addresses {
		if !slices.Contains(unique, a) {
			unique = append(unique, a)
		}
	}
	return unique, errors.Join(problems...)
}

// resolve looks up the addresses of one entry.
func (e joinEntry) resolve(ctx context.Context, r resolver) (addresses []string, err error) {
	switch e.scheme {
	case "dns":
		hosts, err := r.LookupHost(ctx, e.host)
		slices.Sort(hosts)
		for _, host := range hosts {
			addresses = append(addresses, net.JoinHostPort(host, e.port))
		}
		return addresses, err
	case "srv":
		_, records, err := r.LookupSRV(ctx, "", "", e.host)
		for _, record := range records {
			target := strings.TrimSuffix(record.Target, ".")
			addresses = append(addresses, net.JoinHostPort(target, strconv.Itoa(int(record.Port))))
		}
		return addresses, err
	}
	return []string{net.JoinHostPort(e.host, e.port)}, nil
}
