# tests/sdk: what the scripts share, sourced by each; beside tests/e2e/lib.sh, which it sources. A script runs in a
# network of its own, where nothing is but loopback: Azure's service SDK speaks to port 443 of HostName only, and so
# hubsim can have it, whoever runs the tests and whatever else runs on this machine. Names are in a hosts file of its own.
sdk=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${SDK_INSIDE-}" ]; then
	set -eu
	"$sdk/../lib/npm" "$sdk"
	spaces=(--net --mount)
	[ "$(id -u)" -eq 0 ] || spaces+=(--user --map-root-user)
	SDK_INSIDE=yes exec unshare "${spaces[@]}" "$0" "$@"
fi
. "$sdk/../e2e/lib.sh"
export PATH=$PATH:/usr/sbin:/sbin
must ip link set lo up
printf '127.0.0.1 localhost\n127.0.0.2 hub.test\n127.0.0.3 trouble.test\n' >"$folder/hosts"
must mount --bind "$folder/hosts" /etc/hosts

# One certificate for all, as Azure's chain of trust is one; RSA, as Azure's are.
must openssl req -x509 -newkey rsa:2048 -nodes -keyout "$folder/hub.key" -out "$folder/hub.pem" -days 2 -subj /CN=hub.test \
	-addext subjectAltName=DNS:hub.test,DNS:trouble.test 2>"$folder/openssl.log"

# start_azure NAME ADDRESS ARGUMENT…: start_hub, with the doors at the ports of the real one; HostName is NAME.test.
start_azure() {
	local name=$1 address=$2
	shift 2
	start_hub "$name" --host-name "$name.test" --tls-listen "$address:443" --mqtt-listen "$address:8883" \
		--cert "$folder/hub.pem" --key "$folder/hub.key" "$@"
}

# owner NAME: the connection string of a hub's owner, who may do everything.
owner() { "$HUBSIM" --host-name "$1.test" --policy iothubowner --print-connection-string; }

# device_string NAME ID: a device's connection string.
device_string() { "$HUBSIM" --host-name "$1.test" --devices 1000 --print-device-connection-string "$2"; }

# configure_azure NAME: the service's settings, with that hub as Azure's would stand there.
configure_azure() {
	jq -n --arg cs "$("$HUBSIM" --host-name "$1.test" --print-connection-string)" --arg ca "$folder/hub.pem" \
		--arg name "$1" '{hubs: [{$name, connectionString: $cs, caFile: $ca, sku: "none", trackIntervalMs: 200}]}' |
		configure
}

# run_js FILE: tests that are written with suite.js; they count as this script's own.
run_js() {
	local p f
	HUB=$(owner hub) TROUBLE=$(owner trouble) NODE_EXTRA_CA_CERTS=$folder/hub.pem NODE_NO_WARNINGS=1 \
		node "$sdk/$1" 2>&1 | tee "$folder/$1.out"
	read -r p f < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$folder/$1.out") || { p=0 f=1; }
	passed=$((passed + p))
	failed=$((failed + f))
}
