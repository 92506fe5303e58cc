package caddymodule

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"strconv"

	"github.com/caddyserver/caddy/v2"
)

// adminAddresses are where Caddy's admin endpoint listens under the configuration of ctx: scripts
// must never reach it. Caddy gives modules no access to its admin settings, so they are read from
// the context itself; if they are not where they used to be, it is the default address.
func adminAddresses(ctx caddy.Context) []netip.AddrPort {
	listen := caddy.DefaultAdminListen
	if admin := adminConfig(ctx); admin.IsValid() {
		if text := admin.FieldByName("Listen"); text.Kind() == reflect.String && text.String() != "" {
			listen = text.String()
		}
	}
	if text, err := caddy.NewReplacer().ReplaceOrErr(listen, true, true); err == nil {
		listen = text
	}
	addr, err := caddy.ParseNetworkAddress(listen)
	if err != nil || addr.IsUnixNetwork() { // scripts cannot reach a socket file
		return nil
	}
	return resolve(ctx, addr.Host, strconv.Itoa(int(addr.StartPort)))
}

// adminConfig finds the admin settings of a context, or nothing.
func adminConfig(ctx caddy.Context) reflect.Value {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if config.Kind() != reflect.Pointer || config.IsNil() {
		return reflect.Value{}
	}
	admin := config.Elem().FieldByName("Admin")
	if admin.Kind() != reflect.Pointer || admin.IsNil() {
		return reflect.Value{}
	}
	return admin.Elem()
}

// resolve lists the addresses that a listener on host is reached at.
func resolve(ctx context.Context, host, port string) []netip.AddrPort {
	if host == "" {
		host = "0.0.0.0"
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(addr, uint16(n))} //nolint:gosec // a port
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil { // better too much than too little
		addrs = []netip.Addr{netip.IPv4Unspecified()}
	}
	list := make([]netip.AddrPort, len(addrs))
	for i, addr := range addrs {
		list[i] = netip.AddrPortFrom(addr, uint16(n)) //nolint:gosec // a port
	}
	return list
}
