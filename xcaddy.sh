#!/usr/bin/env bash
# Builds ./caddy, a Caddy with DGate in it, at the root of this checkout.
#
#   ./xcaddy.sh               build
#   ./xcaddy.sh run [args…]   build, then run; without args: run --config Caddyfile.example
#
# xcaddy itself is pinned by the `tool` line of go.mod. CADDY_VERSION chooses another Caddy than
# the one of go.mod; XCADDY_*, GOPROXY, GOOS, GOARCH and the other variables of go and xcaddy pass
# through. XCADDY_WITH adds more plugins, separated by spaces.
set -euo pipefail

module=github.com/dgate-io/caddy-dgate
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
start=$PWD

case ${1:-build} in
build | run) ;;
*)
	echo "usage: $0 [build | run [arguments of caddy run]]" >&2
	exit 2
	;;
esac

cd -- "$root"
caddy=$root/caddy$(go env GOEXE)
version=${CADDY_VERSION:-$(go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)}

# The tool runs here, also when Caddy is built for elsewhere.
xcaddy=$(env -u GOOS -u GOARCH -u GOARM -u GOFLAGS go tool -n xcaddy)

# A module proxy that knows only published modules refuses to be asked for this one. With a version
# and a replacement go never asks. (Without the version it does, to find the newest.)
args=(build "$version" --with "$module@v0.0.0=$root" --output "$caddy")
for plugin in ${XCADDY_WITH:-}; do
	args+=(--with "$plugin")
done

echo "xcaddy.sh: building ./$(basename -- "$caddy") from Caddy $version and this checkout (some minutes the first time)" >&2
"$xcaddy" "${args[@]}"

if [ "${1:-build}" = run ]; then
	shift
	if [ $# -eq 0 ]; then
		set -- --config "$root/Caddyfile.example"
	fi
	cd -- "$start"
	exec "$caddy" run "$@"
fi
