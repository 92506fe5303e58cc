#!/bin/sh
# Three Caddys on this machine that are one gateway: a route that one of them is told of is served by
# all, also when one of them is killed. CADDY names the program, with the plugin in it.
set -eu
cd "$(dirname "$0")"
caddy=${CADDY:-caddy}
logs=$(mktemp -d)
one= two= three=
trap 'kill $one $two $three 2>/dev/null || true; wait; rm -rf "$logs"' EXIT

DGATE_CLUSTER_SECRET=$($caddy dgate cluster token --new)
export DGATE_CLUSTER_SECRET
NODE=one ADMIN=localhost:2019 SITE=localhost:8080 CLUSTER=localhost:7371 $caddy run >"$logs/one" 2>&1 & one=$!
NODE=two ADMIN=localhost:2020 SITE=localhost:8082 CLUSTER=localhost:7372 $caddy run >"$logs/two" 2>&1 & two=$!
NODE=three ADMIN=localhost:2021 SITE=localhost:8083 CLUSTER=localhost:7373 $caddy run >"$logs/three" 2>&1 & three=$!

# Tries a command for a minute.
await() {
	for _ in $(seq 300); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.2
	done
	echo "this did not come about: $*" >&2
	tail -n 5 "$logs"/* >&2
	exit 1
}
ready() {
	for admin in localhost:2019 localhost:2020 localhost:2021; do
		curl -sf "$admin/dgate/readyz" || return
	done
	[ "$(curl -sf localhost:2019/dgate/cluster/status | tr , '\n' | grep -c '"role":"voter"')" = 3 ]
}
await ready
echo "three nodes are one cluster"

$caddy dgate --admin localhost:2019 module create hello payload@=hello.ts >/dev/null
$caddy dgate --admin localhost:2019 route create hello "paths=/hello/{name}" methods=GET modules=hello >/dev/null
echo "node one has been told of a route"

await curl -sf localhost:8083/hello/ada
echo "node three: $(curl -sf localhost:8083/hello/ada)"

kill -9 $one
echo "node one has been killed"
await curl -sf localhost:8082/hello/bob # it may have been the one that did not have it yet
echo "node two: $(curl -sf localhost:8082/hello/bob)"

change() { $caddy dgate --admin localhost:2020 route create bye "paths=/bye/{name}" methods=GET modules=hello; }
await change
await curl -sf localhost:8083/bye/eve
echo "node three, asked for a route that node two was told of since: $(curl -sf localhost:8083/bye/eve)"
